"""Handlers of the calls that open files: an input, an output, or both."""

from __future__ import annotations

import errno
import os
import stat
import struct

from procache.model.aspects import CONTENT, META, OWNER, PSEUDO, TYPE
from procache.model.reasons import reason
from procache.tracer.finding import OWN_PID, Args, Finding, own_ids, own_path
from procache.tracer.streamcalls import TERMINAL
from procache.tracer.tracee import Tracee
from procache.world import inherited, pseudo
from procache.world.paths import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.execution import Execution
    from procache.tracer.table import Spec

O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC = 0o3, 0o100, 0o200, 0o1000
O_NOFOLLOW, O_PATH, O_TMPFILE = 0o400000, 0o10000000, 0o20200000


class OpenCalls(Finding):
    """open, creat, openat, openat2."""

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
            return self.tree.look(ex, name, self.opened_at(t, META) if stat.S_ISDIR(st.st_mode) else META, st)
        self.tree.look(ex, name, OWNER, st)
        self._open_special(t, name, st)

    @staticmethod
    def opened_at(t: Tracee, aspect: int) -> int:
        """The aspect that counts of a folder that is opened: shells list it, and do not ask for its time."""
        return OWNER if aspect == META and t.ex.timed_stats else aspect

    def _open_file(self, t: Tracee, name: bytes, st: os.stat_result | int, flags: int, mode: int) -> None:
        ex, absent = t.ex, isinstance(st, int)
        writes = flags & O_ACCMODE or flags & O_TRUNC
        if flags & O_PATH or (absent and not flags & O_CREAT):
            return self.tree.look(ex, name, META, st)
        if not writes and not absent and flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL:
            if name.startswith(b"/sys/"):
                return self.tree.look_extra(ex, name, PSEUDO)
            return self.tree.look(ex, name, CONTENT, st)
        if (
            st == errno.ENOENT
            and flags & (O_CREAT | O_EXCL | O_TRUNC) == O_CREAT | O_TRUNC
            and len(t.process.threads) == 1
        ):
            self.made.append((t.tid, ex, name))  # whether it was is seen at a later stop
            return self.tree.write_over(ex, name, st)
        self.watch_change(t, lambda: self._open_to_write(t, name, st, flags, mode))
        return None

    def _open_to_write(self, t: Tracee, name: bytes, st: os.stat_result | int, flags: int, mode: int) -> None:
        ex, absent = t.ex, isinstance(st, int)
        if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL:
            return self.tree.create(ex, name, st)
        if flags & O_TRUNC:
            same = absent or (bool(flags & O_CREAT) and as_created(t, st, mode))  # type: ignore[arg-type]
            if absent:
                t.at_exit = lambda t, result: self.tree.created(t.ex, name, self.tree.world.look(name))
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
        if name == b"/dev/tty":
            return self._open_terminal(t, st)
        if not stat.S_ISSOCK(st.st_mode):
            self.tree.taint(t.ex, reason("device", path=name))

    def _open_terminal(self, t: Tracee, st: os.stat_result) -> None:
        """Whether there is a controlling terminal is a fact (every bash asks); reading or writing it taints."""
        self.tree.look_extra(t.ex, b"/dev/tty", PSEUDO)
        nodes = t.ex.chain()
        for node in nodes:
            node.inherited[TERMINAL] = (st.st_dev, st.st_ino)
        self.streams.follow_result(t, nodes)

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


def ex_owns(ex: Execution, path: bytes) -> bool:
    """True when the whole chain has changed this path already, so that nothing of it is an input any more."""
    return all(path in node.touched for node in ex.chain())


def as_created(t: Tracee, st: os.stat_result, mode: int) -> bool:
    """True when an existing file has the mode and owner that creating it now would give."""
    fields = dict(zip(inherited.FIELDS, t.status(), strict=True))
    umask = int(fields[b"Umask"], 8)
    fsuid, fsgid = int(fields[b"Uid"].split()[3]), int(fields[b"Gid"].split()[3])
    return (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode & 0o7777 & ~umask, fsuid, fsgid)
