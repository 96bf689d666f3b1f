"""Runs one verb of the command line that reports on the store, or looks after it."""

from __future__ import annotations

from collections.abc import Callable

from procache.errors import ProcacheError, say
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
    return reported(lambda output: VERBS[verb](parse(verb, args), output))


def tell(words: str) -> int:
    """Write a text to stdout; return the exit status of procache."""

    def told(output: Output) -> int:
        output.write(words)
        return 0

    return reported(told)


def reported(report: Callable[[Output], int]) -> int:
    """Have a report written; its status, or that of the error that ended it, which is said."""
    try:
        output = Output()
        try:
            status = report(output)
        except SystemExit as done:  # argparse, after --help
            status = int(done.code or 0)
        output.flush()
        return status
    except ProcacheError as error:
        say(str(error))
        return error.status
    except BrokenPipeError:
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
