"""The tree of a run's executions: put together from journal events, and walked.

Everything here walks with a stack of its own: a chain of ten thousand execs is a legal tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from procache.model.reasons import Reason

HIT = "hit"
MISS = "miss"
UNCACHEABLE = "uncacheable"
#: The id of the execution that is the command of the run.
ROOT = 0
#: An execution of which the journal has no event, known only as the parent of others.
UNFINISHED = "unfinished"


@dataclass(slots=True, eq=False)
class Execution:
    """One execution of a run. Times in seconds, ``maxrss`` in KiB, ``status`` an exit code or minus a signal.

    ``nested`` counts, for a hit, the executions that were skipped with it, itself included.
    """

    id: int
    parent: int | None = None
    argv: list[bytes] = field(default_factory=list)
    exe: bytes = b""
    cwd: bytes = b""
    key: str = ""
    outcome: str = UNFINISHED
    reasons: list[Reason] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0
    status: int = 0
    utime: float = 0.0
    stime: float = 0.0
    maxrss: int = 0
    saved: float = 0.0
    nested: int = 0
    children: list[Execution] = field(default_factory=list)

    @property
    def took(self) -> float:
        """Wall time in seconds."""
        return max(0.0, self.ended - self.started) if self.started else 0.0

    @property
    def finished(self) -> bool:
        """False for the stand-in of an execution that the journal does not tell of."""
        return self.outcome != UNFINISHED


def assemble(nodes: Iterable[Execution], argv: list[bytes], cwd: bytes, started: float) -> list[Execution]:
    """Link executions into trees and return the roots.

    Events are written as executions end, so a run that was killed has children whose parents were
    never told of: a stand-in takes the place of each, below the root, which is the command of the run
    itself. What hangs nowhere else (in a damaged journal, parents that are each other's children)
    becomes a root.
    """
    table: dict[int, Execution] = {}
    for node in nodes:
        table.setdefault(node.id, node)
    for child in list(table.values()):
        if child.parent is not None and child.parent not in table:
            table.setdefault(ROOT, Execution(ROOT, None, argv, cwd=cwd, started=started))
            table.setdefault(child.parent, Execution(child.parent, ROOT, started=child.started))
    for node in table.values():
        if node.parent is not None:
            table[node.parent].children.append(node)
    for node in table.values():
        node.children.sort(key=_age)
    roots = sorted((node for node in table.values() if node.parent is None), key=_age)
    return roots + _detached(table, roots)


def _detached(table: dict[int, Execution], roots: list[Execution]) -> list[Execution]:
    reached = {node.id for node, _ in walk(roots)}
    loose: list[Execution] = []
    for node in sorted(table.values(), key=_age):
        if node.id in reached:
            continue
        if node.parent is not None:
            table[node.parent].children.remove(node)
            node.parent = None
        loose.append(node)
        reached.update(below.id for below, _ in walk([node]))
    return loose


def _age(node: Execution) -> tuple[float, int]:
    return (node.started, node.id)


def walk(roots: Iterable[Execution]) -> Iterator[tuple[Execution, int]]:
    """Every execution with its depth, each before its children, siblings by age."""
    todo = [(node, 0) for node in reversed(list(roots))]
    while todo:
        node, depth = todo.pop()
        yield node, depth
        todo.extend((child, depth + 1) for child in reversed(node.children))


def upwards(roots: Iterable[Execution]) -> Iterator[Execution]:
    """Every execution, each after its children."""
    return (node for node, _ in reversed(list(walk(roots))))
