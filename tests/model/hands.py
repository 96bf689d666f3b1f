"""Changing a tree, in memory or on disk: the same few calls, with the same errors.

Every call takes absolute paths and raises OSError as the kernel would.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from .fake import FakeWorld, Node

#: path below the top -> (type and permissions, content or link text)
Picture = dict[bytes, tuple[int, bytes]]
MODE = 0o644
FOLDER_MODE = 0o755


class FakeHands:
    """Changes a ``FakeWorld``."""

    def __init__(self, world: FakeWorld) -> None:
        self.world = world

    def _node(self, path: bytes) -> Node:
        st = self.world.look(path)
        if isinstance(st, int):
            raise OSError(st, "no such node")
        return self.world.nodes[path]

    def _vacant(self, path: bytes) -> None:
        st = self.world.look(path)
        if st != errno.ENOENT:
            raise OSError(st if isinstance(st, int) else errno.EEXIST, "the name is taken")
        if isinstance(self.world.look(os.path.dirname(path)), int):
            raise OSError(errno.ENOENT, "no folder")

    def _file(self, path: bytes) -> Node:
        if self.world.look(path) == errno.ENOENT:
            self._vacant(path)
            self.world.add(path, stat.S_IFREG | MODE)
        node = self._node(path)
        if not stat.S_ISREG(node.mode):
            raise OSError(errno.EISDIR if stat.S_ISDIR(node.mode) else errno.ELOOP, "not a file")
        return node

    def _changed(self, node: Node, *, content: bool = True) -> None:
        self.world.clock += 10**9
        node.ctime = self.world.clock
        if content:
            node.mtime = node.ctime

    def read(self, path: bytes) -> bytes:
        """Content of a file."""
        node = self._node(path)
        if not stat.S_ISREG(node.mode):
            raise OSError(errno.EISDIR if stat.S_ISDIR(node.mode) else errno.ELOOP, "not a file")
        return node.content

    def put(self, path: bytes, content: bytes) -> None:
        """Open with O_CREAT and O_TRUNC, write."""
        node = self._file(path)
        node.content = content
        self._changed(node)

    def append(self, path: bytes, content: bytes) -> None:
        """Open with O_CREAT and O_APPEND, write."""
        node = self._file(path)
        node.content += content
        self._changed(node)

    def mkdir(self, path: bytes) -> None:
        """mkdir(2)."""
        self._vacant(path)
        self.world.add(path, stat.S_IFDIR | FOLDER_MODE)

    def symlink(self, path: bytes, text: bytes) -> None:
        """symlink(2)."""
        self._vacant(path)
        self.world.add(path, stat.S_IFLNK | 0o777, text)

    def link(self, old: bytes, new: bytes) -> None:
        """link(2)."""
        node = self._node(old)
        self._vacant(new)
        if stat.S_ISDIR(node.mode):
            raise OSError(errno.EPERM, "a folder")
        self.world.nodes[new] = node
        self._changed(node, content=False)

    def unlink(self, path: bytes) -> None:
        """unlink(2)."""
        node = self._node(path)
        if stat.S_ISDIR(node.mode):
            raise OSError(errno.EISDIR, "a folder")
        del self.world.nodes[path]
        self._changed(node, content=False)

    def rmdir(self, path: bytes) -> None:
        """rmdir(2)."""
        if not stat.S_ISDIR(self._node(path).mode):
            raise OSError(errno.ENOTDIR, "not a folder")
        if self.world.entries(path):
            raise OSError(errno.ENOTEMPTY, "not empty")
        del self.world.nodes[path]

    def rename(self, old: bytes, new: bytes) -> None:
        """rename(2). The ways to both names are walked before either is looked up."""
        for path in (old, new):
            if (st := self.world.look(os.path.dirname(path))) and isinstance(st, int):
                raise OSError(st, "no folder")
            if self.world.look(path) == errno.ENOTDIR:
                raise OSError(errno.ENOTDIR, "no folder")
        node = self._node(old)
        if new.startswith(old + b"/"):
            raise OSError(errno.EINVAL, "into itself")
        target = None if self.world.look(new) == errno.ENOENT else self._node(new)
        if target is node:
            return
        if target is not None:
            folders = stat.S_ISDIR(node.mode), stat.S_ISDIR(target.mode)
            if folders[0] != folders[1]:
                raise OSError(errno.EISDIR if folders[1] else errno.ENOTDIR, "another type")
            if folders[1] and self.world.entries(new):
                raise OSError(errno.ENOTEMPTY, "not empty")
        moved = {name: at for name, at in self.world.nodes.items() if name == old or name.startswith(old + b"/")}
        for name in moved:
            del self.world.nodes[name]
        self.world.nodes.update({new + name[len(old) :]: at for name, at in moved.items()})
        self._changed(node, content=False)

    def chmod(self, path: bytes, mode: int) -> None:
        """fchmodat2(2), not following a link."""
        node = self._node(path)
        if stat.S_ISLNK(node.mode):
            raise OSError(errno.EOPNOTSUPP, "a link")
        node.mode = stat.S_IFMT(node.mode) | mode
        self._changed(node, content=False)

    def utime(self, path: bytes, mtime: int) -> None:
        """utimensat(2) with nanoseconds."""
        node = self._node(path)
        self._changed(node, content=False)
        node.mtime = mtime

    def picture(self, top: bytes = b"") -> Picture:
        """Everything below ``top``."""
        nodes = self.world.nodes.items()
        return {path: (node.mode, node.content) for path, node in nodes if path.startswith(top + b"/") and path != b"/"}


class RealHands:
    """Changes the file system, as processes do."""

    def read(self, path: bytes) -> bytes:
        """Content of a file."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return os.read(fd, 1 << 16)
        finally:
            os.close(fd)

    def put(self, path: bytes, content: bytes) -> None:
        """Open with O_CREAT and O_TRUNC, write."""
        self._write(path, os.O_TRUNC, content)

    def append(self, path: bytes, content: bytes) -> None:
        """Open with O_CREAT and O_APPEND, write."""
        self._write(path, os.O_APPEND, content)

    @staticmethod
    def _write(path: bytes, flags: int, content: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | flags, MODE)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)

    def mkdir(self, path: bytes) -> None:
        """mkdir(2)."""
        os.mkdir(path, FOLDER_MODE)

    def symlink(self, path: bytes, text: bytes) -> None:
        """symlink(2)."""
        os.symlink(text, path)

    def link(self, old: bytes, new: bytes) -> None:
        """link(2)."""
        os.link(old, new, follow_symlinks=False)

    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    rename = staticmethod(os.rename)

    def chmod(self, path: bytes, mode: int) -> None:
        """fchmodat2(2), not following a link."""
        if os.path.islink(path):
            raise OSError(errno.EOPNOTSUPP, "a link")
        os.chmod(path, mode)

    def utime(self, path: bytes, mtime: int) -> None:
        """utimensat(2) with nanoseconds."""
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)

    def picture(self, top: bytes) -> Picture:
        """Everything below ``top``."""
        found: Picture = {}
        for path in Path(os.fsdecode(top)).rglob("*"):
            name, mode = os.fsencode(path), path.lstat().st_mode
            text = os.readlink(name) if stat.S_ISLNK(mode) else b"" if stat.S_ISDIR(mode) else path.read_bytes()
            found[name] = (mode, text)
        return found
