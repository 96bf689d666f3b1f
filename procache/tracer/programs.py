"""What an exec loads besides the file it names: interpreters of scripts, the ELF interpreter."""

from __future__ import annotations

import os
import re
import struct
import time

from procache.tracer import arch
from procache.world.states import settled

PT_INTERP = 3
#: The kernel reads this much of a file to find out how to run it (BINPRM_BUF_SIZE).
HEAD = 256
MAX_SCRIPTS = 5
#: What ends the name of an interpreter, besides the end of the line.
_ENDS = re.compile(rb"[ \t\0]")

NATIVE, FOREIGN, SCRIPT, OTHER = "native", "foreign", "script", "other"


class Programs:
    """Reads the heads of executables, once per file and state of it, if that is old enough to be told from the next."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[int, int, int, int], tuple[str, bytes]] = {}

    def kind(self, path: bytes, st: os.stat_result) -> tuple[str, bytes]:
        """(kind, interpreter path or b"") of the executable at ``path``; OTHER where it may not be read."""
        key = (st.st_dev, st.st_ino, st.st_mtime_ns, st.st_ctime_ns)
        found = self.known.get(key)
        if found is None:
            began = time.time_ns()
            try:
                found = read_kind(path)
            except OSError:
                found = OTHER, b""
            if settled(st, began):
                self.known[key] = found
        return found


def read_kind(path: bytes) -> tuple[str, bytes]:
    """(kind, interpreter) from the head of a file, as fs/binfmt_script.c and fs/binfmt_elf.c read it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        head = os.pread(fd, HEAD, 0)
        if head.startswith(b"#!"):
            line = head[2:].partition(b"\n")[0].strip(b" \t")
            return SCRIPT, _ENDS.split(line, maxsplit=1)[0]  # a \r belongs to the name
        if not head.startswith(b"\x7fELF") or len(head) < 64:
            return OTHER, b""
        machine = struct.unpack_from("<H", head, 18)[0]
        if head[4] != arch.ELF_CLASS or machine != arch.ELF_MACHINE:
            return FOREIGN, b""
        return NATIVE, _elf_interpreter(fd, head)
    finally:
        os.close(fd)


def _elf_interpreter(fd: int, head: bytes) -> bytes:
    offset = struct.unpack_from("<Q", head, 32)[0]
    size, count = struct.unpack_from("<HH", head, 54)
    table = os.pread(fd, size * count, offset)
    for at in range(0, len(table) - size + 1, size):
        if struct.unpack_from("<I", table, at)[0] == PT_INTERP:
            start, _, _, length = struct.unpack_from("<QQQQ", table, at + 8)
            return os.pread(fd, min(length, 4096), start).rstrip(b"\0")
    return b""
