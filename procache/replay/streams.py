"""Writing recorded stream output to descriptors, as the program would have."""

from __future__ import annotations

import array
import fcntl
import os
import stat
import termios

from procache import digests
from procache.replay.apply import ReplayFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.record import Record
    from procache.store.layout import Layout

CHUNK = 1 << 16


def check(record: Record, layout: Layout) -> int:
    """Open the blob of a large stream output (-1 where it is in the record). Raises ReplayFailed."""
    if record.data is not None:
        return -1
    try:
        fd = os.open(layout.blob(record.data_digest), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ReplayFailed(f"stream output: {error.strerror}") from error
    if digests.of_descriptor(fd) != record.data_digest:
        os.close(fd)
        layout.set_aside(layout.blob(record.data_digest))
        raise ReplayFailed("a stored stream output is damaged")
    return fd


def pieces(record: Record, blob: int) -> Iterator[tuple[int, bytes]]:
    """(descriptor, bytes) in the order in which they were written."""
    return cut(record.segments, record.data, blob)


def cut(segments: list[tuple[int, int]], data: bytes | None, blob: int) -> Iterator[tuple[int, bytes]]:
    """The same of output that is in ``data``, or in the open file ``blob`` where that is None."""
    offset = 0
    for fd, size in segments:
        end = offset + size
        if data is not None:
            yield fd, data[offset:end]
            offset = end
        while offset < end:
            chunk = os.pread(blob, min(CHUNK, end - offset), offset)
            if not chunk:
                return
            yield fd, chunk
            offset += len(chunk)


def write_all(fd: int, data: bytes) -> None:
    """Write everything. Raises OSError (EPIPE where the reader is gone)."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def never_blocks(fd: int, size: int) -> bool:
    """True when a write of ``size`` bytes to ``fd`` cannot wait: a file, /dev/null, or an empty pipe with room."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return True
    if stat.S_ISCHR(mode):
        return os.fstat(fd).st_rdev == os.makedev(1, 3)
    return stat.S_ISFIFO(mode) and size <= 4096 and queued(fd) == 0


def has_room(fd: int, size: int) -> bool:
    """False when ``size`` bytes may have to wait for the reader of a pipe or socket."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return False
    # A write that does not fill its last page leaves the rest of it unused: only half of the room is counted on.
    return not stat.S_ISFIFO(mode) or 2 * (queued(fd) + size) <= fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def queued(fd: int) -> int:
    """How many bytes in a pipe are not read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]
