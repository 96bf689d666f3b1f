"""Record files: all variants recorded for one command key, newest first.

A file is a magic line and frames; a frame is the length of a packed record (4 bytes), the digest that
tells variants apart, a checksum, and the packed record. A frame that does not check is dropped, and so
is all that follows it: what is unreadable is a miss.
"""

from __future__ import annotations

import os
import struct

from procache import digests
from procache.model.record import MARK, Damaged, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.store.layout import Layout

MAGIC = b"procache records 1\n"
_FRAME = struct.Struct("<I17s17s")


def frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(variant digest, packed record) of every frame that checks."""
    if not data.startswith(MAGIC):
        return
    at = len(MAGIC)
    while at + _FRAME.size <= len(data):
        length, variant, checksum = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        packed = data[at : at + length]
        if len(packed) != length or digests.of_bytes(packed) != checksum:
            return
        yield variant, packed
        at += length


def frame(variant: bytes, packed: bytes) -> bytes:
    """One frame."""
    return _FRAME.pack(len(packed), variant, digests.of_bytes(packed)) + packed


def read(layout: Layout, key: bytes) -> bytes:
    """The record file of a key; empty where there is none or it cannot be read."""
    path = layout.record(key)
    if not os.access(path, os.F_OK):  # most often so in a first run, and cheaper than an error
        return b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 1)
        while len(data) < size:
            more = os.read(fd, size - len(data))
            if not more:
                break
            data += more
        return data
    except OSError:
        return b""
    finally:
        os.close(fd)


def load(layout: Layout, key: bytes) -> Iterator[Record]:
    """The readable records of a command key, newest first."""
    for _, packed in frames(read(layout, key)):
        try:
            yield Record.unpack(packed)
        except Damaged:
            continue


def merged(old: bytes, variant: bytes, packed: bytes, most: int) -> bytes:
    """The content of a record file after adding a record in front; the oldest beyond ``most`` are dropped.

    The mark of an unstable command and its records do not stand beside one another.
    """
    parts = [MAGIC, frame(variant, packed)]
    for known, other in frames(old) if variant != MARK else ():
        if known not in (variant, MARK) and len(parts) <= most:
            parts.append(frame(known, other))
    return b"".join(parts)


def every(layout: Layout) -> Iterator[tuple[bytes, Record]]:
    """(command key, record) of all readable records in the store, in no order."""
    for folder in _folders(layout.records):
        for name in sorted(os.listdir(folder)):
            if name.startswith(b"."):
                continue
            key = digests.parsed(name)
            if key is None:
                continue
            for record in load(layout, key):
                yield key, record


def _folders(path: bytes) -> list[bytes]:
    try:
        return sorted(path + b"/" + name for name in os.listdir(path))
    except OSError:
        return []
