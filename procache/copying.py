"""Copies of file content: extents are shared where the file system can, and holes stay holes (lseek(2))."""

from __future__ import annotations

import errno
import os
from fcntl import ioctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


#: linux/fs.h: _IOW(0x94, 9, int)
FICLONE = 0x40049409
#: linux/falloc.h: FALLOC_FL_PUNCH_HOLE, with FALLOC_FL_KEEP_SIZE as it must be
PUNCH_HOLE = 0x02 | 0x01


def has_holes(st: os.stat_result) -> bool:
    """True for a file that takes less room than its size."""
    return st.st_blocks * 512 < st.st_size


def copy(source: int, target: int) -> bool:
    """Copy an open file to an open empty one; True where they share all extents now. Raises OSError."""
    if share(source, target):
        return True
    for start, end in _parts(source):
        _copy_part(source, target, start, end)
    os.ftruncate(target, os.fstat(source).st_size)
    return False


def share(source: int, target: int) -> bool:
    """Give ``target`` the extents of ``source`` to share (ioctl_ficlone(2)); False where that cannot be."""
    try:
        ioctl(target, FICLONE, source)
    except OSError:
        return False
    return True


def fill(source: int, target: int) -> None:
    """Write what an open file holds over another, of which nothing else is freed (``cut``). Raises OSError.

    What the two begin with is there at every moment (a program that appends).
    """
    if not share(source, target):
        for start, end in _parts(source):
            _copy_part(source, target, start, end)


def cut(source: int, target: int) -> None:
    """Make a file that was filled as long as ``source``, with holes where that has some. Raises OSError."""
    size, begin = os.fstat(source).st_size, 0
    os.ftruncate(target, size)
    for start, end in (*_parts(source), (size, size)):
        for hole in _filled(target, start, begin):
            _free(target, *hole)
        begin = end


def make_room(source: int, target: int) -> None:
    """Take the room that ``fill`` will need; the target may be longer then. Raises OSError, with its size as it was."""
    size = os.fstat(target).st_size
    try:
        for start, end in _parts(source):
            take_room(target, start, end)
    except OSError:
        os.ftruncate(target, size)
        raise


def take_room(target: int, start: int, end: int) -> None:
    """Take room for a part of a file, where the file system can do that (posix_fallocate(3)). Raises OSError."""
    st = os.fstat(target)
    start = start if has_holes(st) else max(start, st.st_size)
    if start >= end:
        return
    try:
        os.posix_fallocate(target, start, end - start)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _free(target: int, start: int, end: int) -> None:
    """Make a part of a file a hole, or zeros where there can be no hole. Raises OSError."""
    import ctypes  # few files have holes

    arguments = ctypes.c_int(target), ctypes.c_int(PUNCH_HOLE), ctypes.c_long(start), ctypes.c_long(end - start)
    if ctypes.CDLL(None).fallocate(*arguments):
        while start < end:
            start += os.pwrite(target, bytes(min(end - start, 1 << 20)), start)


def _copy_part(source: int, target: int, start: int, end: int) -> None:
    try:
        while start < end and (count := os.copy_file_range(source, target, end - start, start, start)):
            start += count
    except OSError:  # two file systems, or one that cannot: by hand
        while start < end and (chunk := os.pread(source, min(end - start, 1 << 20), start)):
            start += os.pwrite(target, chunk, start)


def _parts(fd: int) -> tuple[tuple[int, int], ...]:
    """The parts of a file that are no holes, as (start, end)."""
    st = os.fstat(fd)
    return tuple(_filled(fd, st.st_size)) if has_holes(st) else ((0, st.st_size),)


def _filled(fd: int, size: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    """The parts between two offsets that are no holes."""
    end = begin
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        if start >= size:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end
