"""The books of one traced run: how many executions there were, what came of each, and its journal."""

from __future__ import annotations

import time

from procache.events import execution_event
from procache.model.execution import HIT, MISS, UNCACHEABLE
from procache.store import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.command import Command
    from procache.model.execution import Execution
    from procache.model.record import Record
    from procache.store.writer import Writer
    from procache.tracer.tracelog import TraceLog


class Books:
    """Numbers the executions below the root from 1 on, and hands the writer an event for each that is over."""

    __slots__ = ("writer", "log", "last", "counts", "saved", "began", "recorded")

    def __init__(self, writer: Writer, log: TraceLog | None = None) -> None:
        self.writer = writer
        self.log = log
        #: the number that was given last
        self.last = 0
        self.counts = {HIT: 0, MISS: 0, UNCACHEABLE: 0}
        #: seconds that hits have saved
        self.saved = 0.0
        #: when this run began, and the keys of what was recorded since: natively each of these would run again
        self.began = time.time()
        self.recorded: set[bytes] = set()

    def next_number(self) -> int:
        """The number of a further execution."""
        self.last += 1
        return self.last

    def skipped(self, parent: Execution, command: Command, record: Record, started: float) -> None:
        """A child of ``parent`` was replayed; ``started``: when its exec was looked at."""
        self.counts[HIT] += 1
        self.saved += record.wall
        parent.nested += record.nested
        parent.child_keys.append(command.key)
        usage = (record.utime, record.stime, record.maxrss)
        number = self.next_number()
        if self.log is not None:
            self.log.skipped(number, command, record.status)
        self.writer.event(
            journal.pack(
                execution_event(
                    number,
                    parent.number,
                    command,
                    HIT,
                    [],
                    started,
                    time.time(),
                    record.status,
                    usage,
                    record.wall,
                    record.nested,
                )
            )
        )

    def ended(self, ex: Execution) -> None:
        """An execution is finished, its outcome known."""
        self.counts[ex.outcome] += 1
        if self.log is not None:
            self.log.ran(ex)
        parent = ex.parent
        if parent is not None:
            parent.nested += ex.nested
            parent.child_keys.append(ex.command.key)
        for why in ex.taints:
            if why["code"] == "store":
                self.writer.lose(str(why["detail"]))
        self.writer.event(
            journal.pack(
                execution_event(
                    ex.number,
                    None if parent is None else parent.number,
                    ex.command,
                    ex.outcome,
                    ex.taints or ex.misses if ex.expected is None else ex.taints + ex.misses,
                    ex.started,
                    ex.ended,
                    ex.status,
                    (ex.utime, ex.stime, ex.maxrss),
                    0.0,
                    1,
                )
            )
        )

    def close(self, status: int) -> None:
        """The run is over, with the status of its command."""
        self.writer.event(journal.pack({"t": "end", "ended": time.time(), "status": status, "counts": self.counts}))
        self.writer.totals(self.counts, self.saved)
