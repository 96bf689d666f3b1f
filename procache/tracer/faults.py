"""Saying that procache itself failed, once, without harm to the command."""

from __future__ import annotations

import sys

#: Set by --debug: tracebacks instead of one line.
debug = False
_said = False


def report(error: BaseException) -> None:
    """One line on stderr for the first fault; with --debug a traceback for each."""
    global _said
    if debug:
        import traceback

        traceback.print_exception(error)
        return
    if not _said:
        _said = True
        what = f"internal fault ({type(error).__name__}: {error})"
        print(f"procache: {what}; the command goes on, not all of it is recorded (see --debug)", file=sys.stderr)
