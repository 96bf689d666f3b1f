"""flock(2) with an end to waiting: nobody is held up for long by a process that was stopped while it had a lock.

Where a lock is refused (some network file systems) or not to be had in time, things go on without it. What that can
cost is said at each place: an entry of statistics, a needless miss; never a wrong result.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from procache.store import CAREFUL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout
    from procache.store.lockfile import LockFile

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX
#: A reader waits so long (s) at most for the deletion of one batch.
PATIENCE = 0.2
#: A writer waits so long (s) for another one that replaces a record file.
_WRITERS_PATIENCE = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02


_patience = PATIENCE


def hold(fd: int, how: int, patience: float = PATIENCE) -> bool:
    """Lock an open file within ``patience`` seconds; False where that is not to be had. Closing the file unlocks."""
    pause, end = _FIRST_PAUSE, 0.0
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                return False
        now = time.monotonic()
        end = end or now + patience
        if now >= end:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def refused(fd: int) -> bool:
    """True when the file system of an open file has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError as error:
        return error.errno != errno.EWOULDBLOCK
    return False


def using(layout: Layout) -> int:
    """Keep blobs from being evicted until the returned descriptor is closed; -1 where that cannot be had.

    Who has waited in vain does not wait again before the lock was to be had once: an eviction that was stopped would
    hold up each of a thousand replays.
    """
    global _patience
    try:
        fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | CAREFUL, 0o600)
    except OSError:
        return -1
    _patience = PATIENCE if hold(fd, SHARED, _patience) else 0.0
    return fd


def let_go(fd: int) -> None:
    """Close what ``using`` returned; what close(2) complains of is closed all the same."""
    try:
        if fd >= 0:
            os.close(fd)
    except OSError:
        pass


class Folder:
    """Held while a record file in a folder is replaced, by a file where flock is refused. A context manager.

    The folder is made at need. Where the lock is not to be had in time, two who replace one file at the same moment
    can lose a record, never tear the file.
    """

    __slots__ = ("path", "fd", "file")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.file: LockFile | None = None

    def __enter__(self) -> Folder:
        flags = os.O_RDWR | os.O_CREAT | CAREFUL
        try:
            self.fd = os.open(self.path + b"/.lock", flags, 0o600)
        except FileNotFoundError:
            from procache.store import files

            files.make_folder(self.path)
            self.fd = os.open(self.path + b"/.lock", flags, 0o600)
        if not hold(self.fd, EXCLUSIVE, _WRITERS_PATIENCE) and refused(self.fd):
            from procache.store.lockfile import NAME, LockFile

            self.file = LockFile(self.path + b"/" + NAME)
            self.file.take()
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.release()
        let_go(self.fd)
