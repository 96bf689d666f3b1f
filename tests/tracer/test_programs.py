"""How a file would be run: by its head, as the kernel reads it."""

from __future__ import annotations

import os
import struct
import sys
import time
from pathlib import Path

import pytest

from procache.tracer.programs import FOREIGN, HEAD, NATIVE, OTHER, SCRIPT, Programs, read_kind
from procache.world.states import GRAIN_NS

LINKER = b"/lib64/ld-linux-x86-64.so.2"


def elf(interpreter: bytes | None = LINKER, *, bits: int = 2, machine: int = 62, headers: int = 3) -> bytes:
    """A head of an ELF file with some program headers, the last of which names the interpreter."""
    head = (
        b"\x7fELF"
        + bytes([bits, 1, 1])
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, headers, 0, 0, 0)
    )
    at = 64 + 56 * headers
    text = b"" if interpreter is None else interpreter + b"\0"
    table = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0, 0, 0) * (headers - 1)
    kind = 1 if interpreter is None else 3
    return head + table + struct.pack("<IIQQQQQQ", kind, 4, at, at, at, len(text), len(text), 1) + text


FILES = {
    "a script": (b"#!/bin/sh\necho\n", (SCRIPT, b"/bin/sh")),
    "a script with an argument": (b"#!/usr/bin/env python3\n", (SCRIPT, b"/usr/bin/env")),
    "a script with blanks": (b"#! \t /bin/sh \t -e x\n", (SCRIPT, b"/bin/sh")),
    "a script without a line end": (b"#!/bin/sh", (SCRIPT, b"/bin/sh")),
    "a script without an interpreter": (b"#!\n", (SCRIPT, b"")),
    "a script with a relative interpreter": (b"#!tools/run\n", (SCRIPT, b"tools/run")),
    "a native program": (elf(), (NATIVE, LINKER)),
    "a static program": (elf(None), (NATIVE, b"")),
    "a native program of one header": (elf(headers=1), (NATIVE, LINKER)),
    "a 32-bit program": (elf(bits=1), (FOREIGN, b"")),
    "a program for another machine": (elf(machine=183), (FOREIGN, b"")),
    "a torn program": (elf()[:40], (OTHER, b"")),
    "text": (b"echo hello\n", (OTHER, b"")),
    "nothing": (b"", (OTHER, b"")),
    "a blank before the mark": (b" #!/bin/sh\n", (OTHER, b"")),
}


@pytest.mark.parametrize("name", FILES)
def test_kinds(tmp_path: Path, name: str) -> None:
    content, expected = FILES[name]
    path = tmp_path / "program"
    path.write_bytes(content)
    assert read_kind(os.fsencode(path)) == expected


def test_the_interpreter_of_a_long_line_is_cut_where_the_kernel_cuts_it(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_bytes(b"#!/bin/sh " + b"x" * 1000 + b"\n")
    assert read_kind(os.fsencode(path)) == (SCRIPT, b"/bin/sh")
    path.write_bytes(b"#!/" + b"x" * 1000 + b"\n")
    assert len(read_kind(os.fsencode(path))[1]) < HEAD


def test_this_python_is_native() -> None:
    kind, interpreter = read_kind(os.fsencode(os.path.realpath(sys.executable)))
    assert kind == NATIVE
    assert interpreter == b"" or os.path.exists(interpreter)


def test_a_head_is_read_once_for_each_state_of_a_file(tmp_path: Path) -> None:
    path, programs = tmp_path / "program", Programs()
    path.write_bytes(b"#!/bin/sh\n")
    name = os.fsencode(path)
    time.sleep(2 * GRAIN_NS / 1e9)
    assert programs.kind(name, path.stat()) == programs.kind(name, path.stat()) == (SCRIPT, b"/bin/sh")
    assert len(programs.known) == 1
    path.write_bytes(b"text")
    os.utime(path, ns=(5, 5))
    assert programs.kind(name, path.stat()) == (OTHER, b"")


def test_a_young_file_is_read_again(tmp_path: Path) -> None:
    """Within one tick of the clock it may have become another and look the same."""
    path, programs = tmp_path / "program", Programs()
    path.write_bytes(b"#!/bin/sh\n")
    look = path.stat()
    assert programs.kind(os.fsencode(path), look) == (SCRIPT, b"/bin/sh")
    path.write_bytes(b"#!/bin/ed\n")
    assert programs.kind(os.fsencode(path), look) == (SCRIPT, b"/bin/ed")


@pytest.mark.parametrize("name", ["none", "folder"])
def test_what_cannot_be_read_raises(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        read_kind(os.fsencode(tmp_path / name))


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="Illegal seek"):
        read_kind(os.fsencode(tmp_path / "fifo"))
