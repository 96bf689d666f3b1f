"""The wait loop: one waitpid for everything, and for each stop what it means.

Tracees are seized (PTRACE_SEIZE), so that stops by job control stay what they are, and killed with the
tracer (PTRACE_O_EXITKILL). The filter makes calls stop at their entry only (PTRACE_EVENT_SECCOMP); where
a handler asks for the result, the tracee is resumed to the call's exit stop (ptrace(2), Linux 4.8 and up).

Should following a tracee fail by a fault of ours, the command goes on unrecorded: from then on stops are
only answered.
"""

from __future__ import annotations

import os
import signal
import time

from ptrace import PtraceError
from ptrace.binding.func import (
    PTRACE_CONT,
    PTRACE_EVENT_CLONE,
    PTRACE_EVENT_EXEC,
    PTRACE_EVENT_FORK,
    PTRACE_EVENT_VFORK,
    PTRACE_O_TRACECLONE,
    PTRACE_O_TRACEEXEC,
    PTRACE_O_TRACEFORK,
    PTRACE_O_TRACESYSGOOD,
    PTRACE_O_TRACEVFORK,
    PTRACE_SYSCALL,
    ptrace,
    ptrace_geteventmsg,
)

from procache.tracer import arch, signals
from procache.tracer.alive import writable_files
from procache.tracer.dispatch import dispatch
from procache.tracer.gather import Gather
from procache.tracer.held import Held
from procache.tracer.looks import Looks
from procache.tracer.source import GROUP_STOPS, LISTEN, resume
from procache.tracer.tracee import Process, Tracee, Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.tracer.calls import PathCalls
    from procache.tracer.endings import Endings
    from procache.tracer.execs import Execs
    from procache.tracer.near import Near
    from procache.tracer.processcalls import ProcessCalls
    from procache.tracer.source import Detail, EventSource, Group, Stop, Usage
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.tracelog import TraceLog

# <linux/ptrace.h>; python-ptrace 0.9.9 does not have these.
PTRACE_SEIZE = 0x4206
PTRACE_EVENT_SECCOMP, PTRACE_EVENT_STOP = 7, 128
PTRACE_O_TRACESECCOMP, PTRACE_O_EXITKILL = 0x80, 0x100000
OPTIONS = (
    PTRACE_O_TRACESYSGOOD
    | PTRACE_O_TRACEFORK
    | PTRACE_O_TRACEVFORK
    | PTRACE_O_TRACECLONE
    | PTRACE_O_TRACEEXEC
    | PTRACE_O_TRACESECCOMP
    | PTRACE_O_EXITKILL
)
_STOPPED = 0x7F
_SECCOMP_STOP = PTRACE_EVENT_SECCOMP << 16 | signal.SIGTRAP << 8 | _STOPPED
_EXIT_STOP = (signal.SIGTRAP | 0x80) << 8 | _STOPPED
_FORKS = frozenset((PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE))


