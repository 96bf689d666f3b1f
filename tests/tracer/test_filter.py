"""The seccomp filter: which calls stop, run in an interpreter and taken by the kernel."""

from __future__ import annotations

import os

import pytest
from ptrace.ctypes_libc import libc

from procache.tracer import arch, bpf, table

from .interpreter import I386, answer, check, data, decode

NAMES = {bpf.ALLOW: "allow", bpf.TRACE: "trace", bpf.REFUSE: "refuse"}
FDS = (0, 1, 2, 7)
CODE = decode(bpf.encode(bpf.program(FDS)))
ALL_ONES = (0xFFFF_FFFF_FFFF_FFFF,) * 6
#: Arguments that often decide: nothing, the standard streams, a descriptor beyond, everything set.
TYPICAL = [(), (1,) * 6, (2,) * 6, (5,) * 6, ALL_ONES]


def ask(
    name: str | int, *args: int, architecture: int = 0xC000003E, code: list[tuple[int, int, int, int]] = CODE
) -> str:
    """What the filter answers to a call."""
    number = arch.NUMBERS[name] if isinstance(name, str) else name
    return NAMES[answer(code, data(number, args, architecture))]


@pytest.mark.parametrize("fds", [(), (0,), (0, 1, 2), (0, 1, 2, 3, 9, 10, 63, 64, 200)])
def test_the_kernel_would_take_it(fds: tuple[int, ...]) -> None:
    check(decode(bpf.encode(bpf.program(fds))))


@pytest.mark.parametrize("count", [100, 200, 400, 1000])
def test_any_number_of_descriptors_can_be_watched(count: int) -> None:
    code = decode(bpf.encode(bpf.program(tuple(range(count)))))
    check(code)
    assert ask("write", count - 1, code=code) == "trace"


@pytest.mark.parametrize("fd", [3, 200, 4000])
def test_the_kernel_would_take_a_further_one(fd: int) -> None:
    check(decode(bpf.encode(bpf.watch_program(fd))))


@pytest.mark.parametrize("code", [bpf.program(FDS), bpf.watch_program(9)], ids=["first", "further"])
def test_the_kernel_takes_it(code: bpf.Code) -> None:
    pid = os.fork()
    if not pid:
        status = 1
        try:
            bpf.install(bpf.encode(code), libc)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["harmless", "refused"])
def test_classes_that_never_stop(kind: str) -> None:
    expected = "allow" if kind == table.HARMLESS else "refuse"
    rows = [row for row in table.ROWS.values() if row.kind == kind]
    assert rows
    for row in rows:
        assert {ask(row.nr, *args) for args in TYPICAL} == {expected}, row.name


def test_all_others_stop_unless_their_arguments_are_tested() -> None:
    tested = bpf.argument_tests(FDS)
    for row in table.ROWS.values():
        if row.kind in (table.HARMLESS, table.REFUSED) or row.name in tested:
            continue
        assert {ask(row.nr, *args) for args in TYPICAL} == {"trace"}, row.name


def test_every_tested_call_stops_for_some_arguments_and_not_for_others() -> None:
    for name in bpf.argument_tests(FDS):
        assert table.ROWS[arch.NUMBERS[name]].kind not in (table.HARMLESS, table.REFUSED), name
        assert {ask(name, *args) for args in [*TYPICAL, *DECIDING.get(name, ())]} == {"allow", "trace"}, name


#: Arguments on which these calls turn.
DECIDING: dict[str, list[tuple[int, ...]]] = {
    "dup2": [(1, 9)],
    "dup3": [(1, 9)],
    "fcntl": [(1, 0), (5, 0)],
    "ioctl": [(5, 0x40049409)],
    "prctl": [(22,)],
    "seccomp": [(0,)],
    "sendto": [(5, 0, 0, 0, 0)],
    "mmap": [(0, 0, 0, 2, 5)],
    "clone": [(0x200,)],
    "unshare": [(0x400,)],
}


def test_unknown_numbers_stop() -> None:
    known = set(table.ROWS)
    unknown = [nr for nr in range(1200) if nr not in known]
    assert unknown
    for nr in [*unknown, 0x3FFF_FFFF, 0x7FFF_FFFF, 0xFFFF_FFFF]:
        assert ask(nr) == "trace", nr


def test_a_hole_in_the_table_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = arch.NUMBERS["getrlimit"]
    monkeypatch.delitem(table.ROWS, hole)
    code = decode(bpf.encode(bpf.program(FDS)))
    assert ask(hole, code=code) == "trace"
    assert ask(hole - 1, code=code) == ask(hole + 1, code=code) == "allow"


@pytest.mark.parametrize("name", ["read", "getpid", "open", "write", "mmap", "io_uring_setup"])
def test_calls_of_another_architecture_stop(name: str) -> None:
    assert ask(name, 5, architecture=I386) == "trace"
    assert ask(arch.NUMBERS[name] | arch.FOREIGN_BIT, 5) == "trace"


# -- arguments -------------------------------------------------------------------------------------

