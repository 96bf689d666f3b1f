"""Writing files of the store: a reader sees each of them whole or not at all.

A file is written under another name in ``tmp`` and renamed to its place. The names there tell the host and the
process, so that what a dead process left is known from what a living one is about to rename.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

#: The unit in which a file takes room.
BLOCK = 4096
#: How names of what was set aside as damaged begin.
ASIDE = b"damaged-"
#: What is not known to be of a dead process of this host is taken for left behind after this long (s).
LONG_AGO = 86400.0

_host = b""


def host() -> bytes:
    """Eight letters for where a process id means something: one boot of one host, and a pid namespace (proc(5))."""
    global _host
    if not _host:
        from procache import digests

        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read()
        _host = digests.XXH3.whole(boot + os.fsencode(os.readlink("/proc/self/ns/pid")))[:4].hex().encode()
    return _host


def temporary(layout: Layout) -> bytes:
    """A new path in the store's tmp folder: ``w-HOST-PID-RANDOM``, unique among all hosts that share the store."""
    return layout.tmp + b"/w-%s-%d-%s" % (host(), os.getpid(), os.urandom(8).hex().encode())


def unnamed(layout: Layout) -> int:
    """A new file in tmp that has no name any more, open for reading and writing. Raises OSError."""
    path = temporary(layout)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.unlink(path)
    return fd


def abandoned(name: bytes, mtime: float, now: float) -> bool:
    """True when nobody will rename or read what has this name in tmp. Times in seconds since 1970.

    A process that has the id now and began later is another one; since the clock may have been set, that is believed
    after a day only. What another host left is given a day as well.
    """
    from procache.store import processes  # only where the store is tidied

    kind, _, rest = name.partition(b"-")
    place, _, rest = rest.partition(b"-")
    number = rest.partition(b"-")[0]
    if kind == b"w" and place == host() and number.isdigit():
        if processes.began(int(number)) is None:
            return True
        return now - mtime > LONG_AGO and not processes.lives(int(number), mtime)
    return now - mtime > LONG_AGO


def write(layout: Layout, path: bytes, content: bytes) -> None:
    """Write a file of the store whole. Raises OSError, and leaves no temporary then."""
    staged = temporary(layout)
    write_new(staged, content, layout.fsync)
    try:
        _rename(layout, staged, path)
    except OSError:
        drop(staged)
        raise


def write_new(staged: bytes, content: bytes, fsync: str = "none") -> None:
    """Write a temporary. Raises OSError, and leaves nothing then."""
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, content)
        _sync(fd, fsync)
    except OSError:
        drop(staged)
        raise
    finally:
        os.close(fd)


def write_all(fd: int, content: bytes | memoryview) -> None:
    """Write all of ``content`` to a file. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def place(layout: Layout, staged: bytes, path: bytes) -> None:
    """Rename a finished temporary to its place. Raises OSError."""
    if layout.fsync != "none":
        fd = os.open(staged, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync(fd, layout.fsync)
        finally:
            os.close(fd)
    _rename(layout, staged, path)


def _sync(fd: int, policy: str) -> None:
    """See to it that what was written to a temporary outlives a power failure, as far as that is wanted."""
    if policy == "data":
        os.fdatasync(fd)
    elif policy == "full":
        os.fsync(fd)


def _rename(layout: Layout, staged: bytes, path: bytes) -> None:
    """Rename, making the folder at need. In a shared store the group may use it, whatever the umask."""
    if layout.shared:
        from procache.store import sharing

        os.chmod(staged, sharing.FILE)
    folder = os.path.dirname(path)
    try:
        os.rename(staged, path)
    except FileNotFoundError:
        make_folder(folder)
        os.rename(staged, path)
        if layout.fsync == "full":
            _sync_folder(os.path.dirname(folder))
    if layout.fsync == "full":
        _sync_folder(folder)


def _sync_folder(folder: bytes) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(path: bytes) -> None:
    """Make one folder, where there is none; what contains it must be there, or the store was deleted meanwhile."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def on_disk(size: int) -> int:
    """What a file of so many bytes takes of the disk."""
    return -(-size // BLOCK) * BLOCK


def is_at(path: bytes, st: os.stat_result) -> bool:
    """True when this file is still at this path."""
    try:
        return os.path.samestat(os.lstat(path), st)
    except OSError:
        return False


def drop(staged: bytes) -> None:
    """Remove a temporary that is not needed."""
    try:
        os.unlink(staged)
    except OSError:
        pass
