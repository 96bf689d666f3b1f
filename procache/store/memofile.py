"""The hash memo on disk: fixed-size entries, appended; a torn tail is ignored.

Entries are (device, inode, size, mtime_ns, ctime_ns, digest). They hold for one host only, since device
numbers and inodes do.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.world.states import Memo

_ENTRY = struct.Struct("<QQqqq17s7x")
#: A memo longer than this is begun anew: reading it would cost more than it saves.
LIMIT = 16 << 20


def load(path: bytes, memo: Memo) -> None:
    """Add all entries of a memo file to ``memo``; a missing or unreadable file adds none."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read(LIMIT)
    except OSError:
        return
    usable = len(data) - len(data) % _ENTRY.size
    known = memo.known
    for dev, ino, size, mtime, ctime, digest in _ENTRY.iter_unpack(memoryview(data)[:usable]):
        known[(dev, ino, size, mtime, ctime)] = digest


def append(path: bytes, memo: Memo) -> None:
    """Write the fresh entries of ``memo``; a failure loses only time. One write keeps entries whole."""
    fresh = [_ENTRY.pack(*key, memo.known[key]) for key in memo.fresh if key in memo.known]
    memo.fresh.clear()
    if not fresh:
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        if os.path.exists(path) and os.stat(path).st_size + len(fresh) * _ENTRY.size > LIMIT:
            os.unlink(path)
        fd = os.open(path, flags, 0o600)
    except OSError:
        return
    try:
        if os.fstat(fd).st_size % _ENTRY.size:  # a torn tail: the rest would be read askew
            os.ftruncate(fd, 0)
        os.write(fd, b"".join(fresh))
    except OSError:
        pass
    finally:
        os.close(fd)
