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
        return (wanted.st_dev, wanted.st_ino) in open_files(tid)
    except OSError:
        return False


def open_files(pid: int) -> set[tuple[int, int]]:
    """(device, inode) of all files that a process has open. Raises OSError where it may not be asked, or is gone."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            st = os.stat(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue  # another thread has closed it by now
        found.add((st.st_dev, st.st_ino))
    return found


def writable_files(pid: int) -> set[tuple[int, int]] | None:
    """As ``open_files``; None where that does not tell what the process may change, or cannot be asked."""
    try:
        return None if _maps_shared(pid) else open_files(pid)
    except OSError:
        return None


def _maps_shared(pid: int) -> bool:
    """True when a process can write to files by its memory, which it can when they are closed, too. Raises OSError."""
    with open(f"/proc/{pid}/maps", "rb", buffering=0) as file:
        lines = file.readall().splitlines()
    # address perms offset dev inode path; what has no file is of inode 0 (proc_pid_maps(5))
    return any(b" rw-s " in line and line.split(None, 5)[4] != b"0" for line in lines)
