"""Reads the journal of a run, the only input of ``log``, ``show`` and ``explain RUN``.

A journal is a sequence of msgpack maps that a run appends to as it goes. The run may still be going,
may have been killed in the middle of a map, and the disk may have lost a part: so a reader shows
all that can be read and says what cannot. After damage it looks for the next map that begins like
an event; an event of a kind that it does not know (a newer procache) is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from procache.model.reasons import Reason
from procache.report.events import MAX_BYTES, Event, Scan, scan
from procache.report.fields import name, names, number, text
from procache.report.tree import HIT, MISS, UNCACHEABLE, Execution, assemble, walk


class Counts(NamedTuple):
    """How many executions of a run had each outcome."""

    hit: int = 0
    miss: int = 0
    uncacheable: int = 0


NONE = Counts()


@dataclass(slots=True)
class Run:
    """One run as its journal tells it; times are seconds since the epoch, ``ended`` is None when not told."""

    id: str
    version: str = ""
    argv: list[bytes] = field(default_factory=list)
    cwd: bytes = b""
    started: float = 0.0
    pid: int = 0
    host: str = ""
    options: dict[str, bool] = field(default_factory=dict)
    ended: float | None = None
    status: int | None = None
    counts: Counts = NONE
    saved: float = 0.0
    roots: list[Execution] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def executions(self) -> Iterator[Execution]:
        """Every execution of the run, each before its children."""
        return (node for node, _ in walk(self.roots))

    @property
    def took(self) -> float | None:
        """Wall time of the run in seconds; of a run without an end, up to the last thing known of it."""
        last = self.ended
        if last is None:
            last = max((node.ended for node in self.executions()), default=0.0)
        return max(0.0, last - self.started) if last and self.started else None


def read(name: str, data: bytes) -> Run:
    """The run told by journal bytes ``data``; ``name`` is its id. Damage becomes notes, never an error."""
    run = Run(name)
    scanned = scan(data[:MAX_BYTES])
    nodes: list[Execution] = []
    told: Counts | None = None
    unknown = 0
    for event in scanned.events:
        kind = event.get("t")
        if kind == "run":
            _fill_start(run, event)
        elif kind == "exec":
            nodes.append(_execution(event))
        elif kind == "end":
            told = _fill_end(run, event)
        else:
            unknown += 1
    run.roots = assemble(nodes, run.argv, run.cwd, run.started)
    lost = scanned.lost > 0
    run.counts = told if told and (lost or not nodes) else _count(nodes)
    run.saved = sum(node.saved for node in nodes)
    run.notes = list(_notes(run, scanned, unknown, len(data)))
    return run


def _notes(run: Run, scanned: Scan, unknown: int, size: int) -> Iterator[str]:
    if size > MAX_BYTES:
        yield f"journal longer than {MAX_BYTES >> 20} MiB: the rest is not shown"
    if size == 0:
        yield "journal empty: the run ended before it wrote anything"
    elif scanned.cut:
        yield "journal cut off: what came before is shown"
    if scanned.lost and not scanned.cut:
        yield f"journal damaged: {scanned.lost} bytes could not be read, the rest is shown"
    if size and not run.started:
        yield "journal has no start: the command of the run is not known"
    if unknown:
        yield f"{unknown} event{'s' * (unknown > 1)} of an unknown kind left out"


def _fill_start(run: Run, event: Event) -> None:
    if run.started:
        return
    run.version = text(event.get("version"))
    run.argv = names(event.get("argv"))
    run.cwd = name(event.get("cwd"))
    run.started = number(event.get("started"))
    run.pid = int(number(event.get("pid")))
    run.host = text(event.get("host"))
    options = event.get("options")
    if isinstance(options, dict):
        run.options = {text(key): bool(value) for key, value in options.items()}


def _fill_end(run: Run, event: Event) -> Counts:
    run.ended = number(event.get("ended")) or None
    run.status = int(number(event.get("status")))
    counts = event.get("counts")
    told = counts if isinstance(counts, dict) else {}
    return Counts(*(int(number(told.get(outcome))) for outcome in (HIT, MISS, UNCACHEABLE)))


def _execution(event: Event) -> Execution:
    parent = event.get("parent")
    return Execution(
        id=int(number(event.get("id"))),
        parent=int(parent) if isinstance(parent, int) else None,
        argv=names(event.get("argv")),
        exe=name(event.get("exe")),
        cwd=name(event.get("cwd")),
        key=text(event.get("key")),
        outcome=text(event.get("outcome")),
        reasons=_reasons(event.get("reasons")),
        started=number(event.get("started")),
        ended=number(event.get("ended")),
        status=int(number(event.get("status"))),
        maxrss=int(number(event.get("maxrss"))),
        nested=int(number(event.get("nested"))),
        utime=number(event.get("utime")),
        stime=number(event.get("stime")),
        saved=number(event.get("saved")),
    )


def _reasons(value: object) -> list[Reason]:
    items = value if isinstance(value, list) else []
    return [{text(key): field for key, field in item.items()} for item in items if isinstance(item, dict)]


def _count(nodes: list[Execution]) -> Counts:
    outcomes = [node.outcome for node in nodes]
    return Counts(*(outcomes.count(outcome) for outcome in (HIT, MISS, UNCACHEABLE)))
