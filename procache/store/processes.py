"""Whether a process of this host is there, and since when."""

from __future__ import annotations

import os
import time

#: Times of files and of processes come from two clocks of the kernel (s).
_SLACK = 2.0
_ENDED = (b"Z", b"X", b"x")


def began(pid: int) -> float | None:
    """When a process began (seconds since 1970; fields 3 and 22 of proc_pid_stat(5)).

    None where there is none, or one that has ended and was not waited for.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        state, ticks = fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
    if state in _ENDED:
        return None
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def lives(pid: int, since: float) -> bool:
    """True when the process that had this id at a time (seconds since 1970) is still there."""
    start = began(pid)
    return start is not None and start <= since + _SLACK
