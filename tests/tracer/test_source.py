"""What both event sources do with the first stop of a tracee."""

from __future__ import annotations

import os
import signal
import time

import pytest
from ptrace.binding.func import PTRACE_CONT, ptrace

from procache.tracer import arch, source
from procache.tracer.loop import PTRACE_SEIZE
from procache.tracer.source import EVENT_STOP, Source


def test_a_first_stop_by_job_control_is_left_as_it_is(twin: str) -> None:
    """A thread that is made while its process is being stopped."""
    made = Source() if twin == "python" or source.native is None else source.native.Source(arch.AUDIT_ARCH, [], False)
    child = os.fork()
    if not child:
        time.sleep(100)
        os._exit(0)
    try:
        ptrace(PTRACE_SEIZE, child, 0, 0)
        os.kill(child, signal.SIGSTOP)
        assert made.next()[:2] == (child, signal.SIGSTOP << 8 | 0x7F)
        ptrace(PTRACE_CONT, child, 0, signal.SIGSTOP)
        other = os.fork()
        if not other:
            time.sleep(0.2)
            os._exit(0)
        assert made.next()[0] == other  # that of the child is kept
        assert not made.adopt(child)
        os.kill(child, signal.SIGCONT)
        assert made.next()[:2] == (child, EVENT_STOP << 16 | signal.SIGTRAP << 8 | 0x7F)
    finally:
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ChildProcessError):
            while True:
                made.next()
