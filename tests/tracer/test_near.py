"""A tree is kept on one CPU, and no process of it can tell."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from procache.tracer.near import Near
from procache.tracer.tracee import Process, Tracee

ALL = os.sched_getaffinity(0)
pytestmark = pytest.mark.skipif(len(ALL) < 2, reason="there is one CPU only")


@pytest.fixture
def near() -> Iterator[Near]:
    made = Near({})
    yield made
    made.stop()


@pytest.fixture
def children() -> Iterator[list[int]]:
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def child(near: Near, children: list[int], *, cpus: set[int]) -> Tracee:
    """A process with the given affinity, which is not in the table yet."""
    pid = os.fork()
    if not pid:
        time.sleep(100)
    children.append(pid)
    os.sched_setaffinity(pid, cpus)
    return Tracee(pid, Process(pid, None), None)  # type: ignore[arg-type]


def seen(t: Tracee) -> set[int]:
    return os.sched_getaffinity(t.tid)


def test_a_child_that_was_made_while_all_were_set_free(near: Near, children: list[int]) -> None:
    near._gather()
    t = child(near, children, cpus={near.cpu})
    near._scatter()
    near.tracees[t.tid] = t
    near.joined(t)
    assert seen(t) == ALL


def test_what_is_lent_is_not_taken_back_by_the_timer(near: Near, children: list[int]) -> None:
    t = near.tracees[0] = child(near, children, cpus=ALL)
    assert near.lend(t.process)
    near._gather()
    assert seen(t) == ALL
    near.take_back(t.process)
    assert seen(t) == {near.cpu}


def test_who_is_free_stays_so(near: Near, children: list[int]) -> None:
    t = near.tracees[0] = child(near, children, cpus=ALL)
    near._gather()
    near.release(t.process)
    assert not near.lend(t.process)
    near._elsewhere()
    near.joined(t)
    assert seen(t) == ALL
