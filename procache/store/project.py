"""Removing what was recorded in one folder and below it: its record files, and the blobs that nothing else names.

Records are read twice, the second time for what others name, so that only those of the project are kept in memory.
"""

from __future__ import annotations

import os
import time

from procache import digests
from procache.store import gc, pins, records, scan, tally
from procache.store.named import blobs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout
    from procache.store.pins import Kept
    from procache.store.scan import Entry

CWD = 2


def collect(layout: Layout, folder: bytes, age: float = 0.0, *, dry: bool = False) -> gc.Figures:
    """Remove what ran in ``folder`` or below and was not used for ``age`` seconds. Raises gc.Busy, OSError."""
    with gc.Alone(layout) as alone:
        figures, began = gc.Figures(), time.time_ns()
        kept, since = pins.kept(layout), tally.end(layout)
        chosen, named = _of_project(layout, folder, began - int(age * 1e9), kept, figures)
        _leave_to_others(layout, {entry.id for entry in chosen}, named)
        if not dry:
            alone.begin()
            tally.begin_eviction(layout)
        remover = gc.Remover(layout, kept, figures, dry)
        for entry in scan.entries(layout):
            if entry.kind != scan.RECORD:
                figures.before[entry.kind].add(entry.size)
            if entry.kind == scan.BLOB and entry.id in named and entry.mtime < began:
                chosen.append(entry)
        for entry in chosen:
            remover.remove(entry)
        remover.flush()
        if not dry:
            tally.settle(layout, figures.size, since, evicted=figures.removed[scan.BLOB].files > 0)
        return figures


def is_below(path: bytes, folder: bytes) -> bool:
    """True for a folder itself and for what is in it, however deep."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _of_project(
    layout: Layout, folder: bytes, before: int, kept: Kept, figures: gc.Figures
) -> tuple[list[Entry], set[bytes]]:
    """The record files that go, and the blobs that they name and no pin keeps."""
    chosen: list[Entry] = []
    named: set[bytes] = set()
    for entry in scan.record_files(layout):
        figures.before[scan.RECORD].add(entry.size)
        if entry.mtime > before or entry.id in kept.records:
            continue
        blobs: set[bytes] = set()
        mine = False
        for record in records.load(layout, _key(entry)):
            blobs.update(blobs_of(record))
            mine = is_below(_cwd(record.command), folder)
        if mine:
            chosen.append(entry)
            named |= blobs
    return chosen, named - kept.blobs


def _leave_to_others(layout: Layout, chosen: set[bytes], named: set[bytes]) -> None:
    """Take from ``named`` what the record files that stay name as well."""
    for entry in scan.record_files(layout):
        if entry.id not in chosen and named:
            for record in records.load(layout, _key(entry)):
                named.difference_update(blobs_of(record))


def _key(entry: Entry) -> bytes:
    key = digests.parsed(entry.id)
    assert key is not None, "scan tells no others"
    return key


def _cwd(command: tuple[object, ...]) -> bytes:
    cwd = command[CWD]
    return cwd if isinstance(cwd, bytes) else b""


def folder_of(text: str) -> bytes:
    """The folder that a user means, as records have it."""
    return os.path.realpath(os.fsencode(text))
