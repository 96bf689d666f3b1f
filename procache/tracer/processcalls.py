"""Handlers of the calls that change the tree of processes, or what a process inherits."""

from __future__ import annotations

import os
import struct

from procache.model.aspects import TYPE
from procache.model.reasons import reason
from procache.tracer import arch
from procache.tracer.calls import PathCalls
from procache.tracer.near import WORD
from procache.tracer.tracee import Tracee, signed
from procache.world import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.near import Near
    from procache.tracer.table import Row

Args = tuple[int, ...]
CLONE_UNTRACED, CLONE_FS, CLONE_THREAD = 0x00800000, 0x200, 0x10000
CLONE_NEW = 0x7E020000
AF_UNIX = 1
IOPRIO_WHO_PROCESS = 1  # linux/ioprio.h
FAMILIES = {2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET", 40: "AF_VSOCK", 38: "AF_ALG"}


class ProcessCalls:
    """Follows forks' flags, signals, inherited attributes and sockets."""

    __slots__ = ("paths", "tracees", "near")

    def __init__(self, paths: PathCalls, tracees: dict[int, Tracee], near: Near) -> None:
        self.paths = paths
        self.tracees = tracees
        self.near = near

    def taint(self, t: Tracee, code: str, **fields: object) -> None:
        """Taint the execution of ``t`` and all that contain it."""
        self.paths.tree.taint(t.ex, reason(code, **fields))

    def taints(self, t: Tracee, args: Args, row: Row) -> None:
        """A call that makes an execution uncacheable by itself."""
        detail = row.name
        if row.name == "socket":
            detail = FAMILIES.get(args[0] & 0xFFFFFFFF, f"address family {args[0] & 0xFFFFFFFF}")
        self.taint(t, row.code, detail=detail)

    # -- forks -----------------------------------------------------------------------------------------------

    def clone(self, t: Tracee, args: Args) -> None:
        """clone with flags that matter: an untraced child would fail in every call, so the flag is cleared."""
        flags = args[0]
        if flags & CLONE_UNTRACED:
            arch.fetch(t.tid)
            arch.regs.rdi = flags & ~CLONE_UNTRACED
            arch.store(t.tid)
        self._flags(t, flags)

    def clone3(self, t: Tracee, args: Args) -> None:
        """clone3: the flags lie in memory (struct clone_args)."""
        data = t.read(args[0], 8)
        if len(data) < 8:
            return
        flags = struct.unpack("<Q", data)[0]
        if flags & CLONE_UNTRACED:
            t.write(args[0], struct.pack("<Q", flags & ~CLONE_UNTRACED))
        self._flags(t, flags)

    def _flags(self, t: Tracee, flags: int) -> None:
        if flags & CLONE_NEW:
            self.taint(t, "namespace", detail="clone")
        if flags & CLONE_FS and not flags & CLONE_THREAD:
            t.process.shares_fs = True
            t.process.cwd = None

    # -- signals -------------------------------------------------------------------------------------------------

    def kill(self, t: Tracee, args: Args) -> None:
        """kill, tkill, rt_sigqueueinfo: (pid, signal)."""
        self._signal(t, signed(args[0]), args[1] & 0xFFFFFFFF)

    def tgkill(self, t: Tracee, args: Args) -> None:
        """tgkill, rt_tgsigqueueinfo: (tgid, tid, signal)."""
        self._signal(t, signed(args[0]), args[2] & 0xFFFFFFFF)

    def pidfd_signal(self, t: Tracee, args: Args) -> None:
        """pidfd_send_signal: the process is named by a descriptor."""
        try:
            with open(b"/proc/%d/fdinfo/%d" % (t.tid, signed(args[0])), "rb", buffering=0) as info:
                pid = int(info.read(512).split(b"\nPid:", 1)[1].split(None, 1)[0])
        except (OSError, IndexError, ValueError):
            pid = 0
        self._signal(t, pid, args[1] & 0xFFFFFFFF)

    def _signal(self, t: Tracee, pid: int, number: int) -> None:
        if number == 0:
            return
        if pid < -1:
            pid = -pid  # a process group: that of a leader in the tree is the tree's own
        target = self.tracees.get(pid) or self._parent_of_ended(pid)
        for node in t.ex.chain():
            if target is not None and node.contains(target.ex):
                break
            node.taint(reason("outside-process", detail=f"signal {number}"))

    def _parent_of_ended(self, pid: int) -> Tracee | None:
        """The traced parent of a process that has ended and is not waited for yet: no signal changes that one."""
        try:
            with open(b"/proc/%d/stat" % pid, "rb", buffering=0) as file:
                state, parent = file.read(512).rpartition(b")")[2].split()[:2]  # proc_pid_stat(5)
        except (OSError, ValueError):
            return None
        return self.tracees.get(int(parent)) if state == b"Z" else None

    # -- what is inherited -----------------------------------------------------------------------------------------

    def inherit(self, t: Tracee, args: Args) -> None:
        """setrlimit, personality: asked for anew at the next exec."""
        t.process.attributes = None

    def prlimit(self, t: Tracee, args: Args) -> None:
        """prlimit64 that sets a limit: (pid, …)."""
        self._of_process(t, signed(args[0]))

    def sched(self, t: Tracee, args: Args) -> None:
        """sched_set…: (pid, …)."""
        self._of_process(t, signed(args[0]))

    def affinity(self, t: Tracee, args: Args) -> None:
        """sched_getaffinity: the tracee is to see what it would see without procache."""
        pid = signed(args[0]) or t.tid
        process = self.tracees.get(pid, t).process
        kept_here = pid == self.near.tracer or (pid in self.tracees and not process.free)
        if kept_here and self._told(t, args[1] & 0xFFFFFFFF, args[2]):
            return
        if self.near.lend(process):
            t.at_exit = lambda t, result: self.near.take_back(process)

    def _told(self, t: Tracee, size: int, address: int) -> bool:
        """Answer sched_getaffinity without the call; False where the kernel is to say what is wrong with it."""
        mask = self.near.mask[:size]
        if not mask or size < self.near.least or size % WORD:
            return False
        if not t.put(address, mask):
            return False
        arch.fetch(t.tid)
        arch.answer(len(mask))
        arch.store(t.tid)
        return True

    def set_affinity(self, t: Tracee, args: Args) -> None:
        """sched_setaffinity: from here on the tracee decides itself."""
        process = (self.tracees.get(signed(args[0])) or t).process
        self.near.release(process)
        process.own_affinity = True
        self._of_process(t, signed(args[0]))

    def priority(self, t: Tracee, args: Args) -> None:
        """setpriority: (which, who, …)."""
        self._of_process(t, signed(args[1]), alone=args[0] & 0xFFFFFFFF == os.PRIO_PROCESS)

    def io_priority(self, t: Tracee, args: Args) -> None:
        """ioprio_set: (which, who, …)."""
        self._of_process(t, signed(args[1]), alone=args[0] & 0xFFFFFFFF == IOPRIO_WHO_PROCESS)

    def _of_process(self, t: Tracee, pid: int, *, alone: bool = True) -> None:
        """What is inherited from process ``pid`` changes, or from all of its group or user where not ``alone``."""
        t.process.attributes = None
        if not alone or pid not in (0, t.tid, *t.process.threads):
            self.taint(t, "outside-process", detail="attributes")
            self._ask_anew()
            t.at_exit = lambda t, result: self._ask_anew()  # somebody may have asked while the call was under way

    def _ask_anew(self) -> None:
        for other in self.tracees.values():
            other.process.attributes = None

    def identity(self, t: Tracee, args: Args) -> None:
        """setuid and its kin: harmless where they set what is so already."""
        self._identity(t, args[:1])

    def identities(self, t: Tracee, args: Args) -> None:
        """setreuid, setregid."""
        self._identity(t, args[:2])

    def three_identities(self, t: Tracee, args: Args) -> None:
        """setresuid, setresgid."""
        self._identity(t, args[:3])

    def _identity(self, t: Tracee, wanted: Args) -> None:
        fields = dict(zip(inherited.FIELDS, t.status(), strict=True))
        ids = {int(word) for name in (b"Uid", b"Gid") for word in fields[name].split()}
        if len(ids) > 1 or any(signed(value) != -1 and signed(value) not in ids for value in wanted):
            self.taint(t, "credentials", detail="setuid")

    # -- sockets ---------------------------------------------------------------------------------------------------

    def connect(self, t: Tracee, args: Args) -> None:
        """connect: a socket file that is not there is a fact (nscd, syslog); anything else talks to the outside."""
        address = t.read(args[1], min(args[2] & 0xFFFFFFFF, 110))
        if len(address) < 3 or struct.unpack_from("<H", address)[0] != AF_UNIX:
            return self.taint(t, "network", detail="connect")
        path = address[2:].partition(b"\0")[0]
        absolute = t.absolute(None, path) if path else None
        if absolute is None:
            return self.taint(t, "socket", detail="abstract address")
        found = self.paths.find_path(t, absolute, follow=True)
        if found is not None and isinstance(found.st, int):
            return self.paths.tree.look(t.ex, found.path, TYPE, found.st)
        return self.taint(t, "socket", detail=os.fsdecode(path))

    def seccomp(self, t: Tracee, args: Args) -> None:
        """A filter of the tracee's own may hide calls from ours."""
        self.taint(t, "seccomp")
