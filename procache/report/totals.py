"""Sums over a store: what it holds, and which commands saved the most."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from procache.model.redaction import shown
from procache.report import jsonable
from procache.report.journal import Run
from procache.report.tree import HIT
from procache.store import scan

#: How many commands are named as those that saved the most.
BEST = 5


class Folder(NamedTuple):
    """What a part of the store holds."""

    files: int = 0
    bytes: int = 0


class Command(NamedTuple):
    """A command and what skipping it has saved, in seconds."""

    argv: tuple[bytes, ...]
    hits: int
    saved: float


def best(runs: Iterable[Run]) -> list[Command]:
    """The commands that saved the most in these runs, most first; the runs are dropped one by one."""
    hits: Counter[tuple[bytes, ...]] = Counter()
    saved: dict[tuple[bytes, ...], float] = {}
    for run in runs:
        for node in run.executions():
            if node.outcome == HIT:
                argv = tuple(node.argv)
                hits[argv] += 1
                saved[argv] = saved.get(argv, 0.0) + node.saved
    top = sorted(saved.items(), key=lambda item: (-item[1], item[0]))[:BEST]
    return [Command(argv, hits[argv], gain) for argv, gain in top]


def files(folder: bytes) -> Iterator[bytes]:
    """The files in and under ``folder``, save those whose names begin with a dot (locks)."""
    todo = [folder]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif not entry.name.startswith(b"."):
                        yield entry.path
        except OSError:  # gone meanwhile, or not for us
            continue


def measure(folder: bytes) -> Folder:
    """Count ``files`` and what they take of the disk; what vanishes meanwhile is not counted."""
    number = size = 0
    for name in files(folder):
        try:
            size += scan.size_of(os.lstat(name))
        except OSError:
            continue
        number += 1
    return Folder(number, size)


def as_json(best: list[Command]) -> list[dict[str, Any]]:
    """These commands as JSON can hold them."""
    return [{**one._asdict(), "argv": jsonable.plain(shown(one.argv))} for one in best]
