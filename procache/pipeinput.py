"""The pipe on stdin of the whole command, told by its content.

A pipe can be read once. So where a record says what it read of its pipe, the content is first looked at in
place (tee(2) copies and does not consume); only where there is more than a pipe holds, and it begins as
recorded, is it taken out and compared. If it then is something else, the command gets what was taken, and
then the rest, through a pipe of ours. A producer that waits for the command (a coprocess) is not waited
for in turn: after ``PATIENCE`` without a byte the command runs.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import time

from procache import digests
from procache.errors import ProcacheError

#: Seconds without a byte after which a pipe is no longer waited for.
PATIENCE = 1.0
#: No more than this is taken from a pipe to find a record.
MOST = 1 << 28
CHUNK = 1 << 16


#: The beginning of the input, told apart before anything is taken.
HEAD = 4096


class PipeInput:
    """What was taken from descriptor 0 so far. ``ended`` when the end of it was seen."""

    __slots__ = ("taken", "ended", "impatient", "feeder", "unread")

    def __init__(self) -> None:
        self.taken = bytearray()
        self.ended = False
        self.impatient = False
        self.feeder = 0
        #: bytes of a fitting input that are still in the pipe
        self.unread = 0

    def matches(self, size: int, digest: bytes, ended: bool, head: bytes) -> bool:
        """True when the pipe begins with ``size`` bytes of ``digest`` (and ``head``), and ends there if ``ended``."""
        if size > MOST:
            return False
        if not self.taken and not self.ended:
            begins = self._wait_for(min(size, capacity(0)), ended and size < capacity(0))
            if begins is None or digests.of_bytes(begins[:HEAD]) != head:
                return False
            if size <= len(begins):
                fits = digests.of_bytes(begins[:size]) == digest and (not ended or _ends_after(size))
                self.unread = size if fits else 0
                return fits
        if not self._take(size) or digests.of_bytes(bytes(self.taken[:size])) != digest:
            return False
        return not ended or (not self._take(size + 1) and self.ended and len(self.taken) == size)

    def _wait_for(self, size: int, end: bool) -> bytes | None:
        """The first ``size`` bytes, not taken, when they are there (and the end too); None if they do not come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            queued, closed = waiting(0)
            if queued >= size and (closed or not end):
                return peek(0, size) if size else b""
            if closed or time.monotonic() > deadline or self.impatient:
                self.impatient = not closed
                return None
            time.sleep(0.001)

    def consume(self) -> None:
        """Take what the recorded command read out of the pipe, as it would have."""
        while self.unread > 0 and (data := os.read(0, self.unread)):
            self.unread -= len(data)

    def _take(self, size: int) -> bool:
        """Have at least ``size`` bytes; False where the pipe ends before, or nothing comes."""
        while len(self.taken) < size and not self.ended and not self.impatient:
            if not select.select([0], [], [], PATIENCE)[0]:
                self.impatient = True
                break
            data = os.read(0, min(CHUNK, size - len(self.taken)))
            self.ended = not data
            self.taken += data
        return len(self.taken) >= size

    def give_back(self) -> None:
        """Put what was taken in front of what is still in the pipe, for the command to read. Raises ProcacheError."""
        if not self.taken and not self.ended:
            return
        try:
            reader, writer = os.pipe()
            self.feeder = os.fork()
        except OSError as error:
            raise ProcacheError(f"cannot give the command its input back: {error.strerror}; it was not run") from error
        if not self.feeder:
            try:
                os.close(reader)
                self._feed(writer)
            finally:
                os._exit(0)
        os.close(writer)
        os.dup2(reader, 0)
        os.close(reader)
        self.taken, self.ended = bytearray(), False

    def _feed(self, writer: int) -> None:
        data = bytes(self.taken)
        while True:
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(writer, view) :]
            except BrokenPipeError:
                return
            data = b"" if self.ended else os.read(0, CHUNK)
            if not data:
                return

    def stop(self) -> None:
        """The command has ended: what it did not read stays unread."""
        if self.feeder:
            try:
                os.kill(self.feeder, 9)  # SIGKILL; the signal module is not on the path of a warm hit
            except ProcessLookupError:
                pass  # it had given everything


def waiting(fd: int) -> tuple[int, bool]:
    """(bytes in the pipe, whether nobody can write to it any more)."""
    queued = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, queued)
    poll = select.poll()
    poll.register(fd, 0)
    closed = any(event & select.POLLHUP for _, event in poll.poll(0))
    return queued[0], closed


def _ends_after(size: int) -> bool:
    queued, closed = waiting(0)
    return closed and queued == size


def capacity(fd: int) -> int:
    """How many bytes the pipe holds at most."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def peek(fd: int, size: int) -> bytes | None:
    """The first ``size`` bytes of a pipe, which stay there (tee(2)); None where they are not there."""
    from procache.world.openfiles import tee

    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, capacity(fd))
        if tee(fd, writer, size) != size:
            return None
        data = os.read(reader, size)
        while len(data) < size:  # a pipe in packet mode (O_DIRECT) gives one packet at a time
            data += os.read(reader, size - len(data))
        return data
    finally:
        os.close(reader)
        os.close(writer)
