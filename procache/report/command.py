"""Runs one verb of the command line that reports on the store, or looks after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from procache.errors import ProcacheError
from procache.report import clear, diagnosis, evict, explain, integrity, log, pinning, settings, show, stats, store
from procache.report.options import Options, parse
from procache.report.output import Output

Verb = Callable[[Options, Output], int]

VERBS: dict[str, Verb] = {
    "log": log.run,
    "show": show.run,
    "explain": explain.run,
    "check": diagnosis.check,
    "config": settings.run,
    "stats": stats.run,
    "clear": clear.run,
    "gc": evict.run,
    "pin": pinning.pin,
    "unpin": pinning.unpin,
    "verify": integrity.run,
    "store": store.run,
}
#: What a shell reports for a program that a closed pipe ended (128 + SIGPIPE).
PIPE_CLOSED = 141
INTERRUPTED = 130


def main(verb: str, args: list[str]) -> int:
    """Run ``verb`` (one of VERBS) with the arguments after it; return the exit status of procache."""
    try:
        output = Output()
        status = VERBS[verb](parse(verb, args), output)
        output.stream.flush()
        return status
    except ProcacheError as error:
        print(f"procache: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as done:  # argparse, after --help
        return int(done.code or 0)


def _discard_output() -> None:
    """Let Python's own flush at exit go nowhere instead of failing once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
