"""What a look-up costs in a large store: against how many commands are in it, and against variants of one command.

Each row is measured in a process of its own, with the look-up that ``procache run`` makes: the record file is found,
what may fit is taken up and compared with files that are really there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import table
from procache import digests
from procache.model.aspects import CONTENT, TYPE, Fact
from procache.model.match import match
from procache.model.policy import Policy
from procache.model.record import Record
from procache.store import files, hosts, merging, records
from procache.store.layout import Layout
from procache.store.writer import add_record
from procache.world.states import Memo
from procache.world.view import World

KEYS = (1_000, 10_000, 100_000)
VARIANTS = (1, 10, 100, 1_000)
#: Look-ups in each row; additions, which take longer.
LOOKUPS, ADDITIONS = 500, 20
#: Files that each record depends on, as many as a small program with its libraries.
INPUTS = 40
OUTPUT = b"o" * 1000
MIB = 1 << 20


class Row(NamedTuple):
    """``number`` of commands or variants; times in seconds, sizes in bytes."""

    what: str
    number: int
    hit_newest: float
    hit: float
    hit_p95: float
    miss: float
    add: float
    read: int
    file: int
    peak: int


class Streams:
    """A process with nothing special open."""

    whole = True

    def stdin(self) -> None:
        """No file on descriptor 0."""

    def pipe(self, *_: object) -> bool:
        """No pipe on descriptor 0."""
        return False

    def further(self) -> tuple[bytes, ...]:
        """Nothing above 2."""
        return ()

    def begins(self, fd: int) -> bool:
        """No file as output."""
        return False

    def files(self, fds: tuple[int, ...]) -> frozenset[tuple[int, int]]:
        """No files."""
        return frozenset()


class Bench:
    """A folder with inputs, and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(os.fsencode(folder / "cache"))
        self.layout.prepare()
        self.changing = folder / "in"
        self.inputs = [folder / f"input{number:02}" for number in range(INPUTS)]
        for path in self.inputs:
            path.write_text(f"{path.name}\n")
        time.sleep(0.05)  # old enough to be recognised by their times
        self.same = [self._fact(path) for path in self.inputs]
        cwd = os.fsencode(folder)
        self.command = (b"/usr/bin/cc", (b"cc", b"-c", b"in"), cwd, b"0" * 34, (b"file",) * 3, (), b"")
        self.policy, self.streams, self.world = Policy(), Streams(), World(Memo())

    def _fact(self, path: Path) -> Fact:
        aspect, value = World(Memo()).value(CONTENT, os.fsencode(path), path.lstat())
        return os.fsencode(path), aspect, value, False

    def record(self, content: str) -> Record:
        """The record of a command that read all inputs and, in the one that changes, ``content``."""
        self.changing.write_text(content)
        facts = [(os.fsencode(self.folder), TYPE, 0o040000, False), *self.same, self._fact(self.changing)]
        values: tuple[object, ...] = (
            self.command,
            [],
            facts,
            [],
            [(1, len(OUTPUT))],
            OUTPUT,
            b"",
            None,
            0,
            1.0,
            0.9,
            0.1,
            9000,
            1,
            [],
            0.0,
        )
        return Record.of(values)

    def look_up(self, key: bytes) -> bool:
        """Whether a record fits now."""
        file = records.find(self.layout, key)
        if file is None:
            return False
        with file:
            likely = file.likely(self.world, self.streams, self.policy, self.command)
            return any(not match(record, self.world, self.streams, self.policy).differences for record in likely)

    def fill(self, key: bytes, contents: Iterator[str]) -> None:
        """Store variants of one command. All but the last are put together in memory."""
        old: records.RecordFile | None = None
        staged = self.layout.tmp + b"/filling"
        for content in contents:
            record = self.record(content)
            data = merging.merged(old, key, record, record.pack(), 1 << 20, hosts.own())
            if old is not None:
                old.close()
            fd = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            files.write_all(fd, data)
            old = records.RecordFile(fd, key[:1])
        if old is not None:
            old.close()
            files.place(self.layout, staged, self.layout.record(key))


