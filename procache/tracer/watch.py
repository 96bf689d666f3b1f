"""Watching one more descriptor: the tracee is made to install a further filter on itself.

Filters stack and the strictest answer wins (seccomp(2)), and children inherit them, so a descriptor that
once held an inherited file stays watched from there down. The call is inserted where the tracee stands: at
an exit stop the instruction just executed runs once more; after an exec, where no instruction was executed
yet, one is put at the entry point for the moment.
"""

from __future__ import annotations

import os
import struct

from ptrace.binding.func import PTRACE_CONT, PTRACE_SYSCALL, ptrace, ptrace_peektext, ptrace_poketext
from ptrace.ctypes_libc import libc

from procache.tracer import arch, bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.tracer.source import Stop
    from procache.tracer.tracee import Tracee

_TSYNC = 1
_EXECS = (arch.NUMBERS["execve"], arch.NUMBERS["execveat"])
_WALL = 0x40000000
#: Kinds of stops: events 7 and 4 with SIGTRAP, and SIGTRAP with the mark of PTRACE_O_TRACESYSGOOD.
_SECCOMP_STOP, _EXEC_STOP, _CALL_STOP = 0x705, 0x405, 0x85


class Watcher:
    """Adds filters. ``postpone`` takes a wait status that was not the one expected, for the loop to handle."""

    __slots__ = ("postpone", "programs", "held")

    def __init__(self, postpone: Callable[[Stop], None]) -> None:
        self.postpone = postpone
        self.programs: dict[int, bytes] = {}
        self.held: list[int] = []  # signals that came during an insertion

    def watch(self, t: Tracee, fd: int) -> bool:
        """Watch ``fd`` in ``t``, which is at the exit stop of a call; False where that failed."""
        arch.fetch(t.tid)
        saved = arch.snapshot()
        done = self._install(t, fd)
        arch.restore(saved)
        arch.store(t.tid)
        self.release(t)
        return done

    def watch_after_exec(self, t: Tracee, fd: int) -> bool:
        """Watch ``fd`` in ``t``, which is at the stop of a successful exec (or was brought to the end of it here)."""
        arch.fetch(t.tid)
        if arch.number() in _EXECS and not self.step(t, PTRACE_SYSCALL):
            return False
        arch.fetch(t.tid)
        saved = arch.snapshot()
        start = arch.position()
        code = t.read(start, arch.INSTRUCTION)
        try:
            t.write(start, arch.CALL_INSTRUCTION)
            arch.skip_instruction()
            done = self._install(t, fd)
            t.write(start, code)
        except OSError:
            done = False
        arch.restore(saved)
        arch.leave_call()
        arch.store(t.tid)
        self.release(t)
        return done

    def through_exec(self, t: Tracee) -> None:
        """Take ``t`` from the entry of an exec through it, and hold it at the entry of a call before its program runs.

        Its parent may wait for just that: in vfork(2), or for the end of a pipe that the exec closes.
        """
        stop = self.step(t, PTRACE_SYSCALL)
        if stop == _EXEC_STOP:
            stop = self.step(t, PTRACE_SYSCALL)
        if not stop:
            return
        arch.fetch(t.tid)
        if arch.result() == 0:  # else it failed, and stands behind a call instruction
            self._put_call(t.tid, arch.position())
            arch.skip_instruction()
        arch.again(arch.NUMBERS["getpid"])
        arch.store(t.tid)
        self.step(t, PTRACE_SYSCALL)
        self.release(t)

    @staticmethod
    def _put_call(tid: int, address: int) -> None:
        """Write a call instruction. A program that may not be read can be written by ptrace only."""
        size = arch.INSTRUCTION * 8
        code = ptrace_peektext(tid, address) >> size << size
        ptrace_poketext(tid, address, code | int.from_bytes(arch.CALL_INSTRUCTION, "little"))

    def _install(self, t: Tracee, fd: int) -> bool:
        """With ``regs`` just behind a call instruction: make that call install the filter. Leaves ``regs`` changed."""
        code = self.programs.get(fd)
        if code is None:
            code = self.programs[fd] = bpf.encode(bpf.watch_program(fd))
        address = (arch.stack() - 256 - len(code)) & ~15
        image = struct.pack("<HxxxxxxQ", len(code) // 8, address + 16) + code
        kept = t.read(address, len(image))
        if len(kept) != len(image):
            return False
        try:
            t.write(address, image)
            done = self._call(t, address)
            t.write(address, kept)
        except OSError:
            return False
        if done:
            t.process.watched = t.process.watched | {fd}
        return done

    def _call(self, t: Tracee, address: int) -> bool:
        flags = _TSYNC if len(t.process.threads) > 1 else 0
        arch.become("seccomp", 1, flags, address)
        arch.again(arch.NUMBERS["seccomp"])
        arch.store(t.tid)
        if not self.step(t, PTRACE_CONT) or not self.step(t, PTRACE_SYSCALL):
            return False
        arch.fetch(t.tid)
        return arch.result() == 0

    def step(self, t: Tracee, request: int) -> int:
        """Let the tracee go to its next stop, which comes at once, and return its kind; 0 where it ended instead.

        A signal that comes in between is held until the insertion is over: sent again now, it would come first again.
        """
        while True:
            ptrace(request, t.tid, 0, 0)
            pid, status, usage = os.wait4(t.tid, _WALL)
            kind = status >> 8
            if status & 0xFF == 0x7F and kind in (_SECCOMP_STOP, _EXEC_STOP, _CALL_STOP):
                return kind
            if status & 0xFF != 0x7F or kind > 0xFF:
                self.postpone((pid, status, (usage.ru_utime, usage.ru_stime, usage.ru_maxrss), None, None))
                return 0
            self.held.append(kind)

    def release(self, t: Tracee) -> None:
        """Send again what was held back."""
        for number in self.held:
            signal_thread(t.process.tgid, t.tid, number)
        self.held.clear()


def signal_thread(tgid: int, tid: int, number: int) -> None:
    """Send a signal to one thread (tgkill(2))."""
    libc.syscall(arch.NUMBERS["tgkill"], tgid, tid, number)
