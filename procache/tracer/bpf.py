"""The seccomp-BPF filter: which calls stop the tracee, tested as far as arguments can tell.

A filter sees the call's number, the architecture word and the six arguments (struct seccomp_data,
<linux/seccomp.h>), not memory. The kernel remembers per number when a filter allows a call whatever
its arguments (since 5.11), so calls that are not in the table cost nothing.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import struct

from procache.tracer import arch, table
from procache.tracer.table import AT_FDCWD

ALLOW = 0x7FFF0000
TRACE = 0x7FF00000
REFUSE = 0x00050000 | errno.ENOSYS

# <linux/bpf_common.h>: load word, jump, jump if equal / greater / greater-or-equal / any bit set, return, and
_LOAD, _JUMP, _EQ, _GT, _GE, _SET, _RETURN, _AND = 0x20, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06, 0x54
_NUMBER, _ARCH, _ARGS = 0, 4, 16

Code = list[tuple[int, int, int, int]]
AT_EMPTY_PATH = 0x1000
#: The offset of a jump is one byte, and the kernel takes no more than 4096 instructions (BPF_MAXINSNS).
MOST_RANGES = 16
_CLONE_NEW = 0x7E020000 | 0x00000080  # CLONE_NEWNS … CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWTIME
_CLONE_UNTRACED, _CLONE_FS, _CLONE_THREAD = 0x00800000, 0x200, 0x10000
_UNSHARE_HARMLESS = 0x200 | 0x400 | 0x40000  # CLONE_FS, CLONE_FILES, CLONE_SYSVSEM
_MAP_ANONYMOUS = 0x20
#: fcntl commands: F_DUPFD, F_DUPFD_CLOEXEC; F_SETLEASE, F_NOTIFY.
_DUP_COMMANDS, _WATCH_COMMANDS = (0, 1030), (1024, 1026)
#: ioctls that change a file: FICLONE, FICLONERANGE, FIDEDUPERANGE, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR.
_IOCTLS = (0x40049409, 0x4020940D, 0xC0189436, 0x40086602, 0x401C5820)
#: Calls that matter where their first argument is a watched descriptor.
FIRST_WATCHED = (
    *("read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "preadv", "pwritev", "preadv2", "pwritev2"),
    *("recvfrom", "recvmsg", "recvmmsg", "dup", "vmsplice"),
)
#: Calls that a watched descriptor adds to.
WATCHING = frozenset((*FIRST_WATCHED, "dup2", "dup3", "fcntl", "mmap", "sendto"))


def _low(index: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, _ARGS + 8 * index)


def _high(index: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, _ARGS + 8 * index + 4)


def _end(action: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, action)


def equals_any(values: tuple[int, ...], yes: int) -> Code:
    """Return ``yes`` where the loaded word is one of ``values``, else go on."""
    code: Code = [(_EQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*code, (_JUMP, 0, 0, 1), _end(yes)]


def ranges(fds: tuple[int, ...]) -> list[tuple[int, int]]:
    """(first, last) of each run of neighbouring numbers."""
    found: list[tuple[int, int]] = []
    for fd in sorted(set(fds)):
        if found and found[-1][1] == fd - 1:
            found[-1] = (found[-1][0], fd)
        else:
            found.append((fd, fd))
    return found


def _watched(index: int, fds: tuple[int, ...]) -> Code:
    """Trace where the descriptor in argument ``index`` is one of ``fds``; otherwise go on.

    Many that are not neighbours are tested as one range: some calls stop for nothing.
    """
    found = ranges(fds)
    if len(found) > MOST_RANGES:
        found = [(found[0][0], found[-1][1])]
    code: Code = [_low(index)]
    for first, last in found:
        code += [(_GE, 0, 2, first), (_GT, 1, 0, last), _end(TRACE)]
    return code


def _unless_watched(index: int, fds: tuple[int, ...]) -> Code:
    """Allow where the descriptor in argument ``index`` is one of ``fds``: what it becomes is watched already."""
    found = ranges(fds)
    if len(found) > MOST_RANGES:
        return []
    code: Code = [_low(index)]
    for first, last in found:
        code += [(_GE, 0, 2, first), (_GT, 1, 0, last), _end(ALLOW)]
    return code


def argument_tests(fds: tuple[int, ...]) -> dict[str, Code]:
    """For each call whose arguments say whether it matters: code that ends by ALLOW or TRACE."""
    watched: dict[str, Code] = {name: [*_watched(0, fds), _end(ALLOW)] for name in FIRST_WATCHED}
    # a descriptor and AT_EMPTY_PATH: fstat by another name. The working folder is no descriptor: there, a path follows
    empty_path = [(_SET, 0, 3, AT_EMPTY_PATH), _low(0), (_EQ, 1, 0, AT_FDCWD & 0xFFFFFFFF), _end(ALLOW), _end(TRACE)]
    dup2: Code = [*_unless_watched(1, fds), *_watched(0, fds), _end(ALLOW)]
    fcntl: Code = [
        _low(1),
        *equals_any(_WATCH_COMMANDS, TRACE),
        *_not_any(_DUP_COMMANDS),
        *_watched(0, fds),
        _end(ALLOW),
    ]
    return watched | {
        "newfstatat": [_low(3), *empty_path],
        "statx": [_low(2), *empty_path],
        "dup2": dup2,
        "dup3": dup2,
        "fcntl": fcntl,
        "mmap": [_low(3), (_SET, 0, 1, _MAP_ANONYMOUS), _end(ALLOW), *_watched(4, fds), _end(ALLOW)],
        "ioctl": [_low(1), *equals_any(_IOCTLS, TRACE), _end(ALLOW)],
        "socket": [_low(0), (_EQ, 0, 1, 1), _end(ALLOW), _end(TRACE)],
        "sendto": [*_watched(0, fds), *_nonzero(4)],
        "clone": [
            _low(0),
            (_SET, 0, 1, _CLONE_UNTRACED | _CLONE_NEW),
            _end(TRACE),
            (_AND, 0, 0, _CLONE_FS | _CLONE_THREAD),
            (_EQ, 0, 1, _CLONE_FS),
            _end(TRACE),
            _end(ALLOW),
        ],
        "unshare": [_low(0), (_SET, 0, 1, 0xFFFFFFFF ^ _UNSHARE_HARMLESS), _end(TRACE), _end(ALLOW)],
        "prctl": [_low(0), *equals_any((22,), TRACE), _end(ALLOW)],
        "seccomp": [_low(0), *equals_any((0, 1), TRACE), _end(ALLOW)],
        "prlimit64": _nonzero(2),
        "personality": [_low(0), (_EQ, 0, 1, 0xFFFFFFFF), _end(ALLOW), _end(TRACE)],
        "shmget": _nonzero(0),
        "semget": _nonzero(0),
        "msgget": _nonzero(0),
    }


def _nonzero(index: int) -> Code:
    """Trace where argument ``index`` is not 0."""
    return [_low(index), (_EQ, 1, 0, 0), _end(TRACE), _high(index), (_EQ, 1, 0, 0), _end(TRACE), _end(ALLOW)]


def _not_any(values: tuple[int, ...]) -> Code:
    """Allow where the loaded word is none of ``values``, else go on."""
    code: Code = [(_EQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*code, _end(ALLOW)]


#: CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID; clocks of other processes and threads are negative.
_CPU_CLOCKS = (2, 3)
_GRND_NONBLOCK = 1
#: The random bytes that malloc of glibc (2.36 and later) takes once: as many as a key has, and without waiting.
_MALLOC_KEY = 8
#: What of the calls of ``table.STRICT`` is let through.
STRICT_TESTS: dict[str, Code] = {
    "clock_gettime": [_low(0), *equals_any(_CPU_CLOCKS, ALLOW), (_GE, 0, 1, 1 << 31), _end(ALLOW), _end(TRACE)],
    "getrandom": [
        _low(2),
        (_EQ, 1, 0, _GRND_NONBLOCK),
        _end(TRACE),
        _low(1),
        (_EQ, 1, 0, _MALLOC_KEY),
        _end(TRACE),
        _end(ALLOW),
    ],
}


def program(fds: tuple[int, ...], *, strict: bool = False) -> Code:
    """The filter for a tracee whose inherited descriptors ``fds`` are watched. ``strict``: see ``table.STRICT``."""
    tests = argument_tests(fds) | STRICT_TESTS
    code: Code = [(_LOAD, 0, 0, _ARCH), (_EQ, 1, 0, arch.AUDIT_ARCH), _end(TRACE), (_LOAD, 0, 0, _NUMBER)]
    code += [(_GE, 0, 1, arch.FOREIGN_BIT), _end(TRACE)]
    plain: list[int] = []
    for row in table.ROWS.values():
        if row.kind == table.HARMLESS and not (strict and row.name in table.STRICT):
            continue
        test = [_end(REFUSE)] if row.kind == table.REFUSED else tests.get(row.name)
        if test is None:
            plain.append(row.nr)
            continue
        code += [(_EQ, 0, len(test), row.nr), *test]
    for nr in plain:
        code += [(_EQ, 0, 1, nr), _end(TRACE)]
    return code + unknown() + [_end(ALLOW)]


def unknown() -> Code:
    """Trace every number that the table does not have."""
    code: Code = []
    known = sorted(table.ROWS)
    for before, after in itertools.pairwise(known):
        if after - before > 1:
            code += [(_GT, 0, 2, before), (_GE, 1, 0, after), _end(TRACE)]
    return [*code, (_GT, 0, 1, known[-1]), _end(TRACE)]


def watch_program(fd: int) -> Code:
    """A filter to be added where one more descriptor is watched; it only ever adds stops."""
    code: Code = [(_LOAD, 0, 0, _ARCH), (_EQ, 1, 0, arch.AUDIT_ARCH), _end(ALLOW), (_LOAD, 0, 0, _NUMBER)]
    for name, test in argument_tests((fd,)).items():
        if name in WATCHING:
            code += [(_EQ, 0, len(test), arch.NUMBERS[name]), *test]
    return [*code, _end(ALLOW)]


def encode(code: Code) -> bytes:
    """The instructions as the kernel reads them (struct sock_filter)."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(code: bytes, libc: ctypes.CDLL) -> None:
    """Install a filter in this process (seccomp(2), SECCOMP_SET_MODE_FILTER). Raises OSError.

    Without CAP_SYS_ADMIN the kernel wants no_new_privs first; it is set only then, since set-user-id
    programs notice it.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = _Program(len(code) // 8, ctypes.addressof(buffer))
    for attempt in range(2):
        if libc.syscall(arch.NUMBERS["seccomp"], 1, 0, ctypes.byref(filter_program)) == 0:
            return
        if attempt or ctypes.get_errno() not in (errno.EACCES, errno.EPERM):
            raise OSError(ctypes.get_errno(), "seccomp")
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
