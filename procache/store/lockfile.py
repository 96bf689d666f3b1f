"""A lock that is a file: for file systems that refuse flock(2), such as some that hosts share.

Who makes the file has the lock, since only one can (open(2): O_EXCL); who has it removes the file. What is under such a
lock takes milliseconds, so one that stays the same for ``LEFT_BEHIND`` seconds is of a dead process and is broken.
"""

from __future__ import annotations

import os
import time

from procache.store import scan

#: Seconds after which a lock that does not change hands is broken, and for which it is waited for at all.
LEFT_BEHIND, PATIENCE = 2.0, 10.0
#: How these files are called; behind that comes more for one that is being broken.
NAME = b".held"
#: After so long (s) nobody has such a lock, or is breaking it: a wide limit, since a server has a clock of its own.
_LONG_AGO = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02

Identity = tuple[int, int]


class LockFile:
    """See the module. ``held`` is what the lock was known by when it was taken; None where it was not to be had."""

    __slots__ = ("path", "held")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.held: Identity | None = None

    def take(self) -> bool:
        """Have the lock, after waiting for it; False where it is not to be had."""
        begin = since = time.monotonic()
        pause, seen = _FIRST_PAUSE, None
        while time.monotonic() - begin < PATIENCE:
            try:
                self.held = _made(self.path)
                return True
            except FileExistsError:
                pass
            except OSError:
                return False
            now = _identity(self.path)
            if now != seen:
                seen, since = now, time.monotonic()
            elif now is not None and time.monotonic() - since > LEFT_BEHIND:
                _break(self.path, now)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def release(self) -> None:
        """Let others have it; one that was broken meanwhile is theirs already."""
        if self.held is not None and _identity(self.path) == self.held:
            try:
                os.unlink(self.path)
            except OSError:
                pass  # it is broken before long
        self.held = None


def tidy(folder: bytes, now: float) -> None:
    """Remove what dead processes have left of such locks in a folder. ``now`` in seconds since 1970."""
    for entry in scan.listed(folder):
        if entry.name.startswith(NAME):
            try:
                if now - entry.stat(follow_symlinks=False).st_ctime > _LONG_AGO:
                    os.unlink(entry.path)
            except OSError:
                pass  # it has just gone


def _made(path: bytes) -> Identity:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        st = os.fstat(fd)
        return st.st_ino, st.st_mtime_ns
    finally:
        os.close(fd)


def _identity(path: bytes) -> Identity | None:
    try:
        st = os.lstat(path)
    except OSError:
        return None
    return st.st_ino, st.st_mtime_ns


def _break(path: bytes, seen: Identity) -> None:
    """Remove a lock that was left behind, unless somebody has just done so and another one is there."""
    aside = path + b"-" + os.urandom(8).hex().encode()
    try:
        os.rename(path, aside)
        if _identity(aside) != seen:
            os.link(aside, path)
        os.unlink(aside)
    except OSError:
        pass  # somebody else was faster
