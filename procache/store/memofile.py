"""The hash memo on disk: fixed-size entries, appended; a torn tail is ignored.

An entry is (device, inode, size, mtime_ns, ctime_ns, digest) and a checksum. Device and inode numbers mean something on
one host, so each host has a file of its own, and each algorithm and each user of a store. On a file system that hosts
share, where files can be appended to by none but one of them, there is no memo: it is kept on this host then.
"""

from __future__ import annotations

import os
import struct
import time

from procache import digests
from procache.store import CAREFUL, hosts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.digests import Algorithm
    from procache.store.layout import Layout
    from procache.world.states import Memo

#: device, inode, size, mtime, ctime; the digest without its letter, and the beginning of the digest of all that follow.
_KEY = struct.Struct("<QQqqq")
_CHECKSUM = 8
#: A memo longer than this is begun anew: reading it would cost more than it saves.
LIMIT = 16 << 20
#: Where it is kept when the store is not on this host alone, besides $XDG_RUNTIME_DIR.
OF_HOST = "/var/tmp"


# -- where -------------------------------------------------------------------------------------------


def path_of(layout: Layout) -> bytes | None:
    """The memo of this host, user and algorithm; None where there can be none."""
    host = hosts.own()
    if host == hosts.NOBODY:
        return None
    from procache.world import mounts

    name = b"/%b-%b-%d" % (digests.current.letter, host.hex().encode(), os.geteuid())
    for folder in (layout.memo, *_of_host()):
        if _made(folder) and not mounts.is_shared(mounts.kind_at(folder)):
            return folder + name
    return None


def _of_host() -> Iterator[bytes]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield os.fsencode(runtime) + b"/procache"
    yield os.fsencode(f"{OF_HOST}/procache-{os.geteuid()}")


def _made(folder: bytes) -> bool:
    """True when there is such a folder, made at need, which nobody else can write to."""
    try:
        os.mkdir(folder, 0o700)
    except OSError:
        pass  # there already, or it cannot be made, which shows below
    try:
        st = os.lstat(folder)
    except OSError:
        return False
    return st.st_mode & 0o170022 == 0o040000 and st.st_uid == os.geteuid()


# -- what --------------------------------------------------------------------------------------------


def load(path: bytes | None, memo: Memo) -> None:
    """Add all entries of a memo file to ``memo``; a missing, unreadable or foreign file adds none.

    What has a time that is still to come was seen when the clock was wrong: the same time will come once more.
    """
    data = _content(path) if path is not None else b""
    kind, now, known = digests.current, time.time_ns(), memo.known
    of_key, of_digest, checked, whole = _KEY.size, _KEY.size + kind.length - 1, _size(kind), kind.whole
    for at in range(0, len(data) - checked + 1, checked):
        entry = data[at : at + of_digest]
        if whole(entry)[:_CHECKSUM] == data[at + of_digest : at + checked]:
            key = _KEY.unpack_from(entry)
            if key[3] < now and key[4] < now:
                known[key] = kind.letter + entry[of_key:]


def _size(kind: Algorithm) -> int:
    """Bytes of an entry."""
    return _KEY.size + kind.length - 1 + _CHECKSUM


def _content(path: bytes) -> bytes:
    try:
        with open(path, "rb", buffering=0, opener=_no_link) as file:
            return file.read(LIMIT) if os.fstat(file.fileno()).st_uid == os.geteuid() else b""
    except OSError:
        return b""


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | CAREFUL)


def append(layout: Layout, memo: Memo) -> None:
    """Write the fresh entries of ``memo`` to the memo of this host; a failure loses only time."""
    if memo.fresh and (path := path_of(layout)) is not None:
        save(path, memo)


def save(path: bytes, memo: Memo) -> None:
    """Write the fresh entries of ``memo`` to a file. One write keeps entries whole."""
    kind, entries = digests.current, []
    for key in memo.fresh:
        if key in memo.known:
            entry = _KEY.pack(*key) + memo.known[key][1:]
            entries.append(entry + kind.whole(entry)[:_CHECKSUM])
    memo.fresh.clear()
    if not entries:
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | CAREFUL
        if os.path.exists(path) and os.stat(path).st_size + len(entries) * _size(kind) > LIMIT:
            os.unlink(path)
        fd = os.open(path, flags, 0o600)
    except OSError:
        return
    try:
        try:
            if os.fstat(fd).st_size % _size(kind):  # a torn tail: the rest would be read askew
                os.ftruncate(fd, 0)
            os.write(fd, b"".join(entries))
        finally:
            os.close(fd)
    except OSError:
        pass  # the disk is full, or it is gone
