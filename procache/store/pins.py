"""Pinned runs: their journal, the records of their commands, and the blobs of those are never evicted.

``pins/RUNID`` holds the command keys of the run, a line each. What is below them follows from the records.
"""

from __future__ import annotations

import os

from procache import digests
from procache.store import files, locks, opened, records
from procache.store.named import blobs_of
from procache.store.scan import BLOB, JOURNAL, RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from procache.store.layout import Layout
    from procache.store.scan import Entry


class Kept:
    """What pins keep: names of record files, digests of blobs, ids of runs; ``stamp`` tells whether it still does."""

    __slots__ = ("records", "blobs", "runs", "stamp")

    def __init__(self, stamp: int) -> None:
        self.stamp = stamp
        self.records: set[bytes] = set()
        self.blobs: set[bytes] = set()
        self.runs: set[bytes] = set()

    def keeps(self, entry: Entry) -> bool:
        """True for a file that is to stay."""
        return entry.id in {RECORD: self.records, BLOB: self.blobs, JOURNAL: self.runs}[entry.kind]


def add(layout: Layout, run_id: str, keys: Iterable[bytes]) -> None:
    """Pin a run that has these command keys; an eviction that goes on minds it from its next batch. Raises OSError."""
    lines = sorted({digests.hexadecimal(key) for key in keys})
    os.makedirs(layout.pins, mode=0o700, exist_ok=True)
    using = locks.using(layout)
    try:
        files.write(layout, path_of(layout, run_id), b"".join(line + b"\n" for line in lines))
    finally:
        locks.let_go(using)


def remove(layout: Layout, run_id: str) -> bool:
    """Unpin a run; False where it was not pinned. Raises OSError."""
    try:
        os.unlink(path_of(layout, run_id))
    except FileNotFoundError:
        return False
    return True


def pinned(layout: Layout) -> list[str]:
    """Ids of the pinned runs, newest first."""
    try:
        return sorted(map(os.fsdecode, os.listdir(layout.pins)), reverse=True)
    except OSError:
        return []


def stamp(layout: Layout) -> int:
    """Another number after each change of the pins (mtime of their folder, ns)."""
    try:
        return os.stat(layout.pins).st_mtime_ns
    except OSError:
        return 0


def path_of(layout: Layout, run_id: str) -> bytes:
    """Where the pin of a run is."""
    return layout.pins + b"/" + os.fsencode(run_id)


def keys_of(layout: Layout, run_id: str) -> list[bytes | None]:
    """The command keys of a pinned run; None for a line that is none. Raises OSError."""
    with opened(path_of(layout, run_id)) as file:
        return [digests.parsed(line) for line in file.read().splitlines()]


def kept(layout: Layout) -> Kept:
    """All that pins keep. Raises OSError where a pin cannot be read: then nothing may be evicted."""
    found = Kept(stamp(layout))
    for run_id in pinned(layout):
        found.runs.add(os.fsencode(run_id))
        _below(layout, [key for key in keys_of(layout, run_id) if key is not None], found)
    return found


def _below(layout: Layout, keys: list[bytes], found: Kept) -> None:
    while keys:
        key = keys.pop()
        name = digests.hexadecimal(key)
        if name in found.records:
            continue
        found.records.add(name)
        for record in records.load(layout, key):
            found.blobs.update(blobs_of(record))
            keys += record.children
