"""Fixtures: a process to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from procache.tracer.tracee import Process, Tracee


@pytest.fixture
def me() -> Iterator[Tracee]:
    """This process, as a tracee."""
    pid = os.getpid()
    tracee = Tracee(pid, Process(pid, None), None)  # type: ignore[arg-type]
    yield tracee
    tracee.process.close()
