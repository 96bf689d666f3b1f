"""Sorts the reasons of a run: what is a cause, and what only follows from it.

The facts of an execution are those of its parts too, so one changed input makes a miss of the
program that reads it and of every ancestor, all for the same reason. A reason of an execution that
an execution under it has as well is *inherited*; an execution all of whose reasons are inherited
is a *consequence*. The others are causes; those with the very same reasons of their own are
grouped, since hundreds of jobs may miss for one changed library.
"""

from __future__ import annotations

from typing import NamedTuple

from procache.model.reasons import TAINTS, Reason
from procache.report.journal import Run
from procache.report.tree import HIT, UNCACHEABLE, Execution, upwards

#: The reason of an execution that has an uncacheable part: inherited by its nature.
CHILD = "child"

#: Reasons that an execution shares with what is under it, being about the same path or event.
INHERITABLE = {"fact-differs", *TAINTS} - {CHILD, "signal"}

SAME = ("code", "path", "detail")
EXACT = (*SAME, "aspect", "recorded", "current")

Mark = tuple[str, ...]


class Group(NamedTuple):
    """Executions with one outcome and the same reasons of their own."""

    nodes: list[Execution]
    reasons: list[Reason]

    @property
    def outcome(self) -> str:
        """The outcome that all of them had."""
        return self.nodes[0].outcome


class Consequence(NamedTuple):
    """An execution that was not a hit only because executions under it were not: ``sources``."""

    node: Execution
    sources: list[Execution]


class Verdict(NamedTuple):
    """All executions of a run, each in one of the three lists, save those without an end."""

    causes: list[Group]
    consequences: list[Consequence]
    hits: list[Execution]
    #: By id of an execution that has causes: executions under it that gave it further reasons.
    mixed: dict[int, list[Execution]]


def judge(run: Run) -> Verdict:
    """Sort the executions of ``run`` into causes (in the order of the tree), consequences and hits."""
    origins = _Origins()
    groups: dict[Mark, Group] = {}
    verdict = Verdict([], [], [], {})
    own = {node.id: origins.own(node) for node in upwards(run.roots)}
    for node in run.executions():
        if node.outcome == HIT:
            verdict.hits.append(node)
        elif node.finished:
            reasons, sources = own[node.id]
            if sources and not reasons:
                verdict.consequences.append(Consequence(node, sources))
                continue
            mark = (node.outcome, *sorted({repr(_mark(why, exact=True)) for why in reasons}))
            groups.setdefault(mark, Group([], reasons)).nodes.append(node)
            if sources:
                verdict.mixed[node.id] = sources
    verdict.causes.extend(groups.values())
    return verdict


class _Origins:
    """Goes up the tree, keeping for each execution which reasons arose in it or under it, and where."""

    def __init__(self) -> None:
        self.below: dict[int, dict[Mark, Execution]] = {}

    def own(self, node: Execution) -> tuple[list[Reason], list[Execution]]:
        """The reasons that arose in ``node`` itself, and the executions under it that gave it the others."""
        under = self._under(node)
        mine: list[Reason] = []
        sources: dict[int, Execution] = {}
        for why in node.reasons:
            givers = _givers(why, under)
            sources.update((giver.id, giver) for giver in givers)
            if not givers:
                mine.append(why)
        for why in mine:
            under.setdefault(_mark(why), node)
        self.below[node.id] = under
        return mine, [sources[number] for number in sorted(sources)]

    def _under(self, node: Execution) -> dict[Mark, Execution]:
        """What arose under ``node``; the largest table of its children is taken over, not copied."""
        tables = [self.below.pop(child.id, {}) for child in node.children]
        under = max(tables, key=len, default={})
        for table in tables:
            if table is not under:
                for mark, origin in table.items():
                    under.setdefault(mark, origin)
        return under


def _givers(why: Reason, under: dict[Mark, Execution]) -> list[Execution]:
    """The executions that a reason comes from; none when it arose where it was found."""
    if why.get("code") == CHILD:
        return [origin for origin in under.values() if origin.outcome == UNCACHEABLE]
    origin = under.get(_mark(why)) if why.get("code") in INHERITABLE else None
    return [] if origin is None else [origin]


def _mark(why: Reason, exact: bool = False) -> Mark:
    """What makes two reasons the same: code, path and detail, and with ``exact`` the values too."""
    return tuple(repr(why.get(name)) for name in (EXACT if exact else SAME))
