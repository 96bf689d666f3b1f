"""Questions about the tracees that live, for others than the loop."""

from __future__ import annotations

import os

from procache.tracer.signals import ANYBODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.source import EventSource
    from procache.tracer.tracee import Tracee


class Alive:
    """Answers them of the loop's tracees and its source, in any thread: both are only read, at once."""

    __slots__ = ("tracees", "source")

    def __init__(self, tracees: dict[int, Tracee], source: EventSource) -> None:
        self.tracees = tracees
        self.source = source

    def processes(self) -> list[int]:
        """The ids of all processes that are followed."""
        return sorted({t.process.tgid for t in list(self.tracees.values())})

    def got(self, pid: int, number: int, sender: int, since: float) -> bool:
        """True when a signal from a sender (or ``signals.ANYBODY``) has got to a process since then (s, monotonic)."""
        for tid, origin, what, when in self.source.signals():
            t = self.tracees.get(tid)
            sent = origin == sender or (sender == ANYBODY and origin != os.getpid())
            if sent and what == number and when > since and (t.process.tgid if t else tid) == pid:
                return True
        return False

    def holds_open(self, ex: object, path: bytes) -> bool:
        """True when a process of an execution has the file at ``path`` open at this moment."""
        try:
            wanted = os.stat(path, follow_symlinks=False)
        except OSError:
            return False
        for t in list(self.tracees.values()):
            if t.ex is ex and t.tid == t.process.tgid and _has_open(t.tid, wanted):
                return True
        return False


def _has_open(tid: int, wanted: os.stat_result) -> bool:
    try:
        for name in os.listdir(f"/proc/{tid}/fd"):
            st = os.stat(f"/proc/{tid}/fd/{name}")
            if (st.st_dev, st.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    except OSError:
        pass
    return False
