"""Replacing record files one at a time: by flock, and where that is refused by a file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from procache.store import lockfile, locks
from procache.store.layout import Layout
from procache.store.lockfile import LockFile
from procache.store.locks import Folder

from .conftest import at_once

ROUNDS = 100


def refuse(fd: int, how: int) -> None:
    """As flock(2) on a file system without locks."""
    raise OSError(38, "no locks here")


@pytest.mark.parametrize("refused", [False, True])
def test_nothing_is_lost_by_four_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    folder, file = tmp_path / "folder", tmp_path / "count"
    file.write_text("0")
    if refused:
        monkeypatch.setattr(fcntl, "flock", refuse)

    def count() -> None:
        for _ in range(ROUNDS):
            with Folder(os.fsencode(folder)):
                file.write_text(str(int(file.read_text()) + 1))

    at_once(*[count] * 4)
    assert file.read_text() == str(4 * ROUNDS)
    assert os.listdir(folder) == [".lock"]


def test_a_lock_of_a_dead_process_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "LEFT_BEHIND", 0.02)
    path = tmp_path / "lock"
    path.write_text("")
    lock = LockFile(os.fsencode(path))
    assert lock.take()
    lock.release()
    assert os.listdir(tmp_path) == []


def test_a_lock_that_is_held_is_not_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "PATIENCE", 0.05)
    one, other = (LockFile(os.fsencode(tmp_path / "lock")) for _ in range(2))
    assert one.take()
    assert not other.take()
    other.release()
    assert os.listdir(tmp_path) == ["lock"]
    one.release()
    assert other.take()


def test_a_lock_that_was_broken_is_not_taken_from_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "LEFT_BEHIND", 0.02)
    one, other = (LockFile(os.fsencode(tmp_path / "lock")) for _ in range(2))
    assert one.take()
    assert other.take()
    one.release()
    assert os.listdir(tmp_path) == ["lock"]


def test_where_nothing_can_be_made_there_is_no_lock(tmp_path: Path) -> None:
    assert not LockFile(os.fsencode(tmp_path / "missing" / "lock")).take()


def test_who_waited_in_vain_does_not_wait_again(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, hold = [], locks.hold

    def noted(fd: int, how: int, patience: float = locks.PATIENCE) -> bool:
        asked.append(patience)
        return hold(fd, how, patience)

    monkeypatch.setattr(locks, "hold", noted)
    monkeypatch.setattr(locks, "_patience", locks.PATIENCE)
    evicting = os.open(layout.lock, os.O_RDWR | os.O_CREAT)
    assert hold(evicting, locks.EXCLUSIVE)
    for _ in range(2):
        locks.let_go(locks.using(layout))
    os.close(evicting)
    for _ in range(2):
        locks.let_go(locks.using(layout))
    assert asked == [locks.PATIENCE, 0.0, 0.0, locks.PATIENCE]
