"""Tracees that stay in the stop of their exec until a process of ours has done its work.

One writes the output of a skipped program, which could block (``Delivery``): then the tracee exits. Another finds
out what the pipe on a program's stdin holds (``Gather``): then the exec is decided again.
"""

from __future__ import annotations

import os
import signal

from ptrace.binding.func import PTRACE_CONT

from procache.model.reasons import reason
from procache.tracer import arch
from procache.tracer.delivery import INTERRUPTED
from procache.tracer.gather import Gather
from procache.tracer.skip import OUTPUT_LOST
from procache.tracer.source import resume
from procache.world import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.tracer.execs import Execs
    from procache.tracer.tracee import Tracee


class Held:
    """Skipped tracees, and those whose stdin is waited for. ``fault`` is told of what fails in deciding again."""

    __slots__ = ("execs", "fault", "helpers", "gathers")

    def __init__(self, execs: Execs, fault: Callable[[Tracee, Exception], None]) -> None:
        self.execs = execs
        self.fault = fault
        #: processes of ours that write output for a skipped tracee, and its exit status
        self.helpers: dict[int, tuple[Tracee, int]] = {}
        #: processes of ours that wait for the stdin of a tracee
        self.gathers: dict[int, tuple[Tracee, Gather]] = {}

    def leave(self, t: Tracee) -> None:
        """The tracee was skipped: make it exit, at once or when its output is written."""
        skip = self.execs.decision.skip
        if skip.helper:
            self.helpers[skip.helper] = (t, skip.status)
            if len(t.process.threads) == 1:  # else the exec would wait for the other threads' ends, and those for us
                self.execs.watcher.through_exec(t)  # whoever reads the output may wait for the exec first
        else:
            exit_now(t, skip.status)

    def hold(self, t: Tracee, gather: Gather) -> None:
        """The tracee stays in its stop until it is known what its stdin is."""
        self.gathers[gather.helper] = (t, gather)

    def ended(self, pid: int, status: int) -> bool:
        """A process has ended with this wait status; False where it is none of ours that somebody waits for."""
        if pid in self.helpers:
            self._written(*self.helpers.pop(pid), status)
        elif pid in self.gathers:
            self._gathered(self.gathers.pop(pid)[0], status)
        else:
            return False
        return True

    def _written(self, t: Tracee, status: int, ended: int) -> None:
        """The output of a skipped program is written, or could not be (``Delivery``)."""
        if ended >> 8 == signal.SIGPIPE:
            status = -signal.SIGPIPE
        elif ended >> 8 == INTERRUPTED:
            return self._interrupted(t)
        elif ended:
            status = status or 1
            self.execs.tree.taint(t.ex, OUTPUT_LOST)
        exit_now(t, status)

    def _interrupted(self, t: Tracee) -> None:
        """A signal waits for a skipped program, which ends by it with a part of its output, as it would natively."""
        try:
            waits = inherited.pending_signals(t.process.tgid, nothing=inherited.HARMLESS_SIGNALS)
        except OSError:
            return  # it is gone, and its end comes next
        number = (waits & -waits).bit_length() or signal.SIGKILL
        self.execs.tree.taint(t.ex, reason("signal", detail=number))
        exit_now(t, -number)

    def _gathered(self, t: Tracee, status: int) -> None:
        """It is known what the stdin of a held tracee is, or that it is not to be waited for."""
        skipped: bool | Gather = False
        try:
            skipped = self.execs.gathered(t, status)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it was killed meanwhile
        except Exception as error:  # noqa: BLE001 - a fault of ours never costs the command
            self.fault(t, error)
        if isinstance(skipped, Gather):
            return self.hold(t, skipped)
        return self.leave(t) if skipped else resume(t.tid, PTRACE_CONT, 0)

    def abandon(self, t: Tracee) -> None:
        """A tracee has ended: nobody waits for its stdin any more, and no more of its output is written."""
        for helper, (skipped, _) in [*self.helpers.items()]:
            if skipped is t:
                del self.helpers[helper]
                os.kill(helper, signal.SIGKILL)
                self.execs.tree.taint(t.ex, OUTPUT_LOST)
        for helper, (held, gather) in [*self.gathers.items()]:
            if held is t:
                del self.gathers[helper]
                gather.close()


def exit_now(t: Tracee, status: int) -> None:
    """Make a tracee in the stop of a call exit with a status, or die of the signal ``-status``."""
    arch.fetch(t.tid)
    if status < 0 and ignores(t.tid, -status):
        status = 1  # its write would have failed instead, and it would have said so
    if status < 0:
        arch.become("tgkill", t.process.tgid, t.tid, -status)
    else:
        arch.become("exit_group", status)
    arch.store(t.tid)
    resume(t.tid, PTRACE_CONT, 0)


def ignores(tid: int, number: int) -> bool:
    """True when a thread ignores or blocks a signal."""
    fields = dict(zip(inherited.FIELDS, inherited.status_fields(inherited.read_status(tid)), strict=True))
    return bool((int(fields[b"SigIgn"], 16) | int(fields[b"SigBlk"], 16)) >> (number - 1) & 1)
