"""The trace log (--log-file): calls with their arguments and results, and decisions, through structlog.

Only loaded when it is asked for: structlog costs more to import than a warm hit takes.
"""

from __future__ import annotations

import os
import time

import structlog
from ptrace.syscall.prototypes import FILENAME_ARGUMENTS, SYSCALL_PROTOTYPES

from procache.errors import UsageError
from procache.model.execution import HIT
from procache.model.reasons import printable, sentence
from procache.model.redaction import shown
from procache.tracer import arch
from procache.tracer.tracee import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.command import Command
    from procache.model.execution import Execution
    from procache.tracer.tracee import Tracee

Args = tuple[int, ...]


class TraceLog:
    """Writes one line an event. ``calls``: also system calls, all of them or the successful ones."""

    __slots__ = ("calls", "successes", "logger", "entered")

    def __init__(self, path: str, level: str) -> None:
        self.calls = level in ("calls", "successes")
        self.successes = level == "successes"
        self.entered: dict[int, tuple[int, Args, list[str]]] = {}
        try:
            file = open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - kept for the run
        except OSError as error:
            raise UsageError(f"cannot write the log file {path}: {error.strerror}") from error
        os.set_inheritable(file.fileno(), False)
        self.logger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[_stamp, structlog.processors.KeyValueRenderer(key_order=["time", "event"])],
        )

    def entry(self, t: Tracee, number: int, args: Args) -> None:
        """A call is about to be made: decode it while its arguments are as they were passed."""
        self.entered[t.tid] = (number, args, decoded(t, number, args))

    def exit(self, t: Tracee, result: int) -> None:
        """The call has returned."""
        number, _, words = self.entered.pop(t.tid, (-1, (), []))
        if number < 0 or (self.successes and result < 0):
            return
        outcome = os.strerror(-result) if -4096 < result < 0 else str(result)
        self.logger.info(
            "call",
            tid=t.tid,
            execution=t.ex.number,
            call=f"{arch.NAMES.get(number, number)}({', '.join(words)})",
            result=outcome,
        )

    def ran(self, ex: Execution) -> None:
        """An execution has ended: its outcome, and the reasons."""
        why = [sentence(item) for item in (ex.taints or ex.misses)]
        self._decided(ex.outcome, ex.number, ex.command, ex.status, reasons=why)

    def skipped(self, number: int, command: Command, status: int) -> None:
        """A record was put in place of an execution."""
        self._decided(HIT, number, command, status)

    def _decided(self, outcome: str, number: int, command: Command, status: int, **more: object) -> None:
        argv = [printable(word) for word in shown(command.argv)]
        self.logger.info(outcome, execution=number, argv=argv, status=status, **more)

    def ended(self, t: Tracee, code: int) -> None:
        """A process has ended."""
        if self.calls:
            self.logger.info("exit", tid=t.tid, execution=t.ex.number, status=code)


def _stamp(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    event["time"] = f"{time.time():.6f}"
    return event


def decoded(t: Tracee, number: int, args: Args) -> list[str]:
    """The arguments in words, by the prototypes of python-ptrace: paths read, descriptors signed, the rest in hex."""
    name = arch.NAMES.get(number, "")
    _, prototype = SYSCALL_PROTOTYPES.get(name, ("long", ()))
    words = []
    for value, (kind, argument) in zip(args, prototype, strict=False):
        if argument in FILENAME_ARGUMENTS and kind.startswith("const char"):
            words.append(repr(printable(t.string(value))))
        elif kind in ("int", "unsigned int"):
            words.append(str(signed(value)))
        else:
            words.append(hex(value))
    return words
