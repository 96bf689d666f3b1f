"""The cache folder: records by command key, blobs by digest, the hash memo, journals of runs.

Only this package knows paths inside the folder.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

#: How files of the store are opened: no link is followed and no FIFO waited for, since whoever else may write to a
#: shared store can have put either there. Of a regular file, these flags change nothing.
CAREFUL = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def opened(path: bytes) -> BinaryIO:
    """A regular file of the store, open for reading. Raises OSError, also where there is something else."""
    return open(path, "rb", opener=_opener)


def _opener(path: str, flags: int) -> int:
    fd = os.open(path, flags | CAREFUL)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no regular file", path)
