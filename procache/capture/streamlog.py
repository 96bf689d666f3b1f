"""The bytes that an execution wrote to descriptors it inherited, in order, in memory or on disk."""

from __future__ import annotations

import os

from procache import digests

#: Stream output beyond this many bytes is kept on disk.
IN_MEMORY = 1 << 22
#: Stream output up to this many bytes is stored in the record itself.
INLINE = 1 << 13


class StreamLog:
    """Pieces of (descriptor, bytes). ``spool_folder`` is where a large output is kept meanwhile."""

    __slots__ = ("pieces", "segments", "held", "spool", "spool_folder")

    def __init__(self, spool_folder: bytes) -> None:
        self.pieces: list[bytes] = []
        self.segments: list[list[int]] = []
        self.held = 0
        self.spool = -1
        self.spool_folder = spool_folder

    def add(self, fd: int, data: bytes) -> None:
        """Append what was written to descriptor ``fd``. Raises OSError when the disk is full."""
        if self.segments and self.segments[-1][0] == fd:
            self.segments[-1][1] += len(data)
        else:
            self.segments.append([fd, len(data)])
        self.pieces.append(data)
        self.held += len(data)
        if self.held > IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        if self.spool < 0:
            self.spool = os.open(self.spool_folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        view = memoryview(b"".join(self.pieces))
        while view:
            view = view[os.write(self.spool, view) :]
        self.pieces.clear()
        self.held = 0

    def take(self) -> tuple[list[tuple[int, int]], bytes | None, bytes, int]:
        """(segments, data or None, digest, spool descriptor or -1): small output whole, large on disk."""
        segments = [(fd, size) for fd, size in self.segments]
        if self.spool < 0:
            data = b"".join(self.pieces)
            return segments, data, digests.of_bytes(data) if len(data) > INLINE else b"", -1
        self._spill()
        return segments, None, digests.of_descriptor(self.spool), self.spool

    def close(self) -> None:
        """Let go of the file on disk."""
        if self.spool >= 0:
            os.close(self.spool)
            self.spool = -1
