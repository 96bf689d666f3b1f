"""The state of one path, and the memo that spares reading a file twice.

A file is recognised by its identity and times (``procache.model.aspects``), unless it is so young
that a later change could hide in the same tick of the clock. The kernel stamps files with the time of
the last tick (current_time() in fs/inode.c; 10 ms at CONFIG_HZ=100): two changes within one look the same.
"""

from __future__ import annotations

import os
import stat
import time

from procache import digests
from procache.model.aspects import IDENTITY, MTIME, SIZE, ChangedWhileReading, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A file changed less than this long ago (ns) is not trusted to show its next change.
GRAIN_NS = 30_000_000
#: The same where a file system seems to keep whole seconds (ext3, some NFS servers) or every other (FAT).
COARSE_NS = 2_100_000_000


def look(path: bytes) -> os.stat_result | int:
    """lstat(2) of ``path``, or the errno of its failure."""
    try:
        return os.lstat(path)
    except OSError as error:
        return error.errno or 0


#: Devices by whether other hosts may change what is on them.
_shared: dict[int, bool] = {}


def fresh_look(path: bytes) -> os.stat_result | int:
    """As ``look``, but a regular file that another host may have changed is looked at as who opens it sees it.

    What lstat(2) tells of such a file can be a minute old: only at an open is the server asked (nfs(5), "close-to-open
    cache consistency").
    """
    st = look(path)
    if isinstance(st, int) or not (_shared[st.st_dev] if st.st_dev in _shared else _may_be_shared(st.st_dev)):
        return st
    if not stat.S_ISREG(st.st_mode):
        return st
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return look(path)  # it may not be read, or is gone
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _may_be_shared(device: int) -> bool:
    """Asked once for each device. One with a driver (a major number) is this host's, or keeps its hosts in step."""
    if os.major(device):
        shared = False
    else:
        from procache.world import mounts

        shared = mounts.is_shared_device(device)
    _shared[device] = shared
    return shared


#: Devices by whether times on them are those of this host.
_timed: dict[int, bool] = {}


def keeps_time(path: bytes, device: int) -> bool:
    """True when a change on this device, where ``path`` is, gets the time of this host's clock, and at once."""
    if device not in _timed:
        from procache.world import mounts

        _timed[device] = mounts.kind_at(os.path.dirname(path) or b"/") in mounts.TIMED
    return _timed[device]


def settled(st: os.stat_result, now_ns: int) -> bool:
    """True when any later change of the file must show in its times."""
    newest = st.st_mtime_ns if st.st_mtime_ns > st.st_ctime_ns else st.st_ctime_ns
    return 0 <= newest < now_ns - (GRAIN_NS if st.st_ctime_ns % 1_000_000_000 else COARSE_NS)


def state_of(st: os.stat_result, digest: bytes = b"") -> State:
    """The state tuple for a stat result and, where it is known, the digest of the content."""
    identity = (st.st_dev, st.st_ino, st.st_ctime_ns) if settled(st, time.time_ns()) else None
    return (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_nlink, st.st_mtime_ns, digest, identity)


def same_file(state: State, st: os.stat_result) -> bool:
    """True when ``st`` shows the very file, unchanged, of which ``state`` was taken.

    Not so for a file that was changed in what is the future now: the clock was set back, and will show that time again.
    """
    return (
        state[IDENTITY] == (st.st_dev, st.st_ino, st.st_ctime_ns)
        and state[MTIME] == st.st_mtime_ns
        and state[SIZE] == st.st_size
        and st.st_ctime_ns < time.time_ns()
    )


def same_look(one: os.stat_result, other: os.stat_result) -> bool:
    """True when two looks, the first at a settled file, saw the same file in the same state."""
    return one is other or (
        one.st_ino == other.st_ino
        and one.st_ctime_ns == other.st_ctime_ns
        and one.st_mtime_ns == other.st_mtime_ns
        and one.st_size == other.st_size
        and one.st_dev == other.st_dev
    )


class Memo:
    """Digests of files by identity, so that an unchanged file is read once.

    ``known`` maps (device, inode, size, mtime_ns, ctime_ns) to a digest; ``fresh`` lists the keys
    added since it was loaded.
    """

    __slots__ = ("_known", "fresh", "hashed", "_load")

    def __init__(self, load: Callable[[Memo], None] | None = None) -> None:
        self._load = load  # called at first need
        self._known: dict[tuple[int, int, int, int, int], bytes] = {}
        self.fresh: list[tuple[int, int, int, int, int]] = []
        self.hashed = 0

    @property
    def known(self) -> dict[tuple[int, int, int, int, int], bytes]:
        """All digests, those of earlier runs included."""
        if self._load is not None:
            load, self._load = self._load, None
            load(self)
        return self._known

    def peek(self, st: os.stat_result) -> bytes:
        """The digest if it is known without reading, else ``b""``."""
        return self.known.get((st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns), b"")

    def digest(self, path: bytes, st: os.stat_result) -> bytes:
        """The digest of the regular file at ``path``, of which ``st`` was just seen.

        Raises OSError when it cannot be read, ChangedWhileReading when it is no longer what ``st``
        shows.
        """
        key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        found = self.known.get(key)
        if found is not None:
            return found
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return self.digest_open(fd, st)
        finally:
            os.close(fd)

    def digest_open(self, fd: int, st: os.stat_result) -> bytes:
        """As ``digest``, for a file that is already open."""
        began = time.time_ns()
        digest = digests.of_descriptor(fd)
        self.hashed += 1
        after = os.fstat(fd)
        key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        if (after.st_dev, after.st_ino, after.st_size, after.st_mtime_ns, after.st_ctime_ns) != key:
            raise ChangedWhileReading
        self.remember(key, digest, st, began)
        return digest

    def remember(self, key: tuple[int, int, int, int, int], digest: bytes, st: os.stat_result, began: int) -> None:
        """Keep a digest for next time, unless the file was too young to be recognised when reading it began (ns).

        However long that took: what was changed in the same tick, behind the reader, does not show.
        """
        if settled(st, began):
            self.known[key] = digest
            self.fresh.append(key)


def listing(path: bytes) -> dict[bytes, int]:
    """The entries of a folder, name to type bits (S_IFMT), without ``.`` and ``..``."""
    entries: dict[bytes, int] = {}
    with os.scandir(path) as found:
        for entry in found:
            if entry.is_symlink():
                kind = stat.S_IFLNK
            elif entry.is_dir(follow_symlinks=False):
                kind = stat.S_IFDIR
            elif entry.is_file(follow_symlinks=False):
                kind = stat.S_IFREG
            else:
                kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
            entries[entry.name] = kind
    return entries


def listing_digest(entries: dict[bytes, int]) -> bytes:
    """Digest of a folder's entries, whatever their order."""
    return digests.of_bytes(b"".join(b"%b\0%o\0" % item for item in sorted(entries.items())))


def xattr_digest(path: bytes) -> bytes:
    """Digest of all extended attributes of ``path`` (not followed); ``b""`` where it has none."""
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
        if not names:
            return b""
        pairs = [(os.fsencode(name), os.getxattr(path, name, follow_symlinks=False)) for name in names]
    except OSError as error:
        return b"errno %d" % (error.errno or 0)
    return digests.of_bytes(repr(pairs).encode())
