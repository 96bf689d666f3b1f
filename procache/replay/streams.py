"""Writing recorded stream output to descriptors, as the program would have."""

from __future__ import annotations

import array
import fcntl
import os
import stat
import termios

from procache.replay.apply import ReplayFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.record import Record
    from procache.store.layout import Layout

CHUNK = 1 << 16
PAGE = 4096


def check(record: Record, layout: Layout) -> int:
    """Open the blob of a large stream output (-1 where it is in the record). Raises ReplayFailed."""
    if record.data is not None:
        return -1
    from procache.store import blobs  # most outputs are in their record

    try:
        return blobs.open_plain(layout, record.data_digest, sum(size for _, size in record.segments))
    except blobs.BlobError as error:
        raise ReplayFailed(f"stream output: {error}") from error
    except OSError as error:
        raise ReplayFailed(f"stream output: {error.strerror}") from error


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
    """Write everything, waiting for room where the descriptor itself does not. Raises OSError (EPIPE: no reader)."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            _wait_for_room(fd)


def complain(error: OSError) -> None:
    """Say that recorded output could not be written, as its program would have."""
    try:
        os.write(2, f"procache: the output cannot be written: {error.strerror}\n".encode())
    except OSError:
        pass  # it was stderr


def _wait_for_room(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def never_blocks(fd: int, size: int, writes: int) -> bool:
    """True when ``size`` bytes in so many writes to ``fd`` cannot wait: a file, /dev/null, an empty pipe with room.

    A pipe has room for some pages, and each write may leave one partly filled (pipe(7)); half of them are enough
    for us, since somebody else may write there too.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return True
    if stat.S_ISCHR(mode):
        return os.fstat(fd).st_rdev == os.makedev(1, 3)
    if not stat.S_ISFIFO(mode) or size // PAGE + writes > fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) // PAGE // 2:
        return False
    queued = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, queued)
    return queued[0] == 0
