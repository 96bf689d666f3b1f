"""The store is seen to by itself: when that is due, and that nobody notices."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from common.filling import DAY, has_record, key_of, put, record

from procache.model.policy import Policy
from procache.store import gc, tally, upkeep, usage
from procache.store.layout import Layout


def until(held: Callable[[], bool]) -> bool:
    """Wait for something that another process does."""
    for _ in range(1000):
        if held():
            return True
        time.sleep(0.01)
    return False


def policy(**values: float) -> Policy:
    """The built-in policy with other limits."""
    made = Policy()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_it_is_due_when_the_store_has_outgrown_its_limit(layout: Layout) -> None:
    small = policy(max_size=1000)
    tally.settle(layout, 700, 0, evicted=False)
    usage.append(layout, (1, 0, 1, 0), added=300)
    assert not upkeep.outgrown(layout, small)
    usage.append(layout, (1, 0, 1, 0), added=1)
    assert upkeep.outgrown(layout, small)
    assert not upkeep.outgrown(layout, policy(max_size=0))


def test_where_pins_keep_more_it_is_not_due_after_each_run(layout: Layout) -> None:
    tally.settle(layout, 5000, 0, evicted=False)
    usage.append(layout, (1, 0, 1, 0), added=50)
    assert not upkeep.outgrown(layout, policy(max_size=1000))
    usage.append(layout, (1, 0, 1, 0), added=1)
    assert upkeep.outgrown(layout, policy(max_size=1000))


def test_it_is_due_when_the_statistics_grow_long(layout: Layout) -> None:
    assert not upkeep.outgrown(layout, policy())
    entry = usage.pack(usage.ADD, 1.0)
    usage.write(layout, entry * (usage.MUCH // usage.SIZE + 1))
    assert upkeep.outgrown(layout, policy())


def test_after_a_run_that_made_it_due_the_store_is_brought_within_its_limits(layout: Layout) -> None:
    for at in range(4):
        content = os.urandom(8000)
        put(layout, key_of(at), record(content), content, age=at * DAY)
    usage.append(layout, (1, 0, 4, 0), added=50000)
    assert not usage.neglected(layout)
    upkeep.after_run(layout, policy(max_size=40000))
    assert until(lambda: tally.read(layout).measured > 0)
    assert tally.read(layout).size <= 32000
    assert [has_record(layout, key_of(at)) for at in range(4)] == [True, True, False, False]


def test_once_a_day_the_rest_gets_its_turn(layout: Layout) -> None:
    put(layout, key_of(1), record(), age=3 * DAY)
    upkeep.after_run(layout, policy(max_age=DAY))
    assert has_record(layout, key_of(1)), "a new store is not due"
    os.utime(layout.gc, (time.time() - 2 * DAY,) * 2)
    upkeep.after_run(layout, policy(max_age=DAY))
    assert until(lambda: not has_record(layout, key_of(1)))
    assert not usage.neglected(layout)


def test_who_does_it_belongs_to_nobody(layout: Layout, tmp_path: Path) -> None:
    told = tmp_path / "told"
    held = os.open(tmp_path, os.O_RDONLY)

    def tell() -> None:
        session = os.getsid(0) != parent_session and os.getsid(0) != os.getpid() and os.getppid() != parent
        files = sorted(
            os.readlink(f"/proc/self/fd/{fd}") for fd in range(1000) if os.path.exists(f"/proc/self/fd/{fd}")
        )
        default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        made = told.with_suffix(".new")
        made.write_text(f"{session} {os.getcwd()} {default} {' '.join(files)}")
        made.rename(told)

    parent, parent_session = os.getpid(), os.getsid(0)
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    upkeep.detach(tell)
    signal.signal(signal.SIGTERM, before)
    os.close(held)
    assert until(told.exists)
    assert told.read_text() == "True / True /dev/null /dev/null /dev/null"


def test_it_never_holds_a_descriptor_not_even_one_beyond_a_limit(tmp_path: Path) -> None:
    """Who reads a pipe to its end, or takes a lock on a file, would wait for it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_DUPFD, 200)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    go = tmp_path / "go"
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, limits[1]))
        upkeep.detach(lambda: until(go.exists) and None)
        os._exit(0)
    os.close(writer)
    os.close(200)
    os.waitpid(pid, 0)
    ready = select.select([reader], [], [], 0)[0]
    go.touch()
    os.close(reader)
    assert ready, "the other end is still open"


def test_a_failure_of_it_is_nobodys(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda by: 0)
    with gc.Alone(layout):
        upkeep.tend(layout, policy(max_size=1))
    os.rename(layout.root, layout.root + b"-gone")
    upkeep.tend(layout, policy(max_size=1))
