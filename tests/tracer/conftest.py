"""Fixtures: a process to look at, with and without the parts in C."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from procache.tracer import fds, source, tracee
from procache.tracer.tracee import Process, Tracee

NATIVE = source.native


@pytest.fixture(params=["native", "python"])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: with what is built in C, and with its twins."""
    for module in (source, tracee, fds):
        monkeypatch.setattr(module, "native", NATIVE if request.param == "native" else None)
    return str(request.param)


@pytest.fixture
def me(twin: str) -> Iterator[Tracee]:
    """This process, as a tracee."""
    pid = os.getpid()
    tracee = Tracee(pid, Process(pid, None), None)  # type: ignore[arg-type]
    yield tracee
    tracee.process.close()
