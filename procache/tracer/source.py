"""Where stops come from: one wait for all tracees, in Python or in C.

A source hands over what is Python's business, and may answer by itself what needs no thought. The one here
hands over every stop. Its twin in C (``_source.c``, built where a compiler is at hand) answers most of those
in which a tracee only looks at a path: in a script of short jobs half of all stops, each for a fifth of
what it costs here. ``PROCACHE_NATIVE=0`` does without the twin.
"""

from __future__ import annotations

import os
import signal
import time

from ptrace import PtraceError
from ptrace.binding.func import ptrace_getsiginfo

from procache.native import WANTED, fitting
from procache.tracer import arch, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Protocol

    #: (user seconds, system seconds, KiB at most) of a process that ended.
    Usage = tuple[float, float, int]
    #: (number of the call, its flags, path, what is there: errno or the fields of ``as_stat``).
    Look = tuple[int, int, bytes, int | tuple[int, ...]]
    #: (thread, its looks in their order, its working folder where that is plain)
    Group = tuple[int, tuple[Look, ...], bytes | None]
    Call = tuple[bool, int, tuple[int, ...]]
    #: (thread, wait status, usage at an end, detail, looks taken before). The detail is (native, number, arguments) at
    #: an entry stop, the result at an exit stop, the message of a fork or exec event; None for what was not asked.
    Detail = Call | int | None
    Stop = tuple[int, int, Usage | None, Detail, list[Group] | None]

    #: (thread, sender, number, when it got there in s, monotonic)
    Signal = tuple[int, int, int, float]

    class EventSource(Protocol):
        """What the loop asks of a source."""

        def next(self) -> Stop:
            """The next stop or end; thread 0 where there are only looks. Raises ChildProcessError when none is left."""

        def adopt(self, tid: int) -> bool:
            """It is known whose child a new tracee is: True when its first stop has come already.

            Not so where that was one by job control, in which the source leaves it.
            """

        def forget(self, tid: int) -> None:
            """A tracee is gone without an end of its own: another thread of its process has exec'ed."""

        def seized(self, tid: int) -> None:
            """The first tracee, which has no first stop."""

        def signals(self) -> list[Signal]:
            """Signals that were sent and got to tracees lately."""


native: ModuleType | None = None
if WANTED:
    try:
        from procache.tracer import _source

        native = fitting(_source)
    except ImportError:
        pass

WALL = 0x40000000
#: si_code of a signal by kill(2).
SI_USER = 0
MOST_SIGNALS = 64
EVENT_STOP, LISTEN = 128, 0x4208  # PTRACE_EVENT_STOP, PTRACE_LISTEN
GROUP_STOPS = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
FIRST_STOP = EVENT_STOP << 16 | signal.SIGTRAP << 8 | 0x7F


class Source:
    """Hands over every stop but the first ones that come too early, before the fork event that explains them.

    Where the parent was killed before its fork event, none will explain it: the first stop is handed over then.
    """

    __slots__ = ("known", "early", "got")

    def __init__(self) -> None:
        self.known: set[int] = set()
        #: those that came too early, and the signal of their stop
        self.early: dict[int, int] = {}
        self.got: list[Signal] = []

    def next(self) -> Stop:
        """See ``EventSource``."""
        while True:
            tid, status, usage = os.wait4(-1, WALL | os.WNOHANG) if self.early else (0, 0, None)
            orphan = 0 if tid or not self.early else self._orphan()
            if orphan:
                return orphan, FIRST_STOP, None, None, None
            if usage is None or not tid:
                tid, status, usage = os.wait4(-1, WALL)
            if status & 0xFF != 0x7F:
                self.forget(tid)
                return tid, status, (usage.ru_utime, usage.ru_stime, usage.ru_maxrss), None, None
            if status >> 16 != EVENT_STOP or tid in self.known:
                if status >> 8 < signal.NSIG:
                    self._note_signal(tid, status >> 8)
                return tid, status, None, None, None
            self.early[tid] = status >> 8 & 0xFF  # left stopped until its parent's fork event names it

    def _note_signal(self, tid: int, number: int) -> None:
        """Note a signal on its way to a tracee. The same may have been sent to procache, with the whole group."""
        try:
            info = ptrace_getsiginfo(tid)
        except PtraceError:
            return  # it was killed
        if number != signal.SIGCHLD and info.si_code == SI_USER:
            self.got = [*self.got[1 - MOST_SIGNALS :], (tid, info._sigchld.pid, number, time.monotonic())]

    def signals(self) -> list[Signal]:
        """See ``EventSource``."""
        return self.got

    def _orphan(self) -> int:
        """A process that came too early and whose parent is gone, or 0."""
        for tid in self.early:
            try:
                with open(f"/proc/{tid}/status", "rb", buffering=0) as file:
                    fields = dict(line.split(b":\t", 1) for line in file.read(1024).splitlines() if b":\t" in line)
            except OSError:
                continue  # killed
            parent = int(fields[b"PPid"])
            if int(fields[b"Tgid"]) == tid and parent != os.getpid() and parent not in self.known:
                return tid
        return 0

    def adopt(self, tid: int) -> bool:
        """See ``EventSource``."""
        number = self.early.pop(tid, None)
        self.known.add(tid)
        if number in GROUP_STOPS:
            resume(tid, LISTEN, 0)
            return False
        return number is not None

    def forget(self, tid: int) -> None:
        """See ``EventSource``."""
        self.known.discard(tid)
        self.early.pop(tid, None)

    def seized(self, tid: int) -> None:
        """See ``EventSource``."""
        self.known.add(tid)


def resume(tid: int, request: int, number: int) -> None:
    """Let a stopped tracee go on, with a signal if ``number`` is one. Where it was killed, its end comes next."""
    arch.request(request, tid, 0, number)


if native is not None:
    resume = native.resume


def make(*, looks: bool) -> EventSource:
    """The source in C where it was built, else the one in Python. ``looks``: it may take looks itself."""
    if native is None:
        return Source()
    plain = [(arch.NUMBERS[name], *places) for name, places in table.PLAIN.items()]
    source: EventSource = native.Source(arch.AUDIT_ARCH, plain, looks)
    return source


def as_stat(fields: tuple[int, ...]) -> os.stat_result:
    """The stat result of (mode, inode, device, links, uid, gid, size, mtime, ctime), times in ns."""
    mode, inode, device, links, uid, gid, size, mtime, ctime = fields
    seconds, rest = mtime // 1_000_000_000, ctime // 1_000_000_000
    head = (mode, inode, device, links, uid, gid, size, 0, seconds, rest)
    return os.stat_result((*head, 0.0, precise(mtime), precise(ctime), 0, mtime, ctime))


def precise(ns: int) -> float:
    """A time in seconds, rounded as CPython does it."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return seconds + 1e-9 * rest
