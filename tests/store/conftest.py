"""Fixtures: an empty store, and processes that work on it at once."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procache.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty store."""
    found = Layout(os.fsencode(tmp_path / "cache"))
    found.prepare()
    return found


def at_once(*jobs: Callable[[], Any]) -> None:
    """Run each job in a process of its own, all at the same time; none may fail."""
    go, start = os.pipe()
    pids = [_child(job, go, start) for job in jobs]
    os.close(start)
    os.close(go)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


def _child(job: Callable[[], Any], go: int, start: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(start)
        os.read(go, 1)  # ends when the parent lets go of its end, for all at once
        job()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)
