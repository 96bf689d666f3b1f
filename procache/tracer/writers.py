"""Whether anybody is still at work who could write to a pipe, as /proc tells.

Who is held at its exec until its stdin is complete must not wait for a process that in turn waits for it: a
coprocess, or the parent of a vfork. So where nothing comes, those that have the write end open are looked at, and
whom they wait for themselves (proc_pid_stat(5), proc_pid_syscall(5)).
"""

from __future__ import annotations

import os

from procache.tracer import arch

#: Somebody works; nobody knows; everybody waits for the reader itself.
AT_WORK, UNKNOWN, STUCK = 2, 1, 0
_EXECS = frozenset(arch.NUMBERS[name] for name in ("execve", "execveat"))
_READS = frozenset(arch.NUMBERS[name] for name in ("read", "readv"))
#: Calls that return when a child has ended, or (vfork) has gone on to another program.
_FOR_CHILDREN = frozenset(arch.NUMBERS[name] for name in ("wait4", "waitid", "vfork", "clone", "clone3"))


class Writers:
    """The processes and their pipes at this moment, as ``reader`` (a process id) has to see them."""

    __slots__ = ("reader", "writing", "reading", "children", "seen")

    def __init__(self, reader: int) -> None:
        self.reader = reader
        #: name of a pipe (``pipe:[…]``) -> processes that have an end of it open
        self.writing: dict[bytes, set[int]] = {}
        self.reading: dict[bytes, set[int]] = {}
        self.children: dict[int, list[int]] = {}
        self.seen: set[int] = set()
        own = os.getpid()
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != own:
                self._process(int(name))

    def _process(self, pid: int) -> None:
        try:
            self.children.setdefault(int(_stat(pid, pid)[1]), []).append(pid)
            folder = b"/proc/%d/fd/" % pid
            for fd in os.listdir(folder):
                link = os.readlink(folder + fd)
                if link.startswith(b"pipe:"):
                    mode = os.lstat(folder + fd).st_mode
                    for bit, ends in ((0o200, self.writing), (0o400, self.reading)):
                        if mode & bit:
                            ends.setdefault(link, set()).add(pid)
        except OSError:
            pass  # it has ended, or is not ours to look at

    def others_reading(self, pipe: bytes) -> list[bool]:
        """For each process besides the reader that has the read end open: whether it waits for something.

        A shell that has just forked lets go of it before it waits.
        """
        found = []
        for pid in self.reading.get(pipe, set()) - {self.reader}:
            try:
                state = _stat(pid, pid)[0]
            except OSError:
                continue  # it has ended
            found.append(state == b"S" or (state == b"D" and _call(pid, pid)[0] in _FOR_CHILDREN))
        return found

    def of(self, pipe: bytes) -> int:
        """AT_WORK, UNKNOWN or STUCK: what those that could write to a pipe are doing."""
        self.seen.clear()
        return self._of(pipe) if self.writing.get(pipe) else UNKNOWN

    def _of(self, pipe: bytes) -> int:
        pids = self.writing.get(pipe)
        if not pids:
            return AT_WORK  # who reads it will see its end
        return max(map(self._doing, pids))

    def _doing(self, pid: int) -> int:
        if pid == self.reader or pid in self.seen:
            return STUCK
        self.seen.add(pid)
        try:
            return max(self._thread(pid, int(tid)) for tid in os.listdir(f"/proc/{pid}/task"))
        except (OSError, ValueError):
            return UNKNOWN

    def _thread(self, pid: int, tid: int) -> int:
        state = _stat(pid, tid)[0]
        if state in b"ZX":
            return STUCK
        call, argument = (-1, 0) if state == b"R" else _call(pid, tid)
        if state == b"t" and call in _EXECS:
            return self._reading(pid, 0, AT_WORK)  # it may be held for its own stdin
        if call in _FOR_CHILDREN:
            return max(map(self._doing, self.children.get(pid, ())), default=UNKNOWN)
        if state in b"RDt":
            return AT_WORK
        return self._reading(pid, argument, UNKNOWN) if call in _READS else UNKNOWN

    def _reading(self, pid: int, fd: int, otherwise: int) -> int:
        link = os.readlink(b"/proc/%d/fd/%d" % (pid, fd))
        return self._of(link) if link.startswith(b"pipe:") else otherwise


def _stat(pid: int, tid: int) -> list[bytes]:
    """State letter, parent … (proc_pid_stat(5) from the third field on). Raises OSError."""
    with open(f"/proc/{pid}/task/{tid}/stat", "rb", buffering=0) as file:
        return file.read(512).rpartition(b")")[2].split()


def _call(pid: int, tid: int) -> tuple[int, int]:
    """(number, first argument) of the system call in which a thread waits; (-1, 0) where it may not be seen."""
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall", "rb", buffering=0) as file:
            words = file.read(256).split()
        return (int(words[0]), int(words[1], 16)) if len(words) > 1 else (-1, 0)
    except (OSError, ValueError):
        return -1, 0
