"""Errors that end procache, each with an exit status and a next step for the user.

    ProcacheError        125  procache itself failed
    |-- UsageError         2  the command line or a setting is wrong
    |-- StoreError       125  the cache folder cannot be used
    `-- CommandError  126/127  the command cannot be started (not executable, not found)

A miss is not an error, nor is a taint: those are reasons (``procache.model.reasons``).
What procache says of itself goes through ``say``.
"""

from __future__ import annotations

import sys

#: What is raised where descriptors, memory, processes or room run out: for procache's own modules too.
SCARCE = (OSError, ImportError, MemoryError)


class ProcacheError(Exception):
    """procache itself failed; the message is one line that says what, where and what to do."""

    status = 125


class UsageError(ProcacheError):
    """Raised for a command line or setting that cannot be meant; nothing was run."""

    status = 2


class StoreError(ProcacheError):
    """Raised when the cache folder cannot be read, written or trusted."""


class CommandError(ProcacheError):
    """Raised when the command cannot be started; ``status`` is 127 (not found) or 126, as in sh."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def say(line: str) -> None:
    """A line about procache itself on stderr. Where that is closed, full or gone, the line is lost.

    That is no failure of the command, whose status is not to suffer; a byte that is not UTF-8 is shown as an escape.
    """
    write(f"procache: {line}\n")


def write(words: str) -> None:
    """Text on stderr, as ``say``."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(words.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        sys.stderr.flush()
    except OSError:
        sys.stderr = None  # what it still holds is not to be tried again at the end
