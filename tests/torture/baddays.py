"""Bad days, through the real command: what happens to a store, and what a run makes of it.

In each, a run must be as a native one and say one line at most; and when the day is over, runs must be right and hit
again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from procache.store.layout import VERSION

from . import check
from .bench import Bench
from .faults import Expected, shortened
from .place import Place, Seen, differences

#: For root: access is as it is for everybody else.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
#: A store of so many bytes is full at some point of the job.
ROOM = (64, 128, 192, 256, 384, 512, 768)
MANY = 1_000_000
CLOCKS = (-400 * 86400, -3600, -1, 1, 3600, 400 * 86400)


class Day(NamedTuple):
    """A bad day; ``needs``: what must be possible here."""

    name: str
    trial: Callable[[Bench, Place, Expected, bool], None]
    needs: str = ""


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    expected = Expected(bench.place("native"))
    for day in DAYS:
        if day.needs and not possible(day.needs):
            bench.count(f"{day.name}: left out, this machine does not allow {day.needs}")
            continue
        place = bench.place(day.name.replace(" ", "-"))
        day.trial(bench, place, expected, whole)


def possible(need: str) -> bool:
    """Whether mounts or other privileges are to be had."""
    command = ["unshare", "--mount", "true"] if need == "mounts" else [*UNPRIVILEGED, "true"]
    try:
        return not subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    except FileNotFoundError:
        return False


def good(bench: Bench, day: str, expected: Seen, seen: Seen, quiet: bool = False) -> None:
    """A run must be as the native one."""
    wrong = differences(expected, seen)
    bench.count(f"{day}: runs")
    bench.count(f"{day}: of these, said a line", seen.err != expected.err)
    if quiet and seen.err != expected.err:
        wrong.append(f"said {seen.err!r}")
    bench.promise(not wrong, f"{day}: {shortened(wrong)}")


def over(bench: Bench, day: str, place: Place, expected: Expected) -> None:
    """The day is over: runs are right, and the second is a hit."""
    for version in (1, 1):
        place.fresh(version)
        good(bench, f"{day}, afterwards", expected.seen[version], place.run(), quiet=True)
    faults = check.look(place.store).faults
    bench.promise(not faults, f"{day}, afterwards: {shortened(faults)}")
    bench.promise("hit" in summary(place), f"{day}, afterwards: no hit ({summary(place)})")


def summary(place: Place) -> str:
    """What procache says of a run of the same."""
    place.fresh(1)
    return place.run(options=["-v"]).err.decode(errors="replace").splitlines()[-1]


# -- days --------------------------------------------------------------------------------------------------


def full(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """The store's file system is full, at one point of the job or another."""
    for room in ROOM if whole else ROOM[1:4:2]:
        place.store.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}k,mode=700", "none", place.store], check=True)
        try:
            for version in (0, 0, 1):
                place.fresh(version)
                good(bench, "store full", expected.seen[version], place.run())
            subprocess.run(["mount", "-o", "remount,size=16m", place.store], check=True)
            over(bench, "store full", place, expected)
        finally:
            subprocess.run(["umount", place.store], check=True)
            place.store.rmdir()


