"""Changes below folders that are held by descriptors, so that nothing follows a link on the way or at the end.

The paths of effects have no links in them: the recorder has resolved those, and they are facts of their own. What was
compared can be another thing a moment later, when somebody who may write to a folder on the way puts a link in its
place. So each folder is opened name by name (O_NOFOLLOW), and every change names one thing in such a folder. A folder
that became a link, or anything else, ends the replay with an OSError.
"""

from __future__ import annotations

import errno
import os
import stat

from procache.model import effects as fx
from procache.model.aspects import GID, MODE, UID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.effects import Effect

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_THING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
#: So many descriptors are kept at most; processes often may not have more than 1024.
KEPT = 128


class Folders:
    """The folders of one replay, opened at first need. Paths are absolute and canonical."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        #: folder (the root is b"") -> descriptor
        self.known: dict[bytes, int] = {}

    def folder(self, path: bytes) -> int:
        """A descriptor of a folder, valid until the next call; the root is ``b""``.

        Raises OSError where the folder, or one above it, is a link or no folder.
        """
        if len(self.known) >= KEPT:
            self.close()
        return self._open(path)

    def _open(self, path: bytes) -> int:
        names: list[bytes] = []
        above = path
        while above and above not in self.known:
            above, _, name = above.rpartition(b"/")
            names.append(name)
        if not above and b"" not in self.known:
            self.known[b""] = os.open(b"/", _FOLDER)
        fd = self.known[above]
        while names:
            fd, above = self._below(fd, above, names.pop(), last=not names)
        return fd

    def _below(self, fd: int, path: bytes, name: bytes, *, last: bool) -> tuple[int, bytes]:
        """Open a folder in the one at ``path``, and know it; on the way to a very deep one only as long as it takes."""
        try:
            found = os.open(name, _FOLDER, dir_fd=fd)
        finally:
            if path not in self.known:
                os.close(fd)
        path += b"/" + name
        if last or len(self.known) < KEPT:
            self.known[path] = found
        return found, path

    def at(self, path: bytes) -> tuple[int, bytes]:
        """A descriptor of the folder in which ``path`` is, valid until the next call, and its name there."""
        folder, _, name = path.rpartition(b"/")
        return self.folder(folder), name

    def two_at(self, path: bytes, other: bytes) -> tuple[int, bytes, int, bytes]:
        """``at`` of two paths at once."""
        folder, _, name = other.rpartition(b"/")
        return *self.at(path), self._open(folder), name

    def forget(self, path: bytes) -> None:
        """The folder at ``path`` is no more; another may take its place."""
        fd = self.known.pop(path, -1)
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Let go of all descriptors; they are opened again at need."""
        for fd in self.known.values():
            os.close(fd)
        self.known.clear()

    # -- names ---------------------------------------------------------------------------------------

    def create(self, path: bytes) -> int:
        """A new file, private and open for reading and writing."""
        here, name = self.at(path)
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=here)

    def create_unnamed(self, folder: bytes) -> int:
        """A new file without a name on the file system of a folder, private and open for reading and writing.

        Raises OSError, also where the file system cannot do that (open(2), O_TMPFILE).
        """
        here = self.folder(folder)
        return os.open(b"/proc/self/fd/%d" % here, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def drop(self, path: bytes) -> None:
        """Remove a file that was created here."""
        here, name = self.at(path)
        os.unlink(name, dir_fd=here)

    def remove(self, path: bytes) -> os.stat_result:
        """Remove a name, whatever it names; a folder must be empty by now. Returns what it was."""
        here, name = self.at(path)
        st = os.stat(name, dir_fd=here, follow_symlinks=False)
        if stat.S_ISDIR(st.st_mode):
            os.rmdir(name, dir_fd=here)
            self.forget(path)
        else:
            os.unlink(name, dir_fd=here)
        return st

    def make(self, effect: Effect) -> None:
        """Make a folder, link or FIFO; a folder gets its attributes when everything is in it."""
        path, kind, state = effect[fx.PATH], effect[fx.KIND], effect[fx.STATE]
        here, name = self.at(path)
        if kind == fx.LINK:
            assert isinstance(state, bytes)
            os.symlink(state, name, dir_fd=here)
            set_mtime(name, effect[fx.SET_MTIME], here)
        elif kind == fx.DIR:
            assert isinstance(state, tuple)
            os.mkdir(name, stat.S_IMODE(state[MODE]) | 0o700, dir_fd=here)
        else:
            os.mkfifo(name, 0o600, dir_fd=here)
            self.touch_up(effect)

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file the name ``new``, in the place of what had it."""
        here, name, there, staged = self.two_at(new, old)
        os.rename(staged, name, src_dir_fd=there, dst_dir_fd=here)

    def link(self, path: bytes, source: bytes) -> None:
        """Make ``path``, where nothing is, another name of ``source``; a link itself is not followed."""
        here, name, there, other = self.two_at(path, source)
        os.link(other, name, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)

    def look(self, path: bytes) -> os.stat_result | None:
        """What is at a path (lstat); None where nothing is."""
        here, name = self.at(path)
        try:
            return os.stat(name, dir_fd=here, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_name_of(self, st: os.stat_result, path: bytes) -> bool:
        """True when ``path`` is a name of what was looked at."""
        other = self.look(path)
        return other is not None and os.path.samestat(st, other)

    def open_to_write(self, path: bytes) -> int:
        """A regular file that is there, open for reading and writing."""
        here, name = self.at(path)
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, f"{os.fsdecode(path)} became something else")
        return fd

    # -- attributes ----------------------------------------------------------------------------------

    def touch(self, path: bytes) -> None:
        """Give what is at a path the time of now."""
        here, name = self.at(path)
        os.utime(name, dir_fd=here, follow_symlinks=False)

    def attributes(self, path: bytes) -> tuple[os.stat_result, fx.Xattrs | None]:
        """What ``restore`` needs of what is at a path. Raises OSError."""
        here, name = self.at(path)
        st = os.stat(name, dir_fd=here, follow_symlinks=False)
        file = b"/proc/self/fd/%d/%b" % (here, name)
        try:
            names = os.listxattr(file, follow_symlinks=False)
            return st, tuple([(os.fsencode(each), os.getxattr(file, each, follow_symlinks=False)) for each in names])
        except OSError:  # a file system without any
            return st, None

    def restore(self, path: bytes, st: os.stat_result, xattrs: fx.Xattrs | None) -> None:
        """Give what is at a path the owner, mode, extended attributes and times that it had. Raises OSError."""
        here, name = self.at(path)
        thing = os.open(name, _THING, dir_fd=here)
        try:
            set_owner_and_mode(thing, path, st.st_mode, st.st_uid, st.st_gid)
        finally:
            os.close(thing)
        set_xattrs(b"/proc/self/fd/%d/%b" % (here, name), xattrs)
        os.utime(name, ns=(st.st_atime_ns, st.st_mtime_ns), dir_fd=here, follow_symlinks=False)

    def make_again(self, path: bytes, st: os.stat_result) -> None:
        """Make a folder that was there; what it had is given back when everything is in it."""
        here, name = self.at(path)
        os.mkdir(name, stat.S_IMODE(st.st_mode) | 0o700, dir_fd=here)

    def touch_up(self, effect: Effect) -> None:
        """Give what is at a path the recorded owner, mode, attributes and time where they differ; a link its time."""
        path, state = effect[fx.PATH], effect[fx.STATE]
        here, name = self.at(path)
        if not isinstance(state, tuple):
            return set_mtime(name, effect[fx.SET_MTIME], here)
        thing = os.open(name, _THING, dir_fd=here)
        try:
            set_owner_and_mode(thing, path, state[MODE], state[UID], state[GID])
        finally:
            os.close(thing)
        set_xattrs(b"/proc/self/fd/%d/%b" % (here, name), effect[fx.XATTRS])
        return set_mtime(name, effect[fx.SET_MTIME], here)


def set_owner_and_mode(thing: int, path: bytes, mode: int, uid: int, gid: int) -> None:
    """Set owner and mode of what a descriptor stands for (O_PATH), where they are not so."""
    name = b"/proc/self/fd/%d" % thing
    st = os.fstat(thing)
    if stat.S_IFMT(st.st_mode) != stat.S_IFMT(mode):
        raise OSError(errno.EINVAL, f"{os.fsdecode(path)} became something else")
    if (st.st_uid, st.st_gid) != (uid, gid):
        os.chown(name, uid, gid)  # which may clear bits of the mode
        st = os.fstat(thing)
    if st.st_mode != mode:
        os.chmod(name, stat.S_IMODE(mode))


def set_xattrs(file: bytes | int, xattrs: fx.Xattrs | None) -> None:
    """Give a file (a path of which no link is followed, or a descriptor) exactly these extended attributes."""
    if xattrs is None:
        return
    follow = isinstance(file, int)
    wanted = dict(xattrs)
    present = {os.fsencode(name) for name in os.listxattr(file, follow_symlinks=follow)}
    for name in present - wanted.keys():
        os.removexattr(file, name, follow_symlinks=follow)
    for name, value in wanted.items():
        if name not in present or os.getxattr(file, name, follow_symlinks=follow) != value:  # not all may be set
            os.setxattr(file, name, value, follow_symlinks=follow)


def set_mtime(name: bytes, mtime: int | None, here: int) -> None:
    """Set the time that the program set, if it did, of a name in the folder ``here``."""
    if mtime == fx.NOW:
        os.utime(name, dir_fd=here, follow_symlinks=False)
    elif mtime is not None:
        os.utime(name, ns=(mtime, mtime), dir_fd=here, follow_symlinks=False)
