"""A tracee that stands at the entry of an exec is made to do another call first."""

from __future__ import annotations

from ptrace.binding.func import PTRACE_CONT, PTRACE_SYSCALL

from procache.tracer import arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.tracee import Tracee
    from procache.tracer.watch import Watcher

#: What a call that was never made returns here.
FAILED = -1
RED_ZONE = 256


def call(t: Tracee, watcher: Watcher, name: str, *args: int) -> int:
    """Make the call ``name``; returns its result. Then ``t`` is at the entry of its own call again, or has ended.

    The kernel does not ask the filter again for a call that a tracer has put in place of another (seccomp(2)).
    """
    arch.fetch(t.tid)
    saved, own = arch.snapshot(), arch.number()
    arch.become(name, *args)
    arch.store(t.tid)
    if not watcher.step(t, PTRACE_SYSCALL):
        return FAILED
    arch.fetch(t.tid)
    result = arch.result()
    arch.restore(saved)
    arch.again(own)
    arch.store(t.tid)
    there = watcher.step(t, PTRACE_CONT)
    watcher.release(t)
    return result if there else FAILED


def scratch(t: Tracee) -> int:
    """An address below the stack of ``t`` where a few bytes may be put, to be put back after the call."""
    arch.fetch(t.tid)
    return (arch.stack() - RED_ZONE - 64) & ~15
