"""The events of a run's journal: one place says which fields each has."""

from __future__ import annotations

import os

from procache.digests import hexadecimal
from procache.model.redaction import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.command import Command
    from procache.model.reasons import Reason

Event = dict[str, object]


def run_event(run_id: str, version: str, command: Command, started: float, options: dict[str, bool]) -> Event:
    """The beginning of a run. ``started``: seconds since 1970."""
    return {
        "t": "run",
        "id": run_id,
        "version": version,
        "argv": shown(command.argv),
        "cwd": command.cwd,
        "started": started,
        "pid": os.getpid(),
        "host": os.uname().nodename,
        "options": options,
    }


def execution_event(
    number: int,
    parent: int | None,
    command: Command,
    outcome: str,
    reasons: list[Reason],
    started: float,
    ended: float,
    status: int,
    usage: tuple[float, float, int],
    saved: float,
    nested: int,
) -> Event:
    """One execution: ``status`` as exit status or -signal; ``usage``: user and system seconds, KiB at most."""
    return {
        "t": "exec",
        "id": number,
        "parent": parent,
        "argv": shown(command.argv),
        "exe": command.exe,
        "cwd": command.cwd,
        "key": hexadecimal(command.key).decode(),
        "outcome": outcome,
        "reasons": reasons,
        "started": started,
        "ended": ended,
        "status": status,
        "utime": usage[0],
        "stime": usage[1],
        "maxrss": usage[2],
        "saved": saved,
        "nested": nested,
    }
