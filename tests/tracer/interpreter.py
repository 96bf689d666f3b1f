"""Runs classic BPF as the kernel runs a seccomp filter (seccomp(2), <linux/bpf_common.h>): enough for our filters."""

from __future__ import annotations

import struct

from procache.tracer import arch

NATIVE = arch.AUDIT_ARCH
I386 = 0x40000003
#: BPF_MAXINSNS, <linux/bpf_common.h>.
MOST = 4096
LOAD, JUMP, RETURN, AND = 0x20, 0x05, 0x06, 0x54
COMPARISONS = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}
Instruction = tuple[int, int, int, int]


def decode(program: bytes) -> list[Instruction]:
    """The instructions of an encoded filter (struct sock_filter)."""
    return [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]


def data(number: int, args: tuple[int, ...] = (), architecture: int = NATIVE, pointer: int = 0x7F00_0000_0000) -> bytes:
    """A struct seccomp_data."""
    full = [value & 0xFFFF_FFFF_FFFF_FFFF for value in (*args, *[0] * (6 - len(args)))]
    return struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, architecture, pointer, *full)


def answer(code: list[Instruction], seccomp_data: bytes) -> int:
    """What the filter returns. Raises AssertionError where the kernel would have refused the filter."""
    accumulator = at = 0
    while True:
        assert at < len(code), "ran off the end"
        operation, yes, no, value = code[at]
        at += 1
        if operation == RETURN:
            return value
        if operation == LOAD:
            assert value % 4 == 0
            assert value < len(seccomp_data)
            accumulator = struct.unpack_from("<I", seccomp_data, value)[0]
        elif operation == JUMP:
            at += value
        elif operation == AND:
            accumulator &= value
        else:
            at += yes if COMPARISONS[operation](accumulator, value) else no


def check(code: list[Instruction]) -> None:
    """Fail where the kernel would refuse the filter: its size, its jumps, its end."""
    assert 0 < len(code) <= MOST
    assert code[-1][0] == RETURN
    for at, (operation, yes, no, value) in enumerate(code):
        assert operation in (LOAD, JUMP, RETURN, AND, *COMPARISONS), hex(operation)
        if operation in COMPARISONS:
            assert at + 1 + max(yes, no) < len(code), at
        elif operation == JUMP:
            assert at + 1 + value < len(code), at
