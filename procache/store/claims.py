"""What each run is about to change, told to the other runs that go on at the same time.

What an execution left is looked at when it ends. If somebody else writes to the same file before that, the look finds
what is not its own. Of another run of procache this can be known: it, too, sees each change before it is made. So every
run appends the paths that it changes to a file of its own, before they are changed, and what was left is recorded only
where no other run names its path.

A file says which host it is of and two times (when the run began to change things, and when it ended: ns of
CLOCK_MONOTONIC, 0 while it goes on), and then so many bytes for each path. It is locked for as long as its run lives. A
run that ends leaves it to those that go on and have begun before; whoever is the last one removes it.
"""

from __future__ import annotations

import fcntl
import os
import time

from procache.digests import XXH3
from procache.store import CAREFUL, hosts, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from procache.store.layout import Layout

_PATH = _TIME = 8
_HEAD = hosts.LENGTH + 2 * _TIME
#: How the names of files begin that are not locked yet, and how long (s) they are so at most; and after how long files
#: are removed of which nobody can tell whether their runs go on.
_MAKING, _MOMENT, _LONG_AGO = b".", 60.0, 86400.0

#: When a run ended that had ended before this one changed anything.
_BEFORE = -1


class Claims:
    """The file of this run, which is made when the first path is claimed, and those of the others.

    Where it cannot be written to, this run is not seen by others; it sees them all the same.
    """

    __slots__ = ("layout", "name", "fd", "own", "others")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.name = b""
        self.fd = -1
        self.own: set[bytes] = set()
        self.others: dict[bytes, Other] = {}

    def add(self, *paths: bytes) -> None:
        """These paths are about to be changed."""
        store = self.layout.root  # whoever removes it is not to find something new there
        new = [path for path in paths if path not in self.own and not (path + b"/").startswith(store + b"/")]
        if not new:
            return
        if not self.name:
            self._begin()
        self.own.update(new)
        try:
            if self.fd >= 0:
                os.write(self.fd, b"".join(map(_short, new)))
        except OSError:  # the store is full, say: who cannot tell of all it does is no run to ask
            self._remove()

    def meddled(self, paths: Iterable[bytes], since: int) -> bytes | None:
        """The first of these paths that another run claims which went on after ``since`` (ns of CLOCK_MONOTONIC)."""
        if not self.name:
            return None
        self._look_around()
        claimed = [other.paths for other in self.others.values() if not other.ended or other.ended >= since]
        for path in paths if claimed else ():
            short = _short(path)
            if any(short in one for one in claimed):
                return path
        return None

    def end(self) -> None:
        """This run changes nothing any more."""
        for other in self.others.values():
            other.close()
        if self.fd < 0:
            return
        try:
            os.pwrite(self.fd, _packed(time.monotonic_ns()), _HEAD - _TIME)
        except OSError:
            pass  # who finds it unlocked knows as much
        os.close(self.fd)
        self.fd = -1
        tidy(self.layout)

    # -- the own file ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the file. Runs that have ended by now are of no concern: what they did was before."""
        self.name = os.urandom(8).hex().encode()
        try:
            self.fd = self._made()
        except OSError:
            pass  # a store that cannot be written to
        self._look_around()
        for other in self.others.values():
            if other.ended:
                other.ended = _BEFORE

    def _made(self) -> int:
        """The file, under its name when it is locked: before, it would be taken for that of a run that was killed."""
        making, flags = self._path(_MAKING), os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFUL
        try:
            fd = os.open(making, flags, 0o600)
        except FileNotFoundError:
            _make_folder(self.layout)
            fd = os.open(making, flags, 0o600)
        try:
            if self.layout.shared:
                from procache.store import sharing

                os.fchmod(fd, sharing.JOURNAL)
            os.write(fd, hosts.own() + _packed(time.monotonic_ns()) + bytes(_TIME))
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass  # without locks nobody can tell that it was killed, and it is believed to go on
            os.rename(making, self._path())
        except OSError:
            os.close(fd)
            _unlink(making)
            raise
        return fd

    def _path(self, prefix: bytes = b"") -> bytes:
        return self.layout.claims + b"/" + prefix + self.name

    def _remove(self) -> None:
        _unlink(self._path())
        os.close(self.fd)
        self.fd = -1

    # -- the others --------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """See who is there, and what they have claimed since."""
        for name in _names(self.layout):
            if name not in self.others and name != self.name and not name.startswith(_MAKING):
                try:
                    self.others[name] = Other(self.layout, name)
                except OSError:
                    pass  # removed meanwhile, so that it had ended before this run began; or nothing of ours
        for other in self.others.values():
            if not other.ended:
                other.read()


