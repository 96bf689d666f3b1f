"""Handlers of the calls that carry paths: what is looked at, what is about to change.

Each handler runs at the entry stop of its call and sees the world just before it. A call that then fails
has looked at what made it fail, and leaves no difference behind; only for changes the result is waited
for, since a change can also fail for a reason that no path shows (a full disk, a missing right).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time

from procache.model.aspects import TYPE, XATTR
from procache.model.effects import NOW
from procache.model.reasons import reason
from procache.tracer.finding import Args
from procache.tracer.reading import AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, ReadCalls
from procache.tracer.tracee import Tracee, signed
from procache.world import pseudo
from procache.world.paths import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.table import Spec

AT_REMOVEDIR, AT_SYMLINK_FOLLOW = 0x200, 0x400
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
_DESCRIPTORS = (b"/proc/self/fd/", b"/proc/thread-self/fd/")
#: Seconds by which the clock of a file system may be behind or before ours.
SLACK = 10
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class PathCalls(ReadCalls):
    """Turns path-carrying calls of tracees into looks and changes of the execution tree: all of them."""

    def _target(
        self,
        t: Tracee,
        args: Args,
        dirfd: int | None,
        path: int | None,
        *,
        follow: bool = False,
        named: bool = False,
    ) -> Found | None:
        """Find what a change is about (``find``); pseudo files and blocked ways only get looked at."""
        found = self.find(t, args, dirfd, path, follow=follow, named=named)
        if found is None:
            return None
        if found.path.startswith((b"/proc/", b"/sys/")):
            self.tree.taint(t.ex, reason("pseudo-file", path=found.path))
            return None
        if found.blocked or (isinstance(found.st, int) and (found.st != errno.ENOENT or found.walk.error)):
            self.tree.look(t.ex, found.path, TYPE, found.st)
            return None
        return found

    def mkdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """mkdir: (dirfd, path)."""
        found = self._target(t, args, spec[0], spec[1], named=True)
        if found is not None:
            self.tree.create(t.ex, found.path, found.st, folder=True)
            self.comes(found.path)

    def rmdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """rmdir: (dirfd, path)."""
        self._remove(t, args, spec, folder=True)

    def unlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """unlink, unlinkat: (dirfd, path, flags)."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._remove(t, args, spec, folder=bool(flags & AT_REMOVEDIR))

    def _remove(self, t: Tracee, args: Args, spec: Spec, *, folder: bool) -> None:
        found = self._target(t, args, spec[0], spec[1], named=True)
        if found is not None:
            self.tree.remove(t.ex, found.path, found.st, folder=folder)
            self._names_changed(found.st)

    def _names_changed(self, *states: os.stat_result | int) -> None:
        """Forget remembered walks where a folder or link is about to get another name or none."""
        for st in states:
            if not isinstance(st, int) and not stat.S_ISREG(st.st_mode):
                self.forget_names()

    def rename(self, t: Tracee, args: Args, spec: Spec) -> None:
        """rename, renameat2: (olddirfd, old, newdirfd, new, flags)."""
        flags = args[spec[4]] if spec[4] is not None else 0
        old = self._target(t, args, spec[0], spec[1], named=True)
        new = self._target(t, args, spec[2], spec[3], named=True)
        if old is None or new is None:
            return
        if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE):
            return self.tree.taint(t.ex, reason("special-file", path=new.path, detail="whiteout"))
        if flags & RENAME_NOREPLACE and not isinstance(new.st, int):
            self.tree.look(t.ex, old.path, TYPE, old.st)
            return self.tree.look(t.ex, new.path, TYPE, new.st)
        if flags & RENAME_NOREPLACE:
            self.tree.look(t.ex, new.path, TYPE, new.st)
        self.tree.move(t.ex, old.path, old.st, new.path, new.st, exchange=bool(flags & RENAME_EXCHANGE))
        return self._names_changed(old.st, new.st)

    def link(self, t: Tracee, args: Args, spec: Spec) -> None:
        """link, linkat: (olddirfd, old, newdirfd, new, flags)."""
        flags = args[spec[4]] if spec[4] is not None else 0
        raw = t.string(args[spec[1]]) if spec[1] is not None else None
        if (flags & AT_EMPTY_PATH and raw == b"") or (raw or b"").startswith(_DESCRIPTORS):
            new = self._target(t, args, spec[2], spec[3])
            return None if new is None else self._link_descriptor(t, args, spec, raw or b"", new)
        old = self._target(t, args, spec[0], spec[1], follow=bool(flags & AT_SYMLINK_FOLLOW))  # the kernel's order
        new = self._target(t, args, spec[2], spec[3])
        if old is not None and new is not None:
            self.tree.link(t.ex, old.path, old.st, new.path, new.st)
            self.comes(new.path)  # it may be a link that gets another name
        elif old is not None:
            self.tree.look(t.ex, old.path, TYPE, old.st)
        return None

    def _link_descriptor(self, t: Tracee, args: Args, spec: Spec, raw: bytes, new: Found) -> None:
        """A file without a name (O_TMPFILE) or an open file gets a name."""
        tail = raw.rpartition(b"/")[2]
        fd = int(tail) if tail.isdigit() else signed(args[spec[0]]) if spec[0] is not None else -1
        named = self.descriptor_path(t, fd)
        if named is not None and not isinstance(named[1], int):
            return self.tree.link(t.ex, named[0], named[1], new.path, new.st)
        self.tree.create(t.ex, new.path, new.st)
        st = t.stat_descriptor(fd)
        if new.st == errno.ENOENT and st is not None:
            names = os.listxattr(b"/proc/%d/fd/%d" % (t.tid, fd))
            self._as_it_was_made(t, new.path, st, any(not name.startswith("security.") for name in names))
        return None

    @staticmethod
    def _as_it_was_made(t: Tracee, path: bytes, st: os.stat_result, attributes: bool) -> None:
        """A file gets its first name: times and ``attributes`` that were given to it before count as set.

        What was set is not known any more; but a time before the execution, or to come, does not come from writing.
        """
        for node in t.ex.chain():
            touch = node.touched[path]
            touch.xattrs = attributes
            if not node.started - SLACK <= st.st_mtime <= time.time() + SLACK:
                touch.set_mtime = st.st_mtime_ns

    def symlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """symlink: (newdirfd, new); the text is looked at in the end."""
        found = self._target(t, args, spec[0] if len(spec) == 2 else None, spec[1])
        if found is not None:
            self.tree.create(t.ex, found.path, found.st)
            self.comes(found.path)

    def mknod(self, t: Tracee, args: Args, spec: Spec) -> None:
        """mknod: (dirfd, path, mode); a device node or socket left behind taints in the end."""
        found = self._target(t, args, spec[0], spec[1])
        if found is not None:
            self.tree.create(t.ex, found.path, found.st)

    def attributes(self, t: Tracee, args: Args, spec: Spec) -> None:
        """chmod, chown, truncate: a part of the file changes."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._attributes(t, args, spec, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def lattributes(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lchown."""
        self._attributes(t, args, spec, follow=False)

    def _attributes(
        self, t: Tracee, args: Args, spec: Spec, *, follow: bool, set_mtime: int | None = None
    ) -> Found | None:
        if spec[1] is not None and not args[spec[1]] and spec[0] is not None:  # utimensat(fd, NULL, …)
            self._touch_descriptor(t, signed(args[spec[0]]), set_mtime)
            return None
        raw = t.string(args[spec[1]]) if spec[1] is not None else None
        if raw == b"" and spec[0] is not None:  # AT_EMPTY_PATH
            self._touch_descriptor(t, signed(args[spec[0]]), set_mtime)
            return None
        found = self._target(t, args, spec[0], spec[1], follow=follow)
        if found is not None:
            self._touch(t, found.path, found.st, set_mtime)
        return found

    def _touch(self, t: Tracee, path: bytes, st: os.stat_result | int, set_mtime: int | None = None) -> None:
        if isinstance(st, int):
            return self.tree.look(t.ex, path, TYPE, st)
        self.tree.write_into(t.ex, path, st, set_mtime=set_mtime, content=False)

    def fattributes(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fchmod, fchown, ftruncate, fallocate."""
        self._touch_descriptor(t, signed(args[0]))

    def _touch_descriptor(self, t: Tracee, fd: int, set_mtime: int | None = None) -> None:
        st = t.stat_descriptor(fd)
        if st is not None and (st.st_dev, st.st_ino) in t.ex.inherited.values() and not pseudo.harmless_device(st):
            return self.inherited_changed(t, (st.st_dev, st.st_ino), fd)
        named = self.descriptor_path(t, fd)
        if named is not None:
            self._touch(t, named[0], named[1], set_mtime)

    def inherited_changed(self, t: Tracee, key: tuple[int, int], fd: int) -> None:
        """An open file that was inherited is changed otherwise than by writing to it."""
        for node in t.ex.chain():
            if key not in node.inherited.values():
                break
            node.taint(reason("seeks-stream", detail=fd))

    def utime(self, t: Tracee, args: Args, spec: Spec) -> None:
        """utime: struct utimbuf, whole seconds; NULL means now."""
        data = t.read(args[1], 16) if args[1] else b""
        mtime = struct.unpack("<qq", data)[1] * 10**9 if len(data) == 16 else None
        self._set_time(t, args, spec, mtime, follow=True)

    def utimes(self, t: Tracee, args: Args, spec: Spec) -> None:
        """utimes, futimesat: two struct timeval; NULL means now."""
        address = args[spec[2]] if spec[2] is not None else 0
        data = t.read(address, 32) if address else b""
        mtime = None
        if len(data) == 32:
            seconds, micros = struct.unpack("<qq", data[16:])
            mtime = seconds * 10**9 + micros * 1000
        self._set_time(t, args, spec, mtime, follow=True)

    def utimensat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """utimensat: two struct timespec with UTIME_NOW and UTIME_OMIT; NULL means now."""
        data = t.read(args[2], 32) if args[2] else b""
        mtime = None
        if len(data) == 32:
            seconds, nanos = struct.unpack("<qq", data[16:])
            if nanos == UTIME_OMIT:
                self._attributes(t, args, spec, follow=not args[3] & AT_SYMLINK_NOFOLLOW)
                return
            mtime = None if nanos == UTIME_NOW else seconds * 10**9 + nanos
        self._set_time(t, args, spec, mtime, follow=not args[3] & AT_SYMLINK_NOFOLLOW)

    def _set_time(self, t: Tracee, args: Args, spec: Spec, mtime: int | None, *, follow: bool) -> None:
        self._attributes(t, args, spec, follow=follow, set_mtime=mtime if mtime is not None else NOW)

    def set_xattr(self, t: Tracee, args: Args, spec: Spec, *, follow: bool = True) -> None:
        """setxattr, removexattr."""
        found = self._attributes(t, args, (spec[0], spec[1], None), follow=follow)
        if found is not None:
            self._mark_xattrs(t, found.path)

    def lset_xattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lsetxattr, lremovexattr."""
        self.set_xattr(t, args, spec, follow=False)

    def fset_xattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fsetxattr, fremovexattr."""
        self._touch_descriptor(t, signed(args[0]))
        named = self.descriptor_path(t, signed(args[0]))
        if named is not None:
            self._mark_xattrs(t, named[0])

    def _mark_xattrs(self, t: Tracee, path: bytes) -> None:
        self.tree.attributes_count(t.ex, path)
        for node in t.ex.chain():
            if path in node.touched:
                if not node.touched[path].xattrs and node.touched[path].prior:
                    node.extras.setdefault((path, XATTR), self.tree.world.extra(XATTR, path))
                node.touched[path].xattrs = True

    def ioctl(self, t: Tracee, args: Args, spec: Spec) -> None:
        """FICLONE and the like write to a file that is open for writing; FS_IOC_SETFLAGS sets what no effect holds."""
        command = args[1] & 0xFFFFFFFF
        if command in (0x40086602, 0x401C5820):
            return self.tree.taint(
                t.ex, reason("special-file", path=t.descriptor(signed(args[0])), detail="file with flags")
            )
        return self._touch_descriptor(t, signed(args[0]))
