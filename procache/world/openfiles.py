"""Questions about open files that Python has no call for; ctypes is loaded only where they are asked."""

from __future__ import annotations

import ctypes
import os

#: kcmp(2) has no wrapper in the C library: its number, by machine.
_KCMP = {"x86_64": 312, "aarch64": 272}
_KCMP_FILE = 0
_libc = ctypes.CDLL(None, use_errno=True)


def kcmp(one: int, fd: int, other: int, other_fd: int) -> bool:
    """True when descriptors of two processes share one open file, or the kernel cannot tell (no CONFIG_KCMP)."""
    number = _KCMP.get(os.uname().machine)
    return number is None or bool(_libc.syscall(number, one, other, _KCMP_FILE, fd, other_fd) <= 0)


def tee(source: int, target: int, size: int) -> int:
    """Copy what is in one pipe to another and leave it there (tee(2)), without waiting; the bytes copied, or -1."""
    return int(_libc.tee(source, target, ctypes.c_size_t(size), 2))  # SPLICE_F_NONBLOCK
