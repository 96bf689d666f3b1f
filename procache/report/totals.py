"""Sums over a store: what it holds, and what all its runs did."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from procache.report import jsonable
from procache.report.journal import NONE, Counts, Run
from procache.report.tree import HIT

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


@dataclass(slots=True)
class Totals:
    """Sums over all journals."""

    runs: int = 0
    counts: Counts = NONE
    saved: float = 0.0
    hits: Counter[tuple[bytes, ...]] = field(default_factory=Counter)
    saved_by: dict[tuple[bytes, ...], float] = field(default_factory=dict)

    def best(self) -> list[Command]:
        """The commands that saved the most, most first."""
        top = sorted(self.saved_by.items(), key=lambda item: (-item[1], item[0]))[:BEST]
        return [Command(argv, self.hits[argv], saved) for argv, saved in top]


def add_up(runs: Iterable[Run]) -> Totals:
    """Sum over ``runs``, which are dropped one by one."""
    totals = Totals()
    for run in runs:
        totals.runs += 1
        totals.counts = Counts(*map(sum, zip(totals.counts, run.counts, strict=True)))
        totals.saved += run.saved
        for node in run.executions():
            if node.outcome == HIT:
                argv = tuple(node.argv)
                totals.hits[argv] += 1
                totals.saved_by[argv] = totals.saved_by.get(argv, 0.0) + node.saved
    return totals


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
    """Count ``files`` and their bytes; what vanishes meanwhile is not counted."""
    number = size = 0
    for name in files(folder):
        try:
            size += os.lstat(name).st_size
        except OSError:
            continue
        number += 1
    return Folder(number, size)


def as_json(totals: Totals) -> dict[str, Any]:
    """The sums as JSON can hold them."""
    best = [{**one._asdict(), "argv": jsonable.plain(one.argv)} for one in totals.best()]
    return {**totals.counts._asdict(), "saved": totals.saved, "best": best}