class Loop:
    """Follows all tracees until none is left. ``tracees`` is shared with the handlers."""

    def __init__(
        self,
        execs: Execs,
        endings: Endings,
        paths: PathCalls,
        streams: StreamCalls,
        processes: ProcessCalls,
        tracees: dict[int, Tracee],
        near: Near,
        source: EventSource,
        log: TraceLog | None = None,
    ) -> None:
        self.execs = execs
        self.works = paths.tree.works
        self.endings = endings
        self.tracees = tracees
        self.processes = processes
        self.near = near
        self.log = log
        self.source = source
        self.handlers = dispatch(paths, streams, processes, execs)
        self.looks = Looks(paths, self.handlers)
        self.held = Held(execs, self._fault)
        #: wait statuses that were taken elsewhere
        self.postponed: list[Stop] = []
        self.root = 0
        self.root_status: int | None = None
        self.broken = False
        #: seconds to wait for what goes on when the command has ended, and what to do then
        self.patience: float | None = None
        self.let_go: Callable[[], None] = lambda: None
        self.alone = False
        #: the process that wakes the loop when they are over, 0 before
        self.waker = 0
        #: the shell that started us is to see that job control has stopped the command
        self.job_stopped: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGSTOP)

    # -- running ---------------------------------------------------------------------------------------

    def seize(self, pid: int) -> None:
        """Begin to trace the child that is about to become the command. Raises PtraceError."""
        ptrace(PTRACE_SEIZE, pid, 0, OPTIONS)
        self.root = pid
        tracee = Tracee(pid, Process(pid, None), self.execs.outside)
        self.tracees[pid] = tracee
        self.source.seized(pid)
        self.near.start()

    def run(self) -> int:
        """Serve stops until every tracee has ended; returns the root's status (-signal for a death by signal)."""
        following, postponed, paths, helpers = self.source.next, self.postponed, self.execs.paths, self.held.helpers
        while self.tracees or helpers:
            try:
                pid, status, usage, detail, looks = postponed.pop() if postponed else following()
            except ChildProcessError:
                break
            if paths.made:
                paths.settle(pid)
            if looks is not None:
                self._looked(looks)
                if not pid:
                    continue
            try:
                if status == _SECCOMP_STOP:
                    self._entry(pid, detail)
                elif status & 0xFF == _STOPPED:
                    self._stop(pid, status, detail)
                else:
                    self._end(pid, status, usage)
                    if self.patience is not None and self.root_status is not None and self.tracees and not self.alone:
                        self._outlived()
            except PtraceError:
                pass  # the tracee was killed in between; its end comes next
            except ProcessLookupError:
                pass
        return self.root_status if self.root_status is not None else 1

    @staticmethod
    def _resume(pid: int, request: int = PTRACE_CONT, number: int = 0) -> None:
        resume(pid, request, number)

    # -- calls -----------------------------------------------------------------------------------------

    def _looked(self, groups: list[Group]) -> None:
        """Tracees have looked at paths, and the source has let them."""
        for tid, looks, folder in groups:
            t = self.tracees.get(tid)
            if t is None or self.broken:
                continue
            t.was_in(folder)
            try:
                self.looks.count(t, looks)
            except Unreadable as error:
                self.processes.taint(t, "unreadable", detail=str(error))
            except (FileNotFoundError, ProcessLookupError):
                self.processes.taint(t, "unreadable", detail="it ended too soon")
            except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
                self._fault(t, error)

    def _entry(self, pid: int, call: Detail) -> None:
        """A traced call is about to be made."""
        t = self.tracees.get(pid)
        if t is None or self.broken:
            return self._resume(pid)
        native, number, args = call if isinstance(call, tuple) else arch.entry(pid)
        handler = self.handlers.get(number)
        skipped: object = None
        self.works.author = t.process.author
        try:
            if handler is None or not native:
                self._unknown(t, number, native)
            else:
                skipped = handler(t, args)
        except Unreadable as error:
            self.processes.taint(t, "unreadable", detail=str(error))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it was killed meanwhile: nothing of it in /proc
        except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
            self._fault(t, error)
        if skipped is True:
            return self.held.leave(t)
        if isinstance(skipped, Gather):
            return self.held.hold(t, skipped)
        if self.log is not None and self.log.calls:
            self.log.entry(t, number, args)
            return self._resume(pid, PTRACE_SYSCALL)
        return self._resume(pid, PTRACE_SYSCALL if t.at_exit is not None else PTRACE_CONT)

    def _unknown(self, t: Tracee, number: int, native: bool) -> None:
        if native and not number & arch.FOREIGN_BIT:
            self.processes.taint(t, "unknown-syscall", detail=number)
        else:
            self.processes.taint(t, "foreign-architecture", detail=number)

    def _fault(self, t: Tracee, error: Exception) -> None:
        """A fault of ours: what it concerns is not recorded, and the command goes on."""
        from procache.tracer.faults import report

        report(error)
        if t.ex is self.execs.outside:
            self.broken = True
        else:
            self.processes.taint(t, "internal", detail=f"{type(error).__name__}: {error}")

    # -- other stops -----------------------------------------------------------------------------------

    def _stop(self, pid: int, status: int, detail: Detail) -> None:
        t = self.tracees.get(pid)
        event, number = status >> 16, status >> 8 & 0xFF
        if t is None:
            if event == PTRACE_EVENT_STOP:
                self._orphaned(pid)
            elif event != PTRACE_EVENT_EXEC:
                self._resume(pid, number=0 if event else number)
            return
        if status == _EXIT_STOP:
            self._returned(t, detail)
        elif event in _FORKS:
            self._forked(t, event, message_of(pid, detail))
        elif event == PTRACE_EVENT_EXEC:
            self._execed(t, message_of(pid, detail))
        elif event == PTRACE_EVENT_STOP:
            self._stopped(t, number)
        elif event:
            self._resume(pid)
        else:
            self._resume(pid, number=number)  # a signal on its way to the tracee, passed on unchanged

    def _returned(self, t: Tracee, result: Detail) -> None:
        """A call has returned whose result was asked for."""
        then, t.at_exit = t.at_exit, None
        if then is not None or self.log is not None:
            if not isinstance(result, int):
                arch.fetch(t.tid)
                result = arch.result()
            if self.log is not None and self.log.calls:
                self.log.exit(t, result)
            self.works.author = t.process.author
            try:
                if then is not None:
                    then(t, result)
            except Unreadable as error:
                self.processes.taint(t, "unreadable", detail=str(error))
            except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
                self._fault(t, error)
        self._resume(t.tid)

    def _forked(self, t: Tracee, event: int, child: int) -> None:
        """A child or thread was made; its own first stop may have come already."""
        if event == PTRACE_EVENT_CLONE and os.path.exists(f"/proc/{t.process.tgid}/task/{child}"):
            process = t.process
            process.threads.add(child)
            self.near.release(process)
        else:
            author = t.process.author
            if author.open or author.new:
                self.works.forks(author, time.time_ns, lambda: writable_files(t.process.tgid))
            process = Process(child, t.process)
            t.ex.live += 1
        tracee = self.tracees[child] = Tracee(child, process, t.ex)
        self.near.joined(tracee)
        if self.source.adopt(child):
            self._resume(child)
        self._resume(t.tid, PTRACE_SYSCALL if t.at_exit is not None else PTRACE_CONT)

    def _orphaned(self, pid: int) -> None:
        """A process whose parent was killed before it could tell of it: what goes on may be concerned, all of it."""
        going = [t for t in self.tracees.values() if t.ex is not self.execs.outside]
        for t in going:
            self.processes.taint(t, "unreadable", detail="a fork")
        whole = going[0].ex.chain()[-1] if going else self.execs.outside
        whole.live += 1
        self.tracees[pid] = Tracee(pid, Process(pid, None), whole)
        if self.source.adopt(pid):
            self._resume(pid)

    def _execed(self, t: Tracee, former: int) -> None:
        """An exec succeeded; by a thread that was not the leader (``former``), it now has the leader's id."""
        process = t.process
        if former != t.tid and former in self.tracees:
            t.exec = self.tracees[former].exec
        for tid in process.threads - {t.tid}:
            self.tracees.pop(tid, None)
            self.source.forget(tid)
        process.threads = {t.tid}
        process.shares_fs = False
        t.at_exit = None
        if t.exec is None:
            self._unannounced(t)
        elif not self.broken:
            try:
                self.execs.started(t)
            except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
                self._fault(t, error)
        self._resume(t.tid)

    def _unannounced(self, t: Tracee) -> None:
        """An exec whose entry could not be read: what runs now is not known."""
        t.process.close()
        if t.ex is not self.execs.outside:
            self.processes.taint(t, "unreadable", detail="an exec")

    def _stopped(self, t: Tracee, number: int) -> None:
        """PTRACE_EVENT_STOP: the first stop of a child, or a group-stop by job control, which may come first."""
        if number in GROUP_STOPS:
            ptrace(LISTEN, t.tid, 0, 0)
            if t.tid == self.root and number != signal.SIGSTOP:
                self.job_stopped()
            return
        self._resume(t.tid)

    # -- ends ------------------------------------------------------------------------------------------

    def _end(self, pid: int, status: int, usage: Usage | None) -> None:
        if self.held.ended(pid, status):
            return None
        t = self.tracees.pop(pid, None)
        if t is None:
            if pid == self.waker:
                self.let_go()
            return None
        self.held.abandon(t)
        process = t.process
        process.threads.discard(pid)
        code = -(status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
        if pid == self.root:
            self.root_status = code
            self._take_along(-code)
        if process.threads:
            return None
        process.close()
        process.author.end(time.time_ns())
        if self.log is not None:
            self.log.ended(t, code)
        if t.ex is not self.execs.outside:
            self._release(t, code, usage)
        return None

    def _outlived(self) -> None:
        """The command has ended and others have not: for how long are they followed?"""
        if not self.patience:
            self.let_go()
        elif not self.waker:
            from procache.tracer.aside import waker

            self.waker = waker(self.patience)

    def _take_along(self, number: int) -> None:
        """The command died of a signal that was sent to procache: what it leaves behind gets it too."""
        if number in signals.passed:
            for t in self.tracees.values():
                if t.tid == t.process.tgid:
                    try:
                        os.kill(t.tid, number)
                    except ProcessLookupError:
                        pass

    def _release(self, t: Tracee, code: int, usage: Usage | None) -> None:
        try:
            self.endings.exited(t.process.tgid, t.ex, code, usage or (0.0, 0.0, 0))
        except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
            self._fault(t, error)


def message_of(pid: int, detail: Detail) -> int:
    """The message of a fork or exec event: the new, or the former, thread id. Raises PtraceError."""
    return detail if isinstance(detail, int) else ptrace_geteventmsg(pid) & 0xFFFFFFFF
