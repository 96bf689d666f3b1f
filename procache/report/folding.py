"""Makes wide trees readable: many siblings that went the same way become a few and a count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from procache.report.tree import Execution, upwards, walk

#: More siblings in a row than this that went the same way are folded …
LIMIT = 12
#: … after this many.
SHOWN = 10

#: How an execution and all under it went; siblings with the same fate are alike.
Fate = tuple[str, int, frozenset[tuple[str, int]]]


class Folded(NamedTuple):
    """Siblings that are counted instead of shown; all have the same fate."""

    nodes: Sequence[Execution]

    @property
    def outcome(self) -> str:
        """The outcome that all of them had."""
        return self.nodes[0].outcome

    @property
    def below(self) -> int:
        """How many executions are under them."""
        return sum(1 for _ in walk(self.nodes)) - len(self.nodes)


def fates(roots: Iterable[Execution]) -> dict[int, Fate]:
    """The fate of every execution, by its id."""
    known: dict[int, Fate] = {}
    for node in upwards(roots):
        below: set[tuple[str, int]] = set()
        for child in node.children:
            outcome, status, under = known[child.id]
            below |= {(outcome, status)} | under
        known[node.id] = (node.outcome, node.status, frozenset(below))
    return known


def fold(siblings: Sequence[Execution], known: dict[int, Fate]) -> list[Execution | Folded]:
    """``siblings`` with every long row of alike ones shortened to its beginning and a count."""
    shown: list[Execution | Folded] = []
    for _, group in groupby(siblings, key=lambda node: known[node.id]):
        row = list(group)
        if len(row) <= LIMIT:
            shown.extend(row)
        else:
            shown.extend(row[:SHOWN])
            shown.append(Folded(row[SHOWN:]))
    return shown
