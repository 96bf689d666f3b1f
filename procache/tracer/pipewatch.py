"""What a helper process does that waits for the content of a pipe, while a program is held at its exec.

What comes is compared with what records say they read: first its head, then its size, in the end its digest.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time

from procache import digests
from procache.pipeinput import HEAD, capacity, peek, waiting
from procache.replay.streams import write_all
from procache.tracer.pipereads import PipeLook
from procache.tracer.writers import AT_WORK, STUCK, Writers
from procache.world.inherited import pending_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: (size, digest, digest of the head) of an input that a record has read to its end
    Wanted = tuple[int, bytes, bytes]

#: A pipe is made no larger than this (bytes): the default of /proc/sys/fs/pipe-max-size.
MOST_PIPE = 1 << 20
CHUNK = 1 << 16
#: Seconds between two looks at a pipe to which nothing comes: the first, and the longest.
SOON, LATE = 0.002, 0.25
#: Seconds in which a writer may write more, so that not every small piece is looked at.
A_WHILE = 0.0005
#: Seconds without a byte before the writers are looked at.
QUIET = 0.01
#: Outcomes, as exit statuses: the pipe is complete, or known to be other than any record wants; nothing more is
#: to be known; there may be more than the pipe can hold; and (from here on) the number of the input that it is.
NOTHING, GAVE_UP, FULL, FITS = 0, 1, 2, 16
WAIT = -1
MOST_WANTED = 200


class PipeWatch:
    """Waits for the pipe ``source`` (``pipe:[…]``), the stdin to be of process ``pid``."""

    __slots__ = ("source", "pipe", "pid", "wanted", "quiet", "head", "full_since")

    def __init__(self, source: int, pipe: bytes, pid: int, wanted: list[Wanted], limit: float, patience: float) -> None:
        self.source = source
        self.pipe = pipe
        self.pid = pid
        self.wanted = wanted
        self.quiet = Quiet(pid, pipe, limit, patience)
        self.head = b""
        self.full_since = 0.0

    # -- while all stays in the pipe -------------------------------------------------------------------

    def look(self) -> int:
        """Wait until the pipe is complete or full, or can fit no more, or nobody is at work on it."""
        try:
            return self._look()
        except OSError:  # no room for a copy of the pipe, or the program was killed
            return GAVE_UP

    def _look(self) -> int:
        events = select.epoll()
        events.register(self.source, select.EPOLLIN | select.EPOLLET)
        seen = -1
        while True:
            queued, closed = waiting(self.source)
            if queued < seen or not self._may_fit(queued, closed):
                return NOTHING
            if closed:
                data = peek(self.source, queued) if queued else b""
                return self._which(queued, digests.of_bytes(data or b""))
            if queued > seen:
                self.quiet.over()
            if self.quiet.gives_up():
                return GAVE_UP
            if (result := self._when_full(queued, queued == seen)) != WAIT:
                return result
            seen = queued
            if events.poll(self.quiet.pause()):
                time.sleep(A_WHILE)

    def _may_fit(self, queued: int, closed: bool) -> bool:
        """Whether any wanted input begins like what is there."""
        if len(self.head) < min(queued, HEAD):
            self.head = peek(self.source, min(queued, HEAD)) or b""
        return any(
            (queued == size if closed else queued <= size)
            and (len(self.head) < min(size, HEAD) or digests.of_bytes(self.head[:size]) == head)
            for size, _, head in self.wanted
        )

    def _which(self, size: int, digest: bytes) -> int:
        for number, wanted in enumerate(self.wanted):
            if wanted[:2] == (size, digest):
                return FITS + number
        return NOTHING

    def _when_full(self, queued: int, resting: bool) -> int:
        """WAIT while the pipe has room, or somebody may be about to let go of it."""
        if self._has_room(queued, resting) or self._grow():
            self.full_since = 0.0
            return WAIT
        self.full_since = self.full_since or time.monotonic()
        others = Writers(self.pid).others_reading(self.pipe)
        if not others:
            return FULL if self._can_be_undone() else GAVE_UP
        late = time.monotonic() - self.full_since > self.quiet.patience
        return GAVE_UP if late or any(others) else WAIT

    def _has_room(self, queued: int, resting: bool) -> bool:
        """Whether the pipe is far from full; pages that are not full make it full before its size says so."""
        return queued * 2 < capacity(self.source) and (not resting or not queued or writable(self.source))

    def _grow(self) -> bool:
        """Give the pipe more room, or find that it needs none."""
        size = capacity(self.source)
        if size < MOST_PIPE:
            try:
                fcntl.fcntl(self.source, fcntl.F_SETPIPE_SZ, min(MOST_PIPE, size * 4))
                return True
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EBUSY, errno.ENOMEM):
                    raise
        return writable(self.source)

    def _can_be_undone(self) -> bool:
        """Whether what is taken out of the pipe could be written back."""
        return os.access(f"/proc/self/fd/{self.source}", os.W_OK)

    # -- when it is too much for a pipe ------------------------------------------------------------------

    def take(self, spool: int) -> int:
        """Take everything out of the pipe, until its end or until it can fit no more; what is taken is in ``spool``."""
        try:
            return self._take(spool)
        except OSError:  # no room on the disk, or the program was killed
            return GAVE_UP

    def _take(self, spool: int) -> int:
        most = max(size for size, _, _ in self.wanted)
        events = select.poll()
        events.register(self.source, select.POLLIN)
        look = PipeLook()
        while not look.ended:
            if not events.poll(self.quiet.pause() * 1000):
                if self.quiet.gives_up():
                    return GAVE_UP
                continue
            if waiting(self.source)[0] < CHUNK:
                time.sleep(A_WHILE)
            queued, closed = waiting(self.source)
            data = peek(self.source, queued) if queued else b""
            if data is None:
                raise OSError(errno.EIO, "somebody else reads")
            write_all(spool, data)  # before it is taken: the disk may be full
            drop(self.source, len(data))
            if data or closed:
                look.add(data)
            self.quiet.over()
            if look.size > most or self.quiet.late():
                return GAVE_UP
        return self._which(*look.fact[:2])


class Quiet:
    """How long nothing has come, and whether that is to be waited out."""

    __slots__ = ("pid", "pipe", "end", "patience", "since", "step", "stuck")

    def __init__(self, pid: int, pipe: bytes, limit: float, patience: float) -> None:
        self.pid = pid
        self.pipe = pipe
        self.patience = patience
        self.since = time.monotonic()
        self.end = self.since + limit
        self.step = SOON
        self.stuck = 0

    def over(self) -> None:
        """Something has come."""
        self.since = time.monotonic()
        self.step = SOON
        self.stuck = 0

    def pause(self) -> float:
        """Seconds until the next look, if nothing comes before."""
        self.step = min(self.step * 2, LATE)
        return self.step

    def late(self) -> bool:
        """Whether the program has been held long enough."""
        return time.monotonic() > self.end

    def gives_up(self) -> bool:
        """Whether the program has to run without its input being known."""
        now = time.monotonic()
        if now > self.end or pending_signals(self.pid):
            return True
        if now - self.since < QUIET:
            return False
        doing = Writers(self.pid).of(self.pipe)
        if doing == AT_WORK:
            self.since = now - QUIET
        self.stuck = self.stuck + 1 if doing == STUCK else 0
        if self.stuck:
            self.step = SOON / 2  # to be seen once more, and then it is over
        return self.stuck > 2 or now - self.since > self.patience


def writable(fd: int) -> bool:
    """True when a pipe takes more. A write end is opened for the moment; whose pipe may not be opened has no room."""
    try:
        writer = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(writer, select.POLLOUT)
        return bool(poll.poll(0))
    finally:
        os.close(writer)


def drop(source: int, size: int) -> bytes:
    """Take ``size`` bytes, which are there, out of a pipe; less where somebody else was faster."""
    pieces = []
    while size > 0 and (data := os.read(source, size)):
        pieces.append(data)
        size -= len(data)
    return b"".join(pieces)


def feed(spool: int, source: int, writer: int) -> None:
    """Write to a pipe what is in ``spool`` and then, where ``source`` is not -1, what still comes through that pipe.

    Ends when the reader is gone, though nothing comes: the writers of ``source`` are to notice it.
    """
    try:
        offset = 0
        while data := os.pread(spool, CHUNK, offset):
            offset += len(data)
            write_all(writer, data)
        poll = select.poll()
        poll.register(writer, 0)
        if source >= 0:
            poll.register(source, select.POLLIN)
        while source >= 0 and writer not in dict(poll.poll()) and os.splice(source, writer, MOST_PIPE):
            pass
    except BrokenPipeError:
        pass
