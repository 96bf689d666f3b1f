"""The file ``usage``: what each run did, in 80 bytes, so that totals outlive the journals.

Entries are appended. Each begins with four fixed bytes and ends with a sum over the rest, so that a reader finds its
way after one that was torn. ``tally`` reads them, and puts one in the place of many.
"""

from __future__ import annotations

import os
import struct
import time

from procache.store import CAREFUL, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

MAGIC = b"pcu1"
#: magic, kind, seconds since 1970, runs, hits, misses, uncacheable, seconds saved, bytes, damaged things; sum of these
_BODY = struct.Struct("<4sc3xdQQQQdQQ")
_WORDS = struct.Struct("<9Q")
_SUM = struct.Struct("<Q")
SIZE = _BODY.size + _SUM.size
#: What an entry says: add these; an eviction begins; the store was so many bytes after it (its seconds: of the last
#: eviction that removed a blob).
ADD, BEGIN, MEASURED = b"a", b"e", b"g"
NO_RUN = (0, 0, 0, 0)
#: A file of more bytes than this is due to be put in order: every run that stores something reads it.
MUCH = 1 << 18
_DAY = 86400.0
#: A use is told to the hour (s).
GRAIN = 3600.0
#: How often an append begins anew because the file was replaced meanwhile, and how long (s) it waits for others.
_TRIES, _PATIENCE = 100, 1.0

Entry = tuple[bytes, bytes, float, int, int, int, int, float, int, int]


def pack(
    kind: bytes,
    moment: float,
    counts: tuple[int, int, int, int] = NO_RUN,
    seconds: float = 0.0,
    size: int = 0,
    damaged: int = 0,
) -> bytes:
    """One entry. ``counts``: runs, hits, misses, uncacheable."""
    body = _BODY.pack(MAGIC, kind, moment, *counts, seconds, size, damaged)
    return body + _SUM.pack(_sum_of(body))


def unpack(data: bytes, at: int) -> Entry | None:
    """The entry at an offset; None where there is none that checks."""
    body = data[at : at + _BODY.size]
    if len(data) < at + SIZE or _SUM.unpack_from(data, at + _BODY.size)[0] != _sum_of(body):
        return None
    entry: Entry = _BODY.unpack(body)
    return entry if entry[0] == MAGIC else None


def _sum_of(body: bytes) -> int:
    """Told from chance by 64 bits: the words of an entry, each weighed by its place."""
    total = 0
    for at, word in enumerate(_WORDS.unpack(body)):
        total += (2 * at + 3) * int(word)
    return total % (1 << 64)


def append(
    layout: Layout, counts: tuple[int, int, int, int], saved: float = 0.0, added: int = 0, damaged: int = 0
) -> int:
    """Add to the totals; returns the size of the file. Where that fails, statistics are lost and nothing else."""
    return write(layout, pack(ADD, time.time(), counts, saved, added, damaged))


def write(layout: Layout, packed: bytes) -> int:
    """Append packed entries to the file that is there when the lock is had; returns its size, 0 where that failed."""
    try:
        for _ in range(_TRIES):
            fd = os.open(layout.usage, os.O_WRONLY | os.O_CREAT | os.O_APPEND | CAREFUL, 0o600)
            try:
                locks.hold(fd, locks.EXCLUSIVE, _PATIENCE)
                st = os.fstat(fd)
                if st.st_nlink:
                    os.write(fd, packed)
                    return st.st_size + len(packed)
            finally:
                os.close(fd)
    except OSError:
        pass
    return 0


def neglected(layout: Layout) -> bool:
    """True when a day has passed since the store was last seen to; a new store is taken for seen to."""
    try:
        return abs(time.time() - os.stat(layout.gc).st_mtime) > _DAY
    except FileNotFoundError:
        pass
    except OSError:  # a store that cannot be read any more
        return False
    try:
        os.close(os.open(layout.gc, os.O_WRONLY | os.O_CREAT | CAREFUL, 0o600))
    except OSError:
        pass  # a store that cannot be written to
    return False


def is_old(path: bytes) -> bool:
    """True when a file was last used more than an hour ago, or in a future that a wrong clock had; it may be gone."""
    try:
        return abs(time.time() - os.stat(path).st_mtime) > GRAIN
    except OSError:
        return False
