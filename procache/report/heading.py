"""The lines above a report on one run."""

from __future__ import annotations

from collections.abc import Iterator

from procache.report import runs, text
from procache.report.journal import Run
from procache.report.text import Style


def lines(run: Run, style: Style) -> Iterator[str]:
    """Which run it is, its command, when and how it went, and what its journal lacks."""
    flags = "".join(f" --{name.replace('_', '-')}" for name, on in sorted(run.options.items()) if on)
    yield style.paint(style.cut(f"run {text.safe(run.id)}: {text.command(run.argv)}"), "head")
    ended = runs.state(run)
    how = f"status {ended}" if run.status is not None else ended
    folder, took = text.path(run.cwd) or "?", text.seconds(run.took)
    yield f"in {folder}, started {text.when(run.started)}, took {took}, {how}"
    if flags:
        yield f"with{text.safe(flags)}"
    yield counts(run)
    for note in run.notes:
        yield style.paint(f"note: {note}", "unfinished")


def counts(run: Run) -> str:
    """How many executions of each outcome, and the time saved."""
    nested = sum(max(0, node.nested - 1) for node in run.executions())
    within = f" (with {nested} more inside)" if nested else ""
    saved = f"; saved about {text.seconds(run.saved)}" if run.saved else ""
    hit, miss, uncacheable = (plural(outcome, number) for outcome, number in run.counts._asdict().items())
    return f"{text.many(sum(run.counts), 'execution')}: {hit}{within}, {miss}, {uncacheable}{saved}"


def plural(outcome: str, number: int) -> str:
    """``3 hits``, ``1 miss``, ``2 uncacheable``."""
    more = {"hit": "hits", "miss": "misses"}.get(outcome, outcome)
    return text.many(number, outcome, more)