def full_of_nothing(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """The file system of the outputs is full: outputs of children cannot be put in place, nor written."""
    script = ["sh", "-c", "cat ../large > out/copied; echo $?"]
    (place.root / "large").write_bytes(b"content\n" * 40000)
    place.work.mkdir()
    outputs = place.work / "out"
    outputs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", outputs], check=True)
    try:
        place.command(script)
        (outputs / "copied").unlink()
        subprocess.run(["mount", "-o", "remount,size=64k", outputs], check=True)
        seen = place.command(script)
        bench.count("outputs full: runs")
        bench.promise(seen.out == b"1\n", f"outputs full: the status of cat is {seen.out!r}")
        (outputs / "copied").unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", outputs], check=True)
        seen = place.command(script)
        bench.promise(seen.out == b"0\n" and not seen.err, f"outputs full, afterwards: {seen.out!r}, {seen.err!r}")
        copied = (outputs / "copied").read_bytes() == (place.root / "large").read_bytes()
        bench.promise(copied, "outputs full, afterwards: the output is another")
    finally:
        subprocess.run(["umount", outputs], check=True)


def read_only(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """The store is mounted read-only: cold, warm, and with another input."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    around = ["unshare", "--mount", "sh", "-c", script, str(place.store)]
    place.store.mkdir(mode=0o700)
    for version in (0, None, 0, 1):
        place.fresh(version or 0)
        seen = place.run(around=[] if version is None else around)
        good(bench, "store read-only", expected.seen[version or 0], seen)
    over(bench, "store read-only", place, expected)


def removed(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """The store is removed at random moments of a run."""
    meanwhile(bench, place, expected, 60 if whole else 3, "store removed", lambda: shutil.rmtree(place.store, True))
    over(bench, "store removed", place, expected)


def forbidden(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """At random moments of a run a folder of the store may not be used any more."""

    def forbid() -> None:
        folders = [path for path in [place.store, *place.store.rglob("*")] if path.is_dir()]
        if folders:
            os.chmod(bench.random.choice(folders), 0)

    day = "permission lost"
    meanwhile(bench, place, expected, 60 if whole else 3, day, forbid, UNPRIVILEGED)
    allow(place.store)
    over(bench, day, place, expected)


def allow(folder: Path) -> None:
    """The usual permissions again."""
    os.chmod(folder, 0o700)
    for path in sorted(folder.rglob("*")):
        os.chmod(path, 0o700 if path.is_dir() else 0o600)


def meanwhile(
    bench: Bench,
    place: Place,
    expected: Expected,
    many: int,
    day: str,
    act: Callable[[], object],
    around: Iterable[str] = (),
) -> None:
    """So many runs, in each of which something is done at a random moment."""
    place.fresh(0)
    begin = time.monotonic()
    place.run()
    took = time.monotonic() - begin
    for number in range(many):
        if place.store.exists():
            allow(place.store)
        place.fresh(number % 3)
        process = place.begin(around=around)
        time.sleep(bench.random.random() * took)
        act()
        good(bench, day, expected.seen[number % 3], place.finish(process))


def clocks(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """The clock jumps from run to run: procache's own, and with it the times of what is in the store."""
    for number, offset in enumerate(CLOCKS * (5 if whole else 1)):
        for path in place.store.rglob("*"):
            when = time.time() + bench.random.choice(CLOCKS)
            os.utime(path, (when, when))
        for version in (number % 3, number % 3):
            place.fresh(version)
            good(bench, "clock jumping", expected.seen[version], place.run(clock=offset), quiet=True)
    over(bench, "clock jumping", place, expected)


def two_hosts(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """Two hosts share a store, that is: two pid namespaces; at once and in turn."""
    other = ["unshare", "--pid", "--fork", "--mount-proc"]
    twin = bench.place("the-other-host")
    twin.use(place.store)
    for number in range(20 if whole else 2):
        version = number % 3
        places = ((place, []), (twin, other)) if number % 2 else ((place, other), (twin, []))
        for each, _ in places:
            each.fresh(version)
        started = [each.begin(around=around) for each, around in places]
        for (each, _), process in zip(places, started, strict=True):
            good(bench, "two hosts", expected.seen[version], each.finish(process), quiet=True)
    over(bench, "two hosts", place, expected)


def many_records(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """A store of a million record files (names of one file, as far as links go): a run finds its own as before."""
    place.fresh(0)
    place.run()
    before = min(timed(place, expected, bench) for _ in range(5))
    content = b"made up\n"
    records = place.store / os.fsdecode(VERSION) / "records"
    for number in range(256):
        folder = records / f"{number:02x}"
        folder.mkdir(mode=0o700, exist_ok=True)
        first = folder / f"x{number:02x}{0:030x}"
        first.write_bytes(content)
        for each in range(1, (MANY if whole else 1000) // 256):
            os.link(first, folder / f"x{number:02x}{each:030x}")
    after = min(timed(place, expected, bench) for _ in range(5))
    bench.count("many records: record files", sum(len(os.listdir(folder)) for folder in records.iterdir()))
    bench.count("many records: ms of a hit before", round(before * 1000))
    bench.count("many records: ms of a hit with all of them", round(after * 1000))
    place.fresh(2)
    good(bench, "many records", expected.seen[2], place.run())


def timed(place: Place, expected: Expected, bench: Bench) -> float:
    """Seconds of a hit."""
    place.fresh(0)
    begin = time.perf_counter()
    seen = place.run()
    took = time.perf_counter() - begin
    good(bench, "many records", expected.seen[0], seen)
    return took


def sparse(bench: Bench, place: Place, expected: Expected, whole: bool) -> None:
    """Blobs of 100 GB that are holes, and a command that makes such a file."""
    size = (100 if whole else 1) << 30
    place.work.mkdir()
    script = ["sh", "-c", f"truncate -s {size >> 4} large && echo end >> large"]
    for outcome in ("miss", "hit"):
        begin = time.monotonic()
        seen = place.command(script)
        took = round(1000 * (time.monotonic() - begin))
        bench.count(f"sparse blobs: ms of a {outcome} of a file of {size >> 4} bytes", took)
        bench.promise(not seen.status and not seen.err, f"sparse blobs, {outcome}: {seen.status}, {seen.err!r}")
        found = (place.work / "large").stat()
        bench.promise(found.st_size == (size >> 4) + 4, f"sparse blobs, {outcome}: {found.st_size} bytes")
        bench.promise(found.st_blocks < 100, f"sparse blobs, {outcome}: {found.st_blocks} blocks")
        (place.work / "large").unlink()
    folder = place.store / os.fsdecode(VERSION) / "blobs" / "00"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(100):
        with open(folder / f"x00{number:030x}", "wb") as file:
            file.truncate(size // 100)
    place.fresh(0)
    good(bench, "sparse blobs", expected.seen[0], place.run(), quiet=True)
    place.fresh(0)
    good(bench, "sparse blobs", expected.seen[0], place.run(), quiet=True)


DAYS = (
    Day("store full", full, "mounts"),
    Day("outputs full", full_of_nothing, "mounts"),
    Day("store read-only", read_only, "mounts"),
    Day("store removed", removed),
    Day("permission lost", forbidden, "privileges"),
    Day("clock jumping", clocks),
    Day("two hosts", two_hosts, "mounts"),
    Day("many records", many_records),
    Day("sparse blobs", sparse),
)
