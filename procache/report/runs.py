"""The runs of a store: listing them, finding the one that is meant, reading it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from procache.errors import ProcacheError, StoreError, UsageError
from procache.report import journal, jsonable, text
from procache.report.events import MAX_BYTES
from procache.report.journal import Run
from procache.store import opened, processes
from procache.store.layout import Layout

SUFFIX = ".journal"
LAST = "last"
#: How many runs an error names when a prefix fits several.
NAMED = 5


class NothingThere(ProcacheError):
    """Raised when a question is about runs or records of which the store has none."""

    status = 1


def ids(layout: Layout) -> list[str]:
    """The ids of all runs, newest first (an id begins with the UTC time of its start)."""
    try:
        names = os.listdir(layout.runs)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot read {text.path(layout.runs)}: {error.strerror}") from error
    found = [os.fsdecode(name) for name in names]
    return sorted((name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)), reverse=True)


def some(layout: Layout) -> list[str]:
    """As ``ids``; raises NothingThere where there is no run at all."""
    found = ids(layout)
    if not found:
        raise NothingThere(f"no runs in {text.path(layout.top)} yet; `procache run -- CMD` makes one")
    return found


def resolve(layout: Layout, wanted: str | None) -> str:
    """The id that ``wanted`` means: ``last`` (or None), an id, or the beginning of just one id.

    Raises NothingThere when there are no runs, UsageError when none or several fit.
    """
    known = some(layout)
    if wanted is None or wanted == LAST:
        return known[0]
    if wanted in known:
        return wanted
    fit = [name for name in known if wanted and name.startswith(wanted)]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        raise UsageError(f"no run {text.safe(wanted)!r}; the latest are {_names(known)} (see `procache log`)")
    raise UsageError(f"{text.safe(wanted)!r} fits {len(fit)} runs: {_names(fit)}")


def _names(known: list[str]) -> str:
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return ", ".join(map(text.safe, known[:NAMED])) + more


def load(layout: Layout, name: str) -> Run:
    """Read the run with this id. Raises StoreError when its journal cannot be read."""
    file = os.path.join(layout.runs, os.fsencode(name + SUFFIX))
    try:
        with opened(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise StoreError(f"cannot read {text.path(file)}: {error.strerror}") from error
    return journal.read(name, data)


def readable(layout: Layout, names: Iterable[str], remark: Callable[[str], None]) -> Iterator[Run]:
    """The runs with these ids, read one by one; ``remark`` is told of each that cannot be read."""
    for name in names:
        try:
            yield load(layout, name)
        except StoreError as error:
            remark(str(error))


def state(run: Run) -> str:
    """How a run ended: its exit code or signal, ``running``, or ``cut off`` when procache was killed."""
    if run.ended is not None:
        return text.status(run.status)
    return "running" if _alive(run) else "cut off"


def summary(run: Run) -> dict[str, Any]:
    """A run as JSON has it in every report, without its executions."""
    return {**jsonable.run(run), "state": state(run)}


def _alive(run: Run) -> bool:
    """True when the run's procache is still there: same machine, same pid, started no later than the run."""
    if not run.started or run.host != socket.gethostname():
        return False
    return processes.lives(run.pid, run.started)
