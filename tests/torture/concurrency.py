"""Many procache processes at once on one store: jobs that they share, jobs of their own, keys that all contend for.

Every execution must be stored, once; a second round must find each of them; and nothing may be damaged or left in tmp.
The same over two mounts of the folder (where this may be done), and on a file system that refuses flock(2).
"""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import NamedTuple

from common import journal

from . import check
from .bench import Bench
from .place import PROCACHE, Place
from .trap import ALWAYS, Trap

PROCESSES = 8
#: Jobs of one run for each number: a key that all have, with an input of its own; what all share; what it has alone.
RUN = """\
for n in {numbers}; do
    tail -c 1$n < own-{me}/in > own-{me}/contended-$n
    sort shared/$n > own-{me}/shared-$n
    sort own-{me}/in-$n -o own-{me}/out-$n
done
"""


class Round(NamedTuple):
    """What a round of all processes was: how the executions of their jobs ended, and what was wrong."""

    outcomes: Counter[str]
    wrong: list[str]


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    jobs = 201 if whole else 6
    for name, mounts, refused in (("one folder", 1, False), ("two mounts", 2, False), ("flock refused", 1, True)):
        if mounts > 1 and not may_mount():
            bench.count("two mounts: left out, needs root")
            continue
        place = bench.place(name.replace(" ", "-"))
        fill(place, jobs // 3)
        first = together(bench, place, mounts, refused, "first")
        look(bench, place, name, jobs // 3)
        forget(place)
        second = together(bench, place, mounts, refused, "second")
        bench.count(f"{name}: executions of the first round", first.outcomes.total())
        bench.count(f"{name}: of the second round, hits", second.outcomes["hit"])
        for line in first.wrong + second.wrong:
            bench.promise(False, f"{name}: {line}")
        lost = second.outcomes.total() - second.outcomes["hit"]
        bench.promise(not lost, f"{name}: {lost} executions are no hits: {dict(second.outcomes)}")


def may_mount() -> bool:
    """True where a mount namespace can be made."""
    return not subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode


def fill(place: Place, numbers: int) -> None:
    """The inputs."""
    (place.work / "shared").mkdir(parents=True)
    for number in range(numbers):
        (place.work / "shared" / str(number)).write_text("".join(f"{number * line % 97}\n" for line in range(100)))
    for me in range(PROCESSES):
        own = place.work / f"own-{me}"
        own.mkdir()
        (own / "in").write_text(f"{me}\n" * 4000)
        for number in range(numbers):
            (own / f"in-{number}").write_text("".join(f"{me} {number * line % 89}\n" for line in range(100)))
        (place.work / f"run-{me}").write_text(RUN.format(me=me, numbers=" ".join(map(str, range(numbers)))))


def together(bench: Bench, place: Place, mounts: int, refused: bool, which: str) -> Round:
    """Run all at once; ``which`` makes the outermost commands of two rounds differ, so that the jobs are asked for."""
    known = journal.journals(place.store)
    trap = Trap("flock", (place.store,), 1, ALWAYS, 37) if refused else None  # ENOLCK
    extra = {} if trap is None else trap.environment(place.library, place.state, place.store)
    variables = "".join(f"{name}='{value}' " for name, value in extra.items())
    place.store.mkdir(mode=0o700, exist_ok=True)
    script = second_mount(place) * (mounts > 1)
    for me in range(PROCESSES):
        store = place.root / "again" if me % mounts else place.store
        script += f"{variables}PROCACHE_DIR={store} {' '.join(PROCACHE)} run -q -- sh run-{me} {which} &\n"
    around = ["unshare", "--mount"] if mounts > 1 else []
    _, err = place.start([*around, "sh", "-c", script + "wait"]).communicate(timeout=900)
    wrong = [f"said: {err.decode(errors='replace')[-300:]}"] if err else []
    if refused and not place.met().done:
        wrong.append("flock was never called")
    outcomes: Counter[str] = Counter()
    for path in journal.journals(place.store) - known:
        outcomes.update(execution.outcome for execution in journal.executions(path) if execution.id)
    return Round(outcomes, wrong)


def second_mount(place: Place) -> str:
    """The command that mounts the store at another place too."""
    (place.root / "again").mkdir(exist_ok=True)
    return f"mount --bind {place.store} {place.root / 'again'}\n"


def forget(place: Place) -> None:
    """Remove the outputs."""
    for path in place.work.glob("own-*/*"):
        if not path.name.startswith("in"):
            path.unlink()


def look(bench: Bench, place: Place, name: str, numbers: int) -> None:
    """The store after the first round."""
    store = check.look(place.store)
    for fault in store.faults:
        bench.promise(False, f"{name}: {fault}")
    bench.promise(not store.temporaries, f"{name}: temporaries {store.temporaries[:3]}")
    variants = Counter(store.variants.values())
    wanted = Counter({1: numbers + PROCESSES * (numbers + 1), PROCESSES: numbers})
    bench.count(f"{name}: record files", len(store.variants))
    bench.count(f"{name}: of these, with a record of each process", variants[PROCESSES])
    bench.count(f"{name}: damaged or left in tmp", len(store.faults) + len(store.temporaries))
    bench.promise(variants == wanted, f"{name}: record files by variants are {dict(variants)}, not {dict(wanted)}")
