"""Following a command from a process beside, so that procache can end before what the command leaves behind.

With a limit on waiting (``follow_daemons``), the tracer is a child of the process that was started. That one waits
for the status, and ends with it. The tracer cannot end before its tracees: it would take them along, and without a
tracer their calls fail (seccomp(2), SECCOMP_RET_TRACE). So it lets go of the streams and the terminal, and only
answers stops from then on.
"""

from __future__ import annotations

import os
import signal
import struct

from ptrace.ctypes_libc import libc

from procache.tracer import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PR_SET_PDEATHSIG = 1
#: What the tracer says: that the job was stopped (0), or how the command ended.
_WORD = struct.Struct("<ci")
_STOPPED, _ENDED = b"s", b"e"


class Aside:
    """The tracer's end. ``waiting``: the process that was started, which waits for the status."""

    __slots__ = ("pipe", "waiting")

    def __init__(self, pipe: int, waiting: int) -> None:
        self.pipe = pipe
        self.waiting = waiting

    def stopped(self) -> None:
        """Job control has stopped the command: have both processes of procache stopped as well."""
        os.write(self.pipe, _WORD.pack(_STOPPED, 0))

    def report(self, status: int) -> None:
        """Tell the waiting process how the command ended; it ends now."""
        libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
        os.write(self.pipe, _WORD.pack(_ENDED, status))

    def let_go(self, status: int, others: Iterable[int]) -> None:
        """As ``report``, with tracees left: be in nobody's way. ``others``: further descriptors of the command."""
        os.setsid()
        nowhere = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2, *others):
            os.dup2(nowhere, fd, inheritable=False)
        self.report(status)


def follow(trace: Callable[[Aside], int]) -> int:
    """Run ``trace`` in a child; returns the status that it reports, or with which it ended without a report."""
    reader, writer = os.pipe()
    waiting = os.getpid()
    pid = os.fork()
    if not pid:
        os.close(reader)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        aside = Aside(writer, waiting)
        status = trace(aside)
        aside.report(status)
        os._exit(0)
    os.close(writer)
    signals.take()
    signals.pass_on(pid, lambda: [pid], lambda *_: False)
    signal.signal(signal.SIGCONT, lambda number, frame: os.kill(pid, number))
    while len(said := os.read(reader, _WORD.size)) == _WORD.size:
        word, status = _WORD.unpack(said)
        if word == _ENDED:
            return int(status)
        for stopped in (pid, os.getpid()):  # in this order: who sees this process stopped may wake both
            os.kill(stopped, signal.SIGSTOP)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def waker(seconds: float) -> int:
    """A process that ends after so many seconds, which wakes the wait loop. Returns its id."""
    pid = os.fork()
    if not pid:
        try:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.closerange(0, 1 << 20)
            signal.sigtimedwait((), seconds)
        finally:
            os._exit(0)
    return pid