HIGH = 1 << 32
AT_EMPTY_PATH, MAP_ANONYMOUS, PROT_READ = 0x1000, 0x20, 1
CALLS = {
    "a write to a watched descriptor": ("write", (1,), "trace"),
    "a write to one that is watched besides": ("write", (7,), "trace"),
    "a write to another": ("write", (3,), "allow"),
    "a read of stdin": ("read", (0,), "trace"),
    "only 32 bits of a descriptor count": ("read", (HIGH,), "trace"),
    "a copy of stdout": ("dup", (1,), "trace"),
    "a copy of another": ("dup", (3,), "allow"),
    "stdout becomes another": ("dup2", (1, 9), "trace"),
    "stderr becomes stdout, which is watched": ("dup2", (2, 1), "allow"),
    "stdout becomes one that is watched besides": ("dup2", (1, 7), "allow"),
    "another becomes stdout": ("dup2", (9, 1), "allow"),
    "stdout becomes another, with flags": ("dup3", (1, 9), "trace"),
    "F_DUPFD of stdout": ("fcntl", (1, 0), "trace"),
    "F_DUPFD_CLOEXEC of stdout": ("fcntl", (1, 1030), "trace"),
    "F_DUPFD of another": ("fcntl", (3, 0), "allow"),
    "F_GETFL of stdout": ("fcntl", (1, 3), "allow"),
    "F_SETLEASE": ("fcntl", (3, 1024), "trace"),
    "F_NOTIFY": ("fcntl", (3, 1026), "trace"),
    "fstat as newfstatat": ("newfstatat", (3, 1, 2, AT_EMPTY_PATH), "allow"),
    "newfstatat of the working folder": ("newfstatat", (-100, 1, 2, AT_EMPTY_PATH), "trace"),
    "newfstatat": ("newfstatat", (-100, 1, 2, 0), "trace"),
    "newfstatat without following": ("newfstatat", (-100, 1, 2, 0x100), "trace"),
    "statx of the working folder": ("statx", (-100, 1, AT_EMPTY_PATH), "trace"),
    "fstat as statx": ("statx", (3, 1, AT_EMPTY_PATH | 0x100), "allow"),
    "statx": ("statx", (-100, 1, 0), "trace"),
    "anonymous memory": ("mmap", (0, 9, PROT_READ, MAP_ANONYMOUS | 2, -1), "allow"),
    "anonymous memory, whatever the descriptor": ("mmap", (0, 9, PROT_READ, MAP_ANONYMOUS | 2, 1), "allow"),
    "a mapping of stdin": ("mmap", (0, 9, PROT_READ, 2, 0), "trace"),
    "a mapping of another": ("mmap", (0, 9, PROT_READ, 2, 3), "allow"),
    "FICLONE": ("ioctl", (3, 0x40049409), "trace"),
    "FS_IOC_SETFLAGS": ("ioctl", (3, 0x40086602), "trace"),
    "TCGETS": ("ioctl", (1, 0x5401), "allow"),
    "a local socket": ("socket", (1,), "allow"),
    "an Internet socket": ("socket", (2,), "trace"),
    "a packet to an address": ("sendto", (3, 0, 0, 0, 0x1000), "trace"),
    "a packet to an address far up": ("sendto", (3, 0, 0, 0, 5 * HIGH), "trace"),
    "a packet to the other end": ("sendto", (3, 0, 0, 0, 0), "allow"),
    "a packet to stdout": ("sendto", (1, 0, 0, 0, 0), "trace"),
    "a fork": ("clone", (0x1200011,), "allow"),
    "a thread": ("clone", (0x3D0F00,), "allow"),
    "vfork and clone as posix_spawn": ("clone", (0x4111,), "allow"),
    "a child that shares the folder": ("clone", (0x200 | 0x11,), "trace"),
    "an untraced child": ("clone", (0x800000 | 0x11,), "trace"),
    "a new name space": ("clone", (0x20000 | 0x11,), "trace"),
    "a new time name space": ("clone", (0x80,), "trace"),
    "clone3 always": ("clone3", (), "trace"),
    "unshare of descriptors": ("unshare", (0x400,), "allow"),
    "unshare of the folder": ("unshare", (0x200,), "allow"),
    "unshare of mounts": ("unshare", (0x20000,), "trace"),
    "unshare of users and descriptors": ("unshare", (0x10000000 | 0x400,), "trace"),
    "PR_SET_SECCOMP": ("prctl", (22,), "trace"),
    "PR_SET_NAME": ("prctl", (15,), "allow"),
    "a filter": ("seccomp", (1,), "trace"),
    "strict mode": ("seccomp", (0,), "trace"),
    "a question about filters": ("seccomp", (2,), "allow"),
    "a limit asked for": ("prlimit64", (0, 3, 0, 0x1000), "allow"),
    "a limit set": ("prlimit64", (0, 3, 0x1000, 0), "trace"),
    "a limit set from far up": ("prlimit64", (0, 3, 7 * HIGH, 0), "trace"),
    "the personality asked for": ("personality", (0xFFFFFFFF,), "allow"),
    "the personality set": ("personality", (0x40000,), "trace"),
    "private shared memory": ("shmget", (0,), "allow"),
    "shared memory by key": ("shmget", (77,), "trace"),
    "io_uring": ("io_uring_setup", (8, 0x1000), "refuse"),
}


@pytest.mark.parametrize("name", CALLS)
def test_arguments(name: str) -> None:
    call, args, expected = CALLS[name]
    assert ask(call, *args) == expected


def test_a_further_descriptor_only_adds_stops() -> None:
    code = decode(bpf.encode(bpf.watch_program(9)))
    for name in bpf.WATCHING - {"mmap", "fcntl", "sendto"}:
        assert ask(name, 9, code=code) == "trace", name
        assert ask(name, 8, code=code) == "allow", name
    assert ask("mmap", 0, 9, 1, 2, 9, code=code) == "trace"
    assert ask("fcntl", 9, 0, code=code) == "trace"
    for row in table.ROWS.values():
        if row.name not in bpf.WATCHING:
            assert {ask(row.nr, *args, code=code) for args in TYPICAL} == {"allow"}, row.name
