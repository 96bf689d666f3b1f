"""Walking over the files of a store, as many as they may be, without keeping them in memory."""

from __future__ import annotations

import os
from typing import NamedTuple

from procache import digests
from procache.store import blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.store.layout import Layout

RECORD, BLOB, JOURNAL = "records", "blobs", "journals"
JOURNALS_END = b".journal"
#: What a file takes at most whose blocks are not told: it lies in its inode, or is about to be written.
_UNTOLD = 4096


class Entry(NamedTuple):
    """A file of the store. ``id``: name of the record file, digest of the blob, id of the run. ``mtime``: ns."""

    kind: str
    id: bytes
    path: bytes
    mtime: int
    size: int


def size_of(st: os.stat_result) -> int:
    """The bytes that a file takes of the disk.

    Holes take none, and a compressed blob what it is compressed to. What a reflinked blob shares with the file that
    it was made from counts in full, since the other one may go.
    """
    return st.st_blocks * 512 or min(st.st_size, _UNTOLD)


def entries(layout: Layout) -> Iterator[Entry]:
    """Every record file, blob and journal; what vanishes meanwhile may be missing."""
    yield from record_files(layout)
    yield from blob_files(layout)
    yield from journal_files(layout)


def record_files(layout: Layout) -> Iterator[Entry]:
    """Every record file."""
    for folder in listed(layout.records):
        for entry in listed(folder.path):
            if digests.parsed(entry.name) is not None:
                yield from _told(RECORD, entry.name, entry)


def blob_files(layout: Layout) -> Iterator[Entry]:
    """Every blob."""
    for folder in listed(layout.blobs):
        for entry in listed(folder.path):
            digest = blobs.parse_name(entry.name)
            if digest is not None:
                yield from _told(BLOB, digest, entry)


def journal_files(layout: Layout) -> Iterator[Entry]:
    """Every journal."""
    for entry in listed(layout.runs):
        if entry.name.endswith(JOURNALS_END):
            yield from _told(JOURNAL, entry.name.removesuffix(JOURNALS_END), entry)


def folders(layout: Layout) -> Iterator[bytes]:
    """Every folder that is walked over, whether it can be or not."""
    for top in (layout.records, layout.blobs):
        yield top
        yield from (entry.path for entry in listed(top))
    yield layout.runs
    yield layout.tmp


def listed(folder: bytes) -> list[os.DirEntry[bytes]]:
    """What is in a folder, read at once: it may change while this is gone through. Nothing where it is none."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _told(kind: str, name: bytes, entry: os.DirEntry[bytes]) -> Iterator[Entry]:
    try:
        st = entry.stat(follow_symlinks=False)
    except OSError:
        return
    yield Entry(kind, name, entry.path, st.st_mtime_ns, size_of(st))
