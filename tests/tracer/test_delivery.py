"""The output of a skipped program, where that has to wait for a reader."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from procache.tracer.delivery import Delivery

LONG = 1 << 20


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe (reader, writer)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def long_output(writer: int, status: int) -> Delivery:
    """More than a pipe holds, so that a helper has to write it."""
    record = SimpleNamespace(segments=[(1, LONG)], data=bytes(LONG), status=status, stdin_end=None)
    delivery = Delivery(record, -1, {1: writer})  # type: ignore[arg-type]
    assert delivery.helper
    return delivery


def test_a_helper_that_did_not_begin_writes_nothing(pipe: tuple[int, int]) -> None:
    delivery = long_output(pipe[1], 0)
    delivery.drop()
    assert os.waitpid(delivery.helper, 0)[1] == 0
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


@pytest.mark.parametrize("status", [0, 3])
def test_where_the_helper_was_killed_the_program_has_failed(pipe: tuple[int, int], status: int) -> None:
    """It may not be run instead: what it has changed is in place by then."""
    delivery = long_output(pipe[1], status)
    os.kill(delivery.helper, signal.SIGKILL)
    os.waitpid(delivery.helper, 0)
    assert delivery.begin() == (status or 1, 0)
    assert delivery.go < 0