class Other:
    """The file of another run: what it has claimed so far, and when it ended (ns of CLOCK_MONOTONIC; 0: it has not)."""

    __slots__ = ("fd", "near", "began", "ended", "at", "paths")

    def __init__(self, layout: Layout, name: bytes) -> None:
        """Raises OSError."""
        self.fd = os.open(layout.claims + b"/" + name, os.O_RDONLY | CAREFUL)
        try:
            head = os.pread(self.fd, _HEAD, 0)
        except OSError:  # no regular file
            os.close(self.fd)
            raise
        #: whether its times are of this host's clock
        self.near = head[: hosts.LENGTH] == hosts.own() != hosts.NOBODY
        self.began, self.ended = _number(head[hosts.LENGTH : -_TIME]) if self.near else 0, 0
        self.at = _HEAD
        self.paths: set[bytes] = set()

    def read(self) -> None:
        """See what was added. Where that cannot be read it is believed to go on."""
        try:
            going = is_locked(self.fd)
            ended = _number(os.pread(self.fd, _TIME, _HEAD - _TIME))  # before the paths, or the last may be missed
            data = os.pread(self.fd, max(0, os.fstat(self.fd).st_size - self.at), self.at)
        except OSError:
            return
        self.paths.update(data[place : place + _PATH] for place in range(0, len(data) - _PATH + 1, _PATH))
        self.at += len(data) - len(data) % _PATH
        if ended or not going:
            self.ended = ended if ended and self.near else time.monotonic_ns()
            self.close()

    def close(self) -> None:
        """It is read no further."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def tidy(layout: Layout) -> None:
    """Remove the files of runs that have ended, unless a run that goes on had begun before."""
    going, ended, now = [], [], time.time()
    for name in _names(layout):
        try:
            age = now - os.stat(layout.claims + b"/" + name).st_mtime
            if name.startswith(_MAKING):
                if age > _MOMENT:
                    _unlink(layout.claims + b"/" + name)
                continue
            other = Other(layout, name)
        except OSError:
            continue  # somebody else was faster
        other.read()
        if not other.ended and not (age > _LONG_AGO and locks.refused(other.fd)):
            going.append(other.began)
        elif other.near or age > _LONG_AGO:
            ended.append((name, other.ended))
        other.close()
    for name, when in ended:
        if all(when < began for began in going):
            _unlink(layout.claims + b"/" + name)


def carry_over(layout: Layout, former: bytes) -> None:
    """Runs that go on are still seen when their store, which is at ``former`` now, has an empty one in its place."""
    folder = former + layout.claims[len(layout.root) :]
    try:
        names = os.listdir(folder)
    except OSError:
        return  # an earlier version, or nobody has claimed anything
    if names and not os.path.isdir(layout.claims):
        _make_folder(layout)
    for name in names:
        try:
            os.rename(folder + b"/" + name, layout.claims + b"/" + name)
        except OSError:
            pass  # another user's, or it has ended just now


def is_locked(fd: int) -> bool:
    """True when the run goes on whose file this is; also where the file system does not tell."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        return True
    return False


def _make_folder(layout: Layout) -> None:
    """Make the folder in a store of an earlier version, or one that was just made."""
    if layout.shared:
        from procache.store import sharing

        return sharing.fill(layout)
    try:
        os.mkdir(layout.claims, 0o700)
    except FileExistsError:
        pass


def _names(layout: Layout) -> list[bytes]:
    try:
        return os.listdir(layout.claims)
    except OSError:
        return []


def _short(path: bytes) -> bytes:
    """What stands for a path: two that differ are taken for one with a probability of 2**-64."""
    return XXH3.whole(path)[:_PATH]


def _number(packed: bytes) -> int:
    return int.from_bytes(packed, "little")


def _packed(number: int) -> bytes:
    return number.to_bytes(_TIME, "little")


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # gone, or another user's, who will remove it
