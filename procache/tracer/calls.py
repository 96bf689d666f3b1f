"""Handlers of the calls that carry paths: what is looked at, what is about to change.

Each handler runs at the entry stop of its call and sees the world just before it. A call that then fails
has looked at what made it fail, and leaves no difference behind, so results are not waited for.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from procache.model.aspects import CONTENT, FS, META, OWNER, PSEUDO, TYPE, XATTR
from procache.model.effects import NOW
from procache.model.reasons import reason
from procache.tracer.tracee import Tracee, Unreadable, signed
from procache.world import inherited, pseudo
from procache.world.paths import Found, Resolver, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.execution import Execution
    from procache.model.tree import Tree
    from procache.tracer.near import Near
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.table import Spec

Args = tuple[int, ...]

O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC = 0o3, 0o100, 0o200, 0o1000
O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE = 0o200000, 0o400000, 0o10000000, 0o20200000
AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
#: Failures whose cause is seen in the paths themselves: names that are there or not, folders, loops, bad arguments.
EXPLAINED = frozenset(
    (errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.EINVAL, errno.EBADF,
     errno.EFAULT, errno.ENAMETOOLONG, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENODATA, errno.EXDEV)
)  # fmt: skip
MAX_ERRNO = 512
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class PathCalls:
    """Turns path-carrying calls of tracees into looks and changes of the execution tree."""

    __slots__ = ("tree", "resolver", "near", "streams")

    def __init__(self, tree: Tree, resolver: Resolver, near: Near) -> None:
        self.tree = tree
        self.near = near
        self.resolver = resolver
        self.streams: StreamCalls

    # -- finding -----------------------------------------------------------------------------------------

    def find(self, t: Tracee, args: Args, dirfd: int | None, path: int | None, *, follow: bool) -> Found | None:
        """Resolve the path argument at place ``path``; None where the call will fail or means no file."""
        raw = t.string(args[path] if path is not None else 0)
        if raw is None:
            return None
        absolute = t.absolute(None if dirfd is None else signed(args[dirfd]), raw)
        return None if absolute is None else self.find_path(t, absolute, follow=follow)

    def find_path(self, t: Tracee, path: bytes, *, follow: bool) -> Found | None:
        """Resolve an absolute path; what was walked through becomes facts. None for pseudo files, once followed."""
        found = self.resolver.resolve(path, follow)
        if found.st == errno.ENAMETOOLONG and len(path) > 4095:
            raise Unreadable("a path longer than PATH_MAX")
        self.walked(t.ex, found)
        if found.walk.pseudo or found.path.startswith(b"/proc/"):
            return self._find_pseudo(t, found, follow)
        return found

    def walked(self, ex: Execution, found: Found) -> None:
        """Attribute the way of a resolution."""
        walk = found.walk
        if walk not in ex.walks:
            self.tree.look_at_way(ex, walk, walk.folders, walk.links)
        if not found.links:
            return
        for part in found.links:
            if isinstance(part, Walk):
                self.tree.look_at_way(ex, part, part.folders, part.links)
            else:
                self.tree.look_at_way(ex, part, (), (part,))

    def _find_pseudo(self, t: Tracee, found: Found, follow: bool) -> Found | None:
        """Follow the magic links of /proc/self to what they stand for."""
        parts = found.path.split(b"/", 4)
        if len(parts) < 4 or parts[2] not in own_ids(t) or (not follow and len(parts) < 5):
            return found
        if parts[3] == b"fd" and len(parts) == 5 and follow:
            target = t.descriptor(int(parts[4])) if parts[4].isdigit() else b""
            return self.find_path(t, target, follow=True) if target.startswith(b"/") else found
        if parts[3] in (b"cwd", b"root", b"exe"):
            link = os.readlink(b"/proc/%d/%b" % (t.process.tgid, parts[3]))
            return self.find_path(t, link + b"/" + parts[4] if len(parts) == 5 else link, follow=follow)
        return found

    def descriptor_path(self, t: Tracee, fd: int) -> tuple[bytes, os.stat_result | int] | None:
        """The path that an open descriptor stands for and its state; None where it is no named file."""
        path = t.descriptor(fd)
        if (
            not path.startswith(b"/")
            or path.endswith(b" (deleted)")
            or path.startswith((b"/proc/", b"/dev/", b"/memfd:"))
        ):
            return None
        return path, self.tree.world.look(path)

    # -- reading -----------------------------------------------------------------------------------------

    def open(self, t: Tracee, args: Args, spec: Spec) -> None:
        """open, openat: (dirfd, path, flags, mode)."""
        dirfd, path, flags_at, mode_at = spec
        flags, mode = args[flags_at], args[mode_at]  # type: ignore[index]
        self._open(t, args, dirfd, path, flags & 0xFFFFFFFF, mode)

    def creat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """creat is open with O_CREAT | O_WRONLY | O_TRUNC."""
        self._open(t, args, None, 0, O_CREAT | O_TRUNC | os.O_WRONLY, args[1])

    def openat2(self, t: Tracee, args: Args, spec: Spec) -> None:
        """openat2: flags, mode and the ways of resolution lie in memory (struct open_how)."""
        data = t.read(args[2], 24)
        if len(data) < 24:
            return
        flags, mode, resolve = struct.unpack("<QQQ", data)
        if resolve & ~0x01 and resolve & ~0x2D:  # RESOLVE_IN_ROOT, RESOLVE_NO_XDEV … change what a path means
            self.tree.taint(t.ex, reason("file-handle", detail="openat2"))
        self._open(t, args, 0, 1, flags, mode)

    def _open(self, t: Tracee, args: Args, dirfd: int | None, path: int | None, flags: int, mode: int) -> None:
        follow = not flags & O_NOFOLLOW and flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL
        found = self.find(t, args, dirfd, path, follow=follow)
        if found is None:
            return
        ex, st, name = t.ex, found.st, found.path
        if name.startswith(b"/proc/"):
            return self._open_pseudo(t, found, flags)
        if found.blocked or found.walk.error:
            return self.tree.look(ex, name, TYPE, st)
        if flags & O_TMPFILE == O_TMPFILE:
            return self.tree.look(ex, name, TYPE, st)
        if isinstance(st, int) or stat.S_ISREG(st.st_mode):
            return self._open_file(t, name, st, flags, mode)
        if stat.S_ISDIR(st.st_mode) or stat.S_ISLNK(st.st_mode) or flags & O_PATH:
            return self.tree.look(ex, name, META, st)
        self.tree.look(ex, name, OWNER, st)
        self._open_special(t, name, st)

    def _open_file(self, t: Tracee, name: bytes, st: os.stat_result | int, flags: int, mode: int) -> None:
        ex, absent = t.ex, isinstance(st, int)
        writes = flags & O_ACCMODE or flags & O_TRUNC
        if flags & O_PATH or (absent and not flags & O_CREAT):
            return self.tree.look(ex, name, META, st)
        if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL:
            t.at_exit = self.changed
            return self.tree.create(ex, name, st)
        if not writes and not absent:
            if name.startswith(b"/sys/"):
                return self.tree.look_extra(ex, name, PSEUDO)
            return self.tree.look(ex, name, CONTENT, st)
        t.at_exit = self.changed
        if flags & O_TRUNC:
            same = absent or (bool(flags & O_CREAT) and as_created(t, st, mode))  # type: ignore[arg-type]
            return self.tree.write_over(ex, name, st, same_owner=same)
        if not absent and ex_owns(ex, name):
            return self.tree.touch(ex, name, st)
        self.tree.write_into(ex, name, st)

    def _open_special(self, t: Tracee, name: bytes, st: os.stat_result) -> None:
        if pseudo.harmless_device(st):
            return
        if stat.S_ISFIFO(st.st_mode):
            for node in t.ex.chain():
                if name not in node.touched:
                    node.taint(reason("reads-stream", detail=name))
            return
        if not stat.S_ISSOCK(st.st_mode):
            self.tree.taint(t.ex, reason("device", path=name))

    def _open_pseudo(self, t: Tracee, found: Found, flags: int) -> None:
        path, own = found.path, own_ids(t)
        parts = path.split(b"/", 4)
        if flags & O_PATH or path == b"/proc":
            return None
        if len(parts) == 5 and parts[2] in own and parts[3] == b"fd" and parts[4].isdigit():
            return self.reopened(t, int(parts[4]))
        if parts[2] == OWN_PID and parts[3:] == [b"comm"]:
            return None  # a procache below this one asks who traces it
        if parts[-1] in (b"status", b"stat"):
            self.near.release(t.process)
        verdict = pseudo.of_proc(path, own)
        if flags & O_ACCMODE and verdict != pseudo.IGNORE:
            return self.tree.taint(t.ex, reason("pseudo-file", path=path))
        if verdict == pseudo.TAINT:
            return self.tree.taint(t.ex, reason("pseudo-file", path=path))
        if verdict == pseudo.STABLE:
            self.tree.look_extra(t.ex, own_path(path, own), PSEUDO)
        return None

    def reopened(self, t: Tracee, fd: int) -> None:
        """/proc/self/fd/N of something without a path is opened: the new descriptor is the same stream."""
        nodes, _ = self.streams.inheriting(t, fd)
        if nodes:
            self.streams.follow_result(t, nodes)

    def stat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """stat, newfstatat, statx: (dirfd, path, flags)."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._look(t, args, spec, META, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def lstat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lstat: (dirfd, path)."""
        self._look(t, args, spec, META, follow=False)

    def access(self, t: Tracee, args: Args, spec: Spec) -> None:
        """access, faccessat: existence and permissions."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._look(t, args, spec, OWNER, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def readlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """readlink: a link's text, or that there is none."""
        self._look(t, args, spec, TYPE, follow=False, link=True)

    def _look(self, t: Tracee, args: Args, spec: Spec, aspect: int, *, follow: bool, link: bool = False) -> None:
        found = self.find(t, args, spec[0], spec[1], follow=follow)
        if found is None or found.path.startswith(b"/proc"):
            return self._look_pseudo(t, found)
        if found.blocked:
            aspect = TYPE
        if link and not isinstance(found.st, int) and stat.S_ISLNK(found.st.st_mode):
            aspect = META
        if aspect == META and (found.path.startswith(b"/sys/") or (t.ex.timed_stats and found.path == t.cwd())):
            aspect = OWNER  # a shell compares its folder with $PWD when it starts; that its time changed means nothing
        self.tree.look(t.ex, found.path, aspect, found.st)

    def _look_pseudo(self, t: Tracee, found: Found | None) -> None:
        """stat of /proc entries says only whether they exist; of another process's, that it lives."""
        if found is None:
            return
        first = found.path.split(b"/", 3)[2:3]
        if first and first[0].isdigit() and first[0] not in own_ids(t):
            self.tree.taint(t.ex, reason("pseudo-file", path=found.path))

    def chdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """chdir: looks at the folder; the new one is asked for when it is needed."""
        self._look(t, args, spec, TYPE, follow=True)
        t.process.cwd = None

    def fchdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fchdir: the folder was looked at when it was opened."""
        t.process.cwd = None

    def getdents(self, t: Tracee, args: Args, spec: Spec) -> None:
        """getdents: the folder's entries."""
        path = t.descriptor(signed(args[0]))
        if path.startswith(b"/proc"):
            own = path.split(b"/", 3)[2:3]
            if not own or (own[0] not in own_ids(t) and not path.startswith(b"/proc/sys")):
                self.tree.taint(t.ex, reason("pseudo-file", path=path))
        elif path.startswith(b"/") and not path.endswith(b" (deleted)"):
            self.tree.look_listing(t.ex, path)

    def statfs(self, t: Tracee, args: Args, spec: Spec) -> None:
        """statfs: the type of the file system; free space is not an input."""
        found = self.find(t, args, spec[0], spec[1], follow=True)
        if found is None:
            return
        if isinstance(found.st, int):
            return self.tree.look(t.ex, found.path, TYPE, found.st)
        self.tree.look_extra(t.ex, found.path, FS)

    def fstatfs(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fstatfs: as statfs, of an open file."""
        path = t.descriptor(signed(args[0]))
        if path.startswith(b"/") and not path.endswith(b" (deleted)"):
            self.tree.look_extra(t.ex, path, FS)

    def xattr(self, t: Tracee, args: Args, spec: Spec, *, follow: bool = True) -> None:
        """getxattr, listxattr: all attributes of the file count."""
        found = self.find(t, args, spec[0], spec[1], follow=follow)
        if found is None or found.path.startswith(b"/proc"):
            return
        self.tree.look(t.ex, found.path, TYPE, found.st)
        if not isinstance(found.st, int):
            self.tree.look_extra(t.ex, found.path, XATTR)

    def lxattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lgetxattr, llistxattr."""
        self.xattr(t, args, spec, follow=False)

    def fxattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fgetxattr, flistxattr."""
        named = self.descriptor_path(t, signed(args[0]))
        if named is not None and not isinstance(named[1], int):
            self.tree.look_extra(t.ex, named[0], XATTR)

    def uname(self, t: Tracee, args: Args, spec: Spec) -> None:
        """uname: host name and kernel release are inputs of who asks."""
        self.tree.look_extra(t.ex, pseudo.UNAME, PSEUDO)

    def changed(self, t: Tracee, result: int) -> None:
        """A changing call has returned. Why it failed is a fact already, or it may pass: a full disk, say."""
        if -MAX_ERRNO < result < 0 and -result not in EXPLAINED:
            self.tree.taint(t.ex, reason("failed-change", detail=errno.errorcode.get(-result, str(-result))))

    # -- changing ----------------------------------------------------------------------------------------

    def _target(
        self, t: Tracee, args: Args, dirfd: int | None, path: int | None, *, follow: bool = False
    ) -> Found | None:
        """Find what a change is about; pseudo files and blocked ways only get looked at."""
        found = self.find(t, args, dirfd, path, follow=follow)
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
        found = self._target(t, args, spec[0], spec[1])
        if found is not None:
            self.tree.create(t.ex, found.path, found.st, folder=True)

    def rmdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """rmdir: (dirfd, path)."""
        self._remove(t, args, spec, folder=True)

    def unlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """unlink, unlinkat: (dirfd, path, flags)."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._remove(t, args, spec, folder=bool(flags & AT_REMOVEDIR))

    def _remove(self, t: Tracee, args: Args, spec: Spec, *, folder: bool) -> None:
        found = self._target(t, args, spec[0], spec[1])
        if found is not None:
            self.tree.remove(t.ex, found.path, found.st, folder=folder)
            self._names_changed(found.st)

    def _names_changed(self, *states: os.stat_result | int) -> None:
        """Forget remembered walks where a folder or link is about to get another name or none."""
        for st in states:
            if not isinstance(st, int) and not stat.S_ISREG(st.st_mode):
                self.resolver.forget()

    def rename(self, t: Tracee, args: Args, spec: Spec) -> None:
        """rename, renameat2: (olddirfd, old, newdirfd, new, flags)."""
        flags = args[spec[4]] if spec[4] is not None else 0
        old = self._target(t, args, spec[0], spec[1])
        new = self._target(t, args, spec[2], spec[3])
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
        new = self._target(t, args, spec[2], spec[3])
        if new is None:
            return
        raw = t.string(args[spec[1]]) if spec[1] is not None else None
        if (flags & AT_EMPTY_PATH and raw == b"") or (raw or b"").startswith(
            (b"/proc/self/fd/", b"/proc/thread-self/fd/")
        ):
            return self._link_descriptor(t, args, spec, raw or b"", new)
        old = self._target(t, args, spec[0], spec[1], follow=bool(flags & AT_SYMLINK_FOLLOW))
        if old is not None:
            self.tree.link(t.ex, old.path, old.st, new.path, new.st)

    def _link_descriptor(self, t: Tracee, args: Args, spec: Spec, raw: bytes, new: Found) -> None:
        """A file without a name (O_TMPFILE) or an open file gets a name."""
        tail = raw.rpartition(b"/")[2]
        fd = int(tail) if tail.isdigit() else signed(args[spec[0]]) if spec[0] is not None else -1
        named = self.descriptor_path(t, fd)
        if named is not None and not isinstance(named[1], int):
            return self.tree.link(t.ex, named[0], named[1], new.path, new.st)
        return self.tree.create(t.ex, new.path, new.st)

    def symlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """symlink: (newdirfd, new); the text is looked at in the end."""
        found = self._target(t, args, spec[0] if len(spec) == 2 else None, spec[1])
        if found is not None:
            self.tree.create(t.ex, found.path, found.st)

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
        touch = t.ex.touched.get(path)
        if set_mtime is None and touch is not None:
            set_mtime = touch.set_mtime
        self.tree.write_into(t.ex, path, st, set_mtime=set_mtime)

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


#: The tracer's own process id, as a name below /proc.
OWN_PID = b"%d" % os.getpid()


def own_ids(t: Tracee) -> tuple[bytes, ...]:
    """The names below /proc that mean the tracee itself."""
    return b"self", b"thread-self", b"%d" % t.process.tgid, b"%d" % t.tid


def own_path(path: bytes, own: tuple[bytes, ...]) -> bytes:
    """A path below /proc as any process would say it of itself."""
    parts = path.split(b"/", 3)
    return b"/proc/self/" + parts[3] if parts[2] in own and len(parts) == 4 else path


def ex_owns(ex: Execution, path: bytes) -> bool:
    """True when the whole chain has changed this path already, so that nothing of it is an input any more."""
    return all(path in node.touched for node in ex.chain())


def as_created(t: Tracee, st: os.stat_result, mode: int) -> bool:
    """True when an existing file has the mode and owner that creating it now would give."""
    fields = dict(zip(inherited.FIELDS, inherited.status_fields(inherited.read_status(t.tid)), strict=True))
    umask = int(fields[b"Umask"], 8)
    fsuid, fsgid = int(fields[b"Uid"].split()[3]), int(fields[b"Gid"].split()[3])
    return (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode & 0o7777 & ~umask, fsuid, fsgid)
