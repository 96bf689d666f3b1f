"""The recorded output of a program that is skipped, on its way to the program's own descriptors.

Where a write could wait for somebody who reads, who may be a tracee, a helper process does it. It is made before
anything is put in place: where there is no process to be had, the program still can run instead.
"""

from __future__ import annotations

import os

from procache.replay import streams as out
from procache.world import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.record import Record

BROKEN_PIPE = 13
#: How a helper ends that left the rest unwritten, since a signal ends the program.
INTERRUPTED = 2
#: So often (s) a helper looks whether one waits for it.
_LOOKS = 0.05


class Delivery:
    """See the module. ``shared``: our descriptors for those of the tracee; ``blob``: of the output, or -1.

    ``pid``: the process that a signal ends before all is written, or 0. Raises OSError, with nothing begun.
    """

    __slots__ = ("record", "blob", "shared", "pid", "helper", "go")

    def __init__(self, record: Record, blob: int, shared: dict[int, int], pid: int = 0) -> None:
        self.record = record
        self.pid = pid
        self.blob = blob
        self.shared = shared
        self.helper, self.go = 0, -1
        size = sum(size for _, size in record.segments)
        writes = len(record.segments) + size // out.CHUNK
        if not all(out.never_blocks(shared[fd], size, writes) for fd, _ in record.segments):
            self._start_helper()

    def _start_helper(self) -> None:
        reader, self.go = os.pipe()
        try:
            self.helper = os.fork()
        except OSError:
            self.drop()
            raise
        finally:
            if self.helper or self.go < 0:
                os.close(reader)
        if not self.helper:
            status = self.record.status
            try:
                os.close(self.go)
                if os.read(reader, 1):
                    self._heed_signals()
                    status = self._write()
            finally:
                os._exit(BROKEN_PIPE if status == -BROKEN_PIPE else status != self.record.status)

    def _heed_signals(self) -> None:
        """From now on leave the rest when a signal waits for the program that would end it, or when it is gone."""
        import signal

        def look(*_: object) -> None:
            try:
                waits = inherited.pending_signals(self.pid, nothing=inherited.HARMLESS_SIGNALS)
            except OSError:
                waits = 1
            if waits:
                os._exit(INTERRUPTED)

        if self.pid:
            signal.signal(signal.SIGALRM, look)
            signal.setitimer(signal.ITIMER_REAL, _LOOKS, _LOOKS)

    def begin(self) -> tuple[int, int]:
        """Write, or have it written. Returns the status of the program (-13: its reader is gone), and the helper or 0.

        A helper ends with 0, with 13 where the reader is gone, with 1 where the output could not be written, and with
        2 where a signal is to end the program.
        """
        if not self.helper:
            return self._write(), 0
        try:
            os.write(self.go, b"g")
        except OSError as error:  # it was killed; effects are in place, so that the program is not to run over them
            out.complain(error)
            return self.record.status or 1, 0
        finally:
            self.drop()
        return self.record.status, self.helper

    def drop(self) -> None:
        """Let go of the helper, which ends unless it has begun."""
        if self.go >= 0:
            os.close(self.go)
            self.go = -1

    def _write(self) -> int:
        try:
            if self.record.stdin_end is not None:
                os.lseek(self.shared[0], self.record.stdin_end, os.SEEK_SET)
            for fd, data in out.pieces(self.record, self.blob):
                out.write_all(self.shared[fd], data)
        except BrokenPipeError:
            return -BROKEN_PIPE
        except OSError as error:  # the program would have met it too, and said so
            out.complain(error)
            return self.record.status or 1
        return self.record.status
