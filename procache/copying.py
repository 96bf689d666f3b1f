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


def has_holes(st: os.stat_result) -> bool:
    """True for a file that takes less room than its size."""
    return st.st_blocks * 512 < st.st_size


def copy(source: int, target: int) -> bool:
    """Copy an open file to an open empty one; True where they share all extents now. Raises OSError."""
    if share(source, target):
        return True
    st = os.fstat(source)
    for start, end in _filled(source, st.st_size) if has_holes(st) else ((0, st.st_size),):
        _copy_part(source, target, start, end)
    os.ftruncate(target, st.st_size)
    return False


def share(source: int, target: int) -> bool:
    """Give ``target`` the extents of ``source`` to share (ioctl_ficlone(2)); False where that cannot be."""
    try:
        ioctl(target, FICLONE, source)
    except OSError:
        return False
    return True


def pour(source: int, target: int) -> None:
    """Give an open file that others may know the content of another. Raises OSError.

    It is not emptied first, so that what the two begin with is there at every moment (a program that appends); room
    for what it grows by is taken first, so that a full file system leaves it as it was.
    """
    if has_holes(os.fstat(source)):
        os.ftruncate(target, 0)
    else:
        make_room(source, target)
    if copy(source, target):
        os.ftruncate(target, os.fstat(source).st_size)


def make_room(source: int, target: int) -> bool:
    """Make an open file as long as a longer one without holes, zeros behind what it holds; True where it was not.

    Raises OSError, with the file as it was.
    """
    st, size = os.fstat(source), os.fstat(target).st_size
    if st.st_size <= size or has_holes(st):
        return False
    try:
        os.posix_fallocate(target, size, st.st_size - size)
    except OSError as error:
        os.ftruncate(target, size)
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        return False
    return True


def _copy_part(source: int, target: int, start: int, end: int) -> None:
    try:
        while start < end and (count := os.copy_file_range(source, target, end - start, start, start)):
            start += count
    except OSError:  # two file systems, or one that cannot: by hand
        while start < end and (chunk := os.pread(source, min(end - start, 1 << 20), start)):
            start += os.pwrite(target, chunk, start)


def _filled(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes, as (start, end)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end
