"""The content of the pipe that a program is about to get as its stdin, while it is held at its exec.

A helper process does the waiting (``pipewatch``), so that the loop goes on to serve the writers, which are tracees
too. As long as it has room, nothing is taken out of the pipe: a program that must run after all finds all of it in
place. What is too much for a pipe goes to a file. From there it is written back when the pipe has ended; where the
program has to go on earlier, it gets a pipe of ours, that gives what was taken and then what still comes.
"""

from __future__ import annotations

import os
import struct

from ptrace.ctypes_libc import libc

from procache import digests
from procache.pipeinput import peek, waiting
from procache.replay.apply import ReplayFailed
from procache.tracer import inject
from procache.tracer.fds import share
from procache.tracer.pipewatch import CHUNK, FITS, FULL, GAVE_UP, MOST_WANTED, PipeWatch, drop, feed
from procache.tracer.watch import signal_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procache.model.policy import Policy
    from procache.tracer.pipewatch import Wanted
    from procache.tracer.tracee import Tracee
    from procache.tracer.watch import Watcher

#: Seconds that a pipe is waited for at most, besides four times what the recorded run took.
LEAST_LIMIT = 10.0
O_CLOEXEC = 0o2000000
PR_SET_PDEATHSIG, SIGKILL = 1, 9


class Gather:
    """See the module. ``wanted``: the inputs that would fit; ``limit``: seconds after which none is waited for."""

    __slots__ = (
        "pid",
        "pipe",
        "source",
        "spool",
        "wanted",
        "limit",
        "patience",
        "helper",
        "fits",
        "outcome",
        "taken",
        "reserved",
    )

    def __init__(self, t: Tracee, wanted: list[Wanted], limit: float, policy: Policy, folder: bytes) -> None:
        self.pid = t.process.tgid
        self.pipe = t.descriptor(0)
        self.wanted = [one for one in wanted if one[0] <= policy.pipe_most][:MOST_WANTED]
        self.limit = limit
        self.patience = policy.pipe_patience
        self.helper = 0
        #: the input of ``wanted`` that the pipe holds, when that is known
        self.fits: Wanted | None = None
        self.outcome = GAVE_UP
        #: what the pipe held is in the spool, and in the pipe no more
        self.taken = False
        #: both ends of an empty pipe in the tracee, that its exec will close: for the case that it is needed
        self.reserved = (-1, -1)
        self.source = share(self.pid, 0)
        self.spool = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)

    # -- finding out -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Find out what the pipe holds: at once where it is complete, else ``helper`` is at work on it."""
        watch = self._watch()
        if waiting(self.source)[1]:
            return self._learn(watch.look())
        return self._help(watch.look)

    def go_on(self, t: Tracee, watcher: Watcher) -> bool:
        """After FULL: let a helper take what is too much for a pipe; False where that cannot be made good again."""
        address = inject.scratch(t)
        kept = t.read(address, 8)
        if inject.call(t, watcher, "pipe2", address, O_CLOEXEC) != 0:
            return False
        self.reserved = struct.unpack("<ii", t.read(address, 8))
        t.write(address, kept)
        self.taken = True
        self._help(lambda: self._watch().take(self.spool))
        return True

    def _watch(self) -> PipeWatch:
        return PipeWatch(self.source, self.pipe, self.pid, self.wanted, self.limit, self.patience)

    def _help(self, work: Callable[[], int]) -> None:
        self.helper = os.fork()
        if not self.helper:
            result = GAVE_UP
            try:
                libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
                result = work()
            finally:
                os._exit(result)
        self._let_go()

    def done(self, status: int) -> None:
        """The helper has ended with this wait status. Raises OSError where the program has ended too."""
        self.helper = 0
        self.source = share(self.pid, 0)
        self._learn(GAVE_UP if status & 0x7F else status >> 8)

    def _learn(self, outcome: int) -> None:
        self.outcome = outcome
        if outcome >= FITS:
            self.fits = self.wanted[outcome - FITS]

    def _let_go(self) -> None:
        """Close the pipe: who is forked meanwhile must not be a reader for whom its writers go on."""
        if self.source >= 0:
            os.close(self.source)
            self.source = -1

    def close(self) -> None:
        """Let go of everything; a helper that is still at work is ended."""
        if self.helper:
            os.kill(self.helper, SIGKILL)
        self._let_go()
        os.close(self.spool)

    # -- the answer ------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether there may be more than the pipe can hold."""
        return self.outcome == FULL

    @property
    def unknown(self) -> bool:
        """Whether the program has to run without its input being known."""
        return self.outcome in (GAVE_UP, FULL)

    def holds(self, size: int, digest: bytes) -> bool:
        """True when the pipe holds (or held) these bytes, and then ends."""
        return self.fits is not None and self.fits[:2] == (size, digest)

    def take(self) -> None:
        """Take the fitting input out of the pipe, as the program would. Raises ReplayFailed."""
        if self.taken or self.fits is None:  # None: it has turned out to be empty
            return
        size, digest, _ = self.fits
        data = peek(self.source, size) if size else b""
        if waiting(self.source) != (size, True) or data is None or digests.of_bytes(data) != digest:
            raise ReplayFailed("the input has changed")
        self.taken = True
        data = drop(self.source, size)
        os.pwrite(self.spool, data, 0)
        if len(data) < size:
            raise ReplayFailed("somebody else reads the input")

    def pieces(self) -> Iterator[bytes]:
        """What was taken."""
        offset = 0
        while data := os.pread(self.spool, CHUNK, offset):
            offset += len(data)
            yield data

    # -- and back --------------------------------------------------------------------------------------

    def give_back(self, t: Tracee, watcher: Watcher) -> bool:
        """The program has to run after all; False where it does so with a pipe of ours as its stdin."""
        if not self.taken:
            return True
        if self.outcome != GAVE_UP:  # it is complete
            self._feed(os.open(f"/proc/self/fd/{self.source}", os.O_WRONLY | os.O_CLOEXEC), live=False)
            return True
        try:
            writer = share(self.pid, self.reserved[1])
        except OSError:
            writer = -1
        if writer >= 0 and inject.call(t, watcher, "dup2", self.reserved[0], 0) == 0:
            self._feed(writer, live=True)
            for fd in self.reserved:  # for the case that the exec fails
                inject.call(t, watcher, "close", fd)
        else:
            signal_thread(self.pid, t.tid, SIGKILL)  # it is gone; else it must not run on a part of its input
        return False

    def _feed(self, writer: int, *, live: bool) -> None:
        if not os.fork():
            try:
                if not live:
                    self._let_go()
                feed(self.spool, self.source, writer)
            finally:
                os._exit(0)
        os.close(writer)


def may_gather(t: Tracee) -> bool:
    """True when descriptor 0 is a pipe without a name, of which this thread alone decides."""
    return t.descriptor(0).startswith(b"pipe:") and len(t.process.threads) == 1
