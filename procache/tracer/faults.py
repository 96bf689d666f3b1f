"""Saying that procache itself failed, once, without harm to the command."""

from __future__ import annotations

import sys

from procache import errors

#: Set by --debug: tracebacks instead of one line.
debug = False
_said = False


#: What sys.unraisablehook was told of: threads that could not even begin. Where memory is that scarce, the hook has
#: to be one that runs no Python.
unraisable: list[sys.UnraisableHookArgs] = []


def watch_threads() -> None:
    """Keep faults of threads for ``report_threads``, instead of a traceback at any moment."""
    sys.unraisablehook = unraisable.append


def report_threads() -> None:
    """Report what was kept."""
    for args in unraisable[:1]:
        if args.exc_value is not None:
            report(args.exc_value)


def said() -> bool:
    """True when a fault was reported: one line is enough."""
    return _said


def say(complaint: str) -> None:
    """Say what went wrong with the cache; a fault that comes of the same is not reported besides."""
    global _said
    _said = True
    errors.say(complaint)


def report(error: BaseException) -> None:
    """One line on stderr for the first fault; with --debug a traceback for each."""
    global _said
    if debug:
        import traceback

        errors.write("".join(traceback.format_exception(error)))
        return
    if not _said:
        _said = True
        what = f"internal fault ({type(error).__name__}: {error})"
        errors.say(f"{what}; the command goes on, not all of it is recorded (see --debug)")
