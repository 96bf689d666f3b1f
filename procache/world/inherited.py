"""The state that a program inherits besides arguments, environment and folder, read from /proc.

Sources: proc_pid_status(5), credentials(7), signal(7), execve(2) on what survives an exec.
"""

from __future__ import annotations

import os

#: Lines of /proc/PID/status that are inherited by a program and may change what it does.
FIELDS = (
    b"Umask",
    b"Uid",
    b"Gid",
    b"Groups",
    b"SigBlk",
    b"SigIgn",
    b"CapInh",
    b"CapPrm",
    b"CapEff",
    b"CapBnd",
    b"CapAmb",
    b"Cpus_allowed",
)
#: What stands before each of them in the file.
NEEDLES = tuple(b"\n" + name + b":\t" for name in FIELDS)
#: Signals that CPython ignores in itself and that its children get back (SIGPIPE, SIGXFSZ).
PYTHON_IGNORES = (1 << 12) | (1 << 24)

#: Signals that do nothing unless they are caught: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
QUIET_SIGNALS = (1 << 16) | (1 << 17) | (1 << 22) | (1 << 27)

#: Those, and signals that only stop a process: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
HARMLESS_SIGNALS = QUIET_SIGNALS | 0b1111 << 18

Values = tuple[bytes, ...]


def read_status(pid: int | str) -> bytes:
    """The text of /proc/PID/status. Raises OSError when the process is gone."""
    fd = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


def status_fields(text: bytes) -> Values:
    """The values of ``FIELDS`` in a status text, in that order."""
    values = []
    at = 0
    for needle in NEEDLES:
        found = text.find(needle, at)
        if found < 0:  # the order of lines is the kernel's business
            found = text.find(needle)
        if found < 0:
            values.append(b"")
            continue
        start = found + len(needle)
        at = text.find(b"\n", start)
        values.append(text[start:at])
    return tuple(values)


def own_status_fields() -> Values:
    """``status_fields`` of this process, as a child that it starts will have them."""
    values = list(status_fields(read_status("self")))
    at = FIELDS.index(b"SigIgn")
    values[at] = b"%016x" % (int(values[at], 16) & ~PYTHON_IGNORES)
    return tuple(values)


def pending_signals(pid: int, *, nothing: int = QUIET_SIGNALS) -> int:
    """The signals, as a mask, that wait for a process which neither blocks nor ignores them, but for ``nothing``.

    Raises OSError when the process is gone.
    """
    values = {}
    for line in read_status(pid).splitlines():
        name, _, value = line.partition(b":")
        if name in (b"SigPnd", b"ShdPnd", b"SigBlk", b"SigIgn"):
            values[name] = int(value, 16)
    waiting = values[b"SigPnd"] | values[b"ShdPnd"]
    return waiting & ~(values[b"SigBlk"] | values[b"SigIgn"] | nothing)


def attributes(pid: int | str) -> bytes:
    """What changes rarely, as items joined by ``;``: resource limits, niceness, scheduling, personality."""
    number = 0 if pid == "self" else int(pid)
    with open(f"/proc/{pid}/limits", "rb", buffering=0) as file:
        lines = file.read(8192).splitlines()[1:]
    items = [line[4:26].strip() + b" " + b"/".join(line[26:].split()[:2]) for line in lines]
    try:
        with open(f"/proc/{pid}/personality", "rb", buffering=0) as file:
            items.append(b"personality " + file.read(64).strip())
    except OSError:
        pass  # a kernel without it, or a process that may not be looked at
    items.append(b"niceness %d" % os.getpriority(os.PRIO_PROCESS, number))
    items.append(b"scheduling %d" % os.sched_getscheduler(number))
    return b";".join(items)
