"""A trap for one run of procache: its Nth call of some kind fails, or is its end (see faults.c)."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("faults.c")
#: As in faults.c, in the same order.
KINDS = (
    *("open", "write", "fsync", "rename", "link", "close", "mkdir", "flock", "fstat", "read"),
    *("copy", "unlink", "truncate", "meta", "memfd", "pipe", "fork", "mmap", "ioctl"),
)
_STATE = struct.Struct("<qq256s240s")
ALWAYS = 1 << 40


class Met(NamedTuple):
    """What became of a trap: calls counted, at how many it acted, all calls by kind, the last at which it acted."""

    calls: int
    done: int
    kinds: dict[str, int]
    last: str


class Trap(NamedTuple):
    """Acts at the calls ``first`` to ``last`` of the ``calls``: ``do`` is an errno, or short, kill, killall.

    ``calls`` is a kind of faults.c, several with commas, or "all"; ``under`` folders, or "any" for every call from
    the first that concerns the store.
    """

    calls: str = "all"
    under: tuple[Path, ...] | str = "any"
    first: int = 0
    last: int = 0
    do: int | str = 0

    def __str__(self) -> str:
        name = os.strerror(self.do) if isinstance(self.do, int) else self.do
        where = self.under if isinstance(self.under, str) else "+".join(path.name for path in self.under)
        until = "" if self.last == self.first else "…" if self.last == ALWAYS else f"-{self.last}"
        return f"{name} at {self.calls} {self.first}{until} under {where}"

    def environment(self, library: Path, state: Path, store: Path) -> dict[str, str]:
        """The variables that set it; ``state`` is a file that is made for it."""
        state.write_bytes(bytes(_STATE.size))
        under = self.under if isinstance(self.under, str) else ":".join(map(str, self.under))
        return {
            "LD_PRELOAD": str(library),
            "TRAP_FILE": str(state),
            "TRAP_CALLS": self.calls,
            "TRAP_UNDER": under,
            "TRAP_STORE": str(store),
            "TRAP_FIRST": str(self.first),
            "TRAP_LAST": str(self.last),
            "TRAP_DO": str(self.do),
        }


def build(folder: Path) -> Path:
    """Compile the library into a folder; returns its path."""
    library = folder / "faults.so"
    flags = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", library, SOURCE, "-ldl"], check=True)
    return library


def met(state: Path) -> Met:
    """What became of the trap with this file."""
    calls, done, kinds, last = _STATE.unpack(state.read_bytes())
    counted = dict(zip(KINDS, struct.unpack("<32q", kinds), strict=False))
    return Met(calls, done, counted, last.partition(b"\0")[0].decode(errors="replace"))
