"""flock(2) with an end to waiting: nobody is held up for long by a process that was stopped while it had a lock.

Where a lock is refused (some network file systems) or not to be had in time, things go on without it. What that can
cost is said at each place: an entry of statistics, a needless miss; never a wrong result.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX
#: A reader waits so long (s) at most for the deletion of one batch.
PATIENCE = 0.2
#: A writer waits so long (s) for another one that replaces a record file.
_WRITERS_PATIENCE = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02


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
    """Keep blobs from being evicted until the returned descriptor is closed; -1 where that cannot be had."""
    try:
        fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    hold(fd, SHARED)
    return fd


def folder(path: bytes) -> int:
    """Hold the lock of a folder of record files until the returned descriptor is closed. The folder is made at need.

    Where it is not to be had, two who replace one file at the same moment can lose a record, never tear the file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(path + b"/.lock", flags, 0o600)
    except FileNotFoundError:
        os.makedirs(path, mode=0o700, exist_ok=True)
        fd = os.open(path + b"/.lock", flags, 0o600)
    hold(fd, EXCLUSIVE, _WRITERS_PATIENCE)
    return fd
