"""Reading a process: strings and arrays in its memory, its descriptors. The process is this one."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from procache.tracer import arch
from procache.tracer.streamcalls import clipped
from procache.tracer.tracee import PATH_MAX, Tracee, Unreadable, signed

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


class Memory:
    """Some pages of memory, with nothing mapped behind them; they stay to the end of the tests."""

    def __init__(self, pages: int = 3) -> None:
        self.size = pages * mmap.PAGESIZE
        access, kind = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.start: int = libc.mmap(None, self.size + mmap.PAGESIZE, access, kind, -1, 0)
        assert libc.munmap(ctypes.c_void_p(self.start + self.size), ctypes.c_size_t(mmap.PAGESIZE)) == 0

    def put(self, at: int, data: bytes) -> int:
        """Write at an offset; returns the address."""
        assert at + len(data) <= self.size
        ctypes.memmove(self.start + at, data, len(data))
        return self.start + at

    def put_last(self, data: bytes) -> int:
        """Write so that the data end where the memory ends."""
        return self.put(self.size - len(data), data)


def addresses(*values: int) -> bytes:
    """An array of pointers, ended by NULL."""
    return b"".join(value.to_bytes(8, "little") for value in (*values, 0))


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 4095, 4096, 9000])
def test_strings_of_any_length(me: Tracee, length: int) -> None:
    text = bytes(65 + at % 26 for at in range(length))
    assert me.string(Memory().put(100, text + b"\0rest")) == text


def test_a_string_at_the_end_of_the_memory(me: Tracee) -> None:
    assert me.string(Memory().put_last(b"/tmp/x\0")) == b"/tmp/x"


def test_strings_that_cannot_be_read(me: Tracee) -> None:
    memory = Memory()
    assert me.string(0) is None
    assert me.string(memory.start + memory.size) is None, "not mapped"
    assert me.string(memory.put_last(b"no end")) is None
    assert me.string(0xFFFF_FFFF_FFFF_FFF0) is None
    assert me.read(0xFFFF_FFFF_FFFF_FFF0, 8) == b""


def test_a_string_without_an_end_is_not_read_for_ever(me: Tracee) -> None:
    memory = Memory(pages=64)
    memory.put(0, b"x" * memory.size)
    assert 64 * mmap.PAGESIZE > 32 * PATH_MAX
    assert me.string(memory.start) is None


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 300])
def test_arrays_of_strings(me: Tracee, count: int) -> None:
    memory, texts, pointers = Memory(pages=8), [], []
    at = 0
    for number in range(count):
        texts.append(b"N%d=" % number + b"v" * (number % 90))
        pointers.append(memory.put(at, texts[-1] + b"\0"))
        at += len(texts[-1]) + 1
    assert me.strings(memory.put(at + 16, addresses(*pointers))) == tuple(texts)


def test_strings_in_any_order_far_apart_and_across_blocks(me: Tracee) -> None:
    memory, other = Memory(pages=8), Memory()
    wanted = {
        memory.put(20_000, b"third\0"): b"third",
        other.put_last(b"in other memory\0"): b"in other memory",
        memory.put(10, b"x" * 4085 + b"across\0"): b"x" * 4085 + b"across",
        memory.put(6000, b"y" * 9000 + b"\0"): b"y" * 9000,
        memory.put(30_000, b"\0"): b"",
    }
    array = memory.put(31_000, addresses(*wanted, *wanted))
    assert me.strings(array) == (*wanted.values(), *wanted.values())


def test_arrays_that_cannot_be_read(me: Tracee) -> None:
    memory = Memory()
    assert me.strings(0) == ()
    assert me.strings(memory.start + memory.size) == ()
    text = memory.put(0, b"text\0")
    assert me.strings(memory.put_last(addresses(text)[:-8])) == (b"text",), "no NULL before the memory ends"


def test_memory_is_written(me: Tracee) -> None:
    memory = Memory()
    address = memory.put(0, b"before")
    me.write(address, b"after!")
    assert me.string(address) == b"after!"


@pytest.mark.parametrize(
    ("value", "expected"), [(5, 5), (0xFFFFFF9C, -100), (0xFFFF_FFFF_FFFF_FF9C, -100), (1 << 32, 0)]
)
def test_signed(value: int, expected: int) -> None:
    assert signed(value) == expected


# -- folders ---------------------------------------------------------------------------------------


def test_paths_are_made_absolute_over_what_they_start_from(
    me: Tracee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    folder, file = os.open(tmp_path / "folder", os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)
    top = os.fsencode(tmp_path)
    try:
        assert me.absolute(None, b"x/../y") == me.absolute(-100, b"x/../y") == top + b"/x/../y"
        assert me.absolute(folder, b"x") == top + b"/folder/x"
        assert me.absolute(-1, b"/x") == b"/x", "no folder is needed"
        assert me.absolute(None, b"") is None
        assert me.absolute(9999, b"x") is None
        assert me.descriptor(file) == b"/dev/null"
    finally:
        os.close(folder)
        os.close(file)


@pytest.mark.parametrize(("threads", "shares", "kept"), [(1, False, True), (2, False, False), (1, True, False)])
def test_a_folder_that_others_may_change_is_asked_for_each_time(
    me: Tracee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, shares: bool, kept: bool
) -> None:
    me.process.threads = set(range(threads))
    me.process.shares_fs = shares
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert me.cwd() == os.fsencode(tmp_path)
    monkeypatch.chdir(tmp_path / "other")
    assert (me.cwd() == os.fsencode(tmp_path)) == kept


def test_a_folder_that_was_removed_is_none(me: Tracee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(Unreadable, match="no longer exists"):
        me.absolute(None, b"x")
    monkeypatch.chdir(tmp_path)


# -- registers and pieces --------------------------------------------------------------------------


def test_a_call_becomes_another() -> None:
    saved = arch.snapshot()
    try:
        arch.become("exit_group", 255, 2)
        assert (arch.regs.orig_rax, arch.regs.rdi, arch.regs.rsi) == (arch.NUMBERS["exit_group"], 255, 2)
        arch.regs.rax = (1 << 64) - 38
        assert arch.result() == -38
        arch.regs.rax = 17
        assert arch.result() == 17
    finally:
        arch.restore(saved)
    assert arch.snapshot() == saved


PIECES: list[tuple[list[tuple[int, int]], int, list[tuple[int, int]]]] = [
    ([], 5, []),
    ([(10, 3)], 3, [(10, 3)]),
    ([(10, 3)], 2, [(10, 2)]),
    ([(10, 3)], 9, [(10, 3)]),
    ([(10, 3), (20, 4)], 3, [(10, 3)]),
    ([(10, 3), (20, 4)], 5, [(10, 3), (20, 2)]),
    ([(10, 3), (20, 4)], 0, []),
    ([(10, 3), (20, 4)], -1, []),
]


@pytest.mark.parametrize(("places", "count", "expected"), PIECES)
def test_clipped(places: list[tuple[int, int]], count: int, expected: list[tuple[int, int]]) -> None:
    assert [piece for piece in clipped(places, count) if piece[1]] == expected


def test_clipped_takes_empty_pieces_for_nothing() -> None:
    places: list[Any] = [(10, 0), (20, 2), (30, 0), (40, 2)]
    assert sum(size for _, size in clipped(places, 3)) == 3