def run(path: Path | None, machine: dict[str, str | int | float]) -> int:
    """Measure, print two tables, and write all numbers to ``path`` if there is one."""
    rows = [_apart(_of_keys, number) for number in KEYS]
    print(f"\nlook-up in a store of many commands\n{_table('commands', rows)}", flush=True)
    more = [_apart(_of_variants, number) for number in VARIANTS]
    print(f"\nlook-up of a command with many variants\n{_table('variants', more)}", flush=True)
    if path is not None:
        document = {"machine": machine, "rows": [row._asdict() for row in (*rows, *more)]}
        path.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _table(what: str, rows: list[Row]) -> str:
    head = (what, "newest fits", "another fits", "95 %", "none fits", "adding one", "read", "file", "peak memory")
    lines = [
        (
            f"{row.number:,}",
            *(f"{1e6 * value:.0f} µs" for value in (row.hit_newest, row.hit, row.hit_p95, row.miss)),
            f"{1e3 * row.add:.2f} ms",
            *(f"{value / 1024:.0f} KiB" for value in (row.read, row.file)),
            f"{row.peak / MIB:.0f} MiB",
        )
        for row in rows
    ]
    return table(head, lines)


def _apart(measure: Callable[[Path, int], Row], number: int) -> Row:
    """Measure in a process and a folder of its own; what fills the store is not in the peak of memory."""
    folder = Path(tempfile.mkdtemp(prefix="procache-bench-"))
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writer, json.dumps(measure(folder, number)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 1 << 16):
        said += piece
    os.close(reader)
    os.waitpid(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return Row(*json.loads(said))


def _of_keys(folder: Path, number: int) -> Row:
    bench = Bench(folder)
    record = bench.record("0\n")
    packed = record.pack()
    keys = [digests.of_bytes(b"command %d" % at) for at in range(number)]
    for key in keys:
        add_record(bench.layout, key, record, packed, 64)
    chosen = random.Random(1).sample(keys, min(LOOKUPS, number))
    return _measured(bench, "commands", number, chosen[0], lambda: chosen, lambda _: None)


def _of_variants(folder: Path, number: int) -> Row:
    bench = Bench(folder)
    key = digests.of_bytes(b"command")
    bench.fill(key, (f"{at:06}\n" for at in range(number)))
    draw = random.Random(1)

    def another(_: int) -> None:
        bench.changing.write_text(f"{draw.randrange(number):06}\n")

    return _measured(bench, "variants", number, key, lambda: [key] * LOOKUPS, another)


def _measured(
    bench: Bench, what: str, number: int, key: bytes, keys: Callable[[], list[bytes]], change: Callable[[int], None]
) -> Row:
    newest = [_timed(bench, one, True) for one in keys()]
    size, found = os.path.getsize(bench.layout.record(key)), []
    _reset_peak()
    before = _read_so_far()
    for at, one in enumerate(keys()):
        change(at)
        found.append(_timed(bench, one, True))
    read, peak = (_read_so_far() - before) // len(found), _peak()
    missed = []
    for at, one in enumerate(keys()):
        bench.changing.write_text(f"none {at}\n")
        missed.append(_timed(bench, one, False))
    return Row(
        what,
        number,
        statistics.median(newest),
        statistics.median(found),
        sorted(found)[len(found) * 95 // 100],
        statistics.median(missed),
        statistics.median(_added(bench, key, at) for at in range(ADDITIONS)),
        read,
        size,
        peak,
    )


def _timed(bench: Bench, key: bytes, fits: bool) -> float:
    begin = time.perf_counter()
    found = bench.look_up(key)
    taken = time.perf_counter() - begin
    assert found == fits
    return taken


def _added(bench: Bench, key: bytes, at: int) -> float:
    record = bench.record(f"added {at}\n")
    packed = record.pack()
    begin = time.perf_counter()
    add_record(bench.layout, key, record, packed, 1 << 20)
    return time.perf_counter() - begin


def _read_so_far() -> int:
    """Bytes that this process has read, of whatever (proc(5): /proc/PID/io)."""
    return int(Path("/proc/self/io").read_text().split()[1])


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory at once since ``_reset_peak`` (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
