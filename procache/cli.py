"""The command line. ``run`` is parsed here, by hand, since a warm hit must cost hardly more than Python's start."""

from __future__ import annotations

import os

from procache.errors import ProcacheError, UsageError, say, write

USAGE = """\
usage: procache run [options] -- COMMAND [ARG…]     run a command, skipping what has not changed
       procache explain [RUN | -- COMMAND…]         why things were run, or would be
       procache check -- COMMAND…                   would it be skipped? exit status 0 or 1; nothing is run
       procache log | show [RUN] | stats | clear    runs, one run as a tree, totals, forget everything
       procache gc [--max-size S] [--older-than A]  delete what was not used for longest (done by itself after runs)
       procache pin RUN | pin --list | unpin RUN    keep what a run has stored
       procache verify [--repair]                   check everything that is stored
       procache config show [--origin]              what is set, and where
       procache store migrate | store create [--shared [--group G]] [DIR]
                                                    carry a store of an older format over; make one, also for a group
       procache --help | --version

options of run:
  --refresh         skip nothing, and record everything anew
  --no-store        skip what is recorded, and record nothing
  --resume          also skip work whose own results are already in place
  --strict          record nothing that reads the clock, random numbers or process ids
  --verify[=PERCENT]  run hits for real (all, or so many of a hundred) and compare with what is recorded
  --verify-remember   with it: never skip again what gave another result
  --config FILE     settings that come before those of the user's and the project's procache.toml
  --cache-dir DIR   the cache folder (default: $PROCACHE_DIR, else ~/.cache/procache)
  -q, --quiet       no summary;  -v: a summary even when stderr is no terminal
  --log-file FILE   write a trace log;  --log-level calls|successes|decisions (default: decisions)
  --debug           tracebacks when procache itself fails

Every verb but run takes --json and --cache-dir; see procache VERB --help.
"""
VERBS = ("explain", "check", "log", "show", "stats", "clear", "config", "gc", "pin", "unpin", "verify", "store")
FLAGS = {
    "--refresh": "refresh",
    "--no-store": "no_store",
    "--resume": "resume",
    "--strict": "strict",
    "--quiet": "quiet",
    "-q": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--verify-remember": "verify_remember",
    "--debug": "debug",
    "--help": "help",
    "-h": "help",
}
VALUES = {"--cache-dir": "cache_dir", "--config": "config", "--log-file": "log_file", "--log-level": "log_level"}
LEVELS = ("calls", "successes", "decisions")


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class RunOptions:
    """What the command line of ``run`` says."""

    __slots__ = (
        "refresh",
        "no_store",
        "resume",
        "strict",
        "quiet",
        "verbose",
        "debug",
        "cache_dir",
        "config",
        "verify",
        "verify_remember",
        "log_file",
        "log_level",
        "help",
        "command",
    )

    def __init__(self) -> None:
        self.refresh = self.no_store = self.resume = self.strict = self.quiet = self.verbose = self.debug = False
        self.verify_remember = self.help = False
        self.verify: float | None = None  # percent
        self.cache_dir: str | None = None
        self.config: str | None = None
        self.log_file: str | None = None
        self.log_level = "decisions"
        self.command: list[bytes] = []

    def of_policy(self) -> dict[str, object]:
        """What these options say of the policy: attributes and their values."""
        found: dict[str, object] = {name: True for name in ("resume", "strict") if getattr(self, name)}
        if self.verify_remember:
            found["verify_remember"] = True
        if self.verify is not None or self.verify_remember:
            found["verify"] = 100.0 if self.verify is None else self.verify
        return found


def parse_run(args: list[str]) -> RunOptions:
    """Parse the arguments of ``run``. Raises UsageError."""
    options = RunOptions()
    at = 0
    while at < len(args) and args[at].startswith("-"):
        word, equals, value = args[at].partition("=")
        at += 1
        if word == "--":
            break
        if word == "--verify":
            options.verify = percentage(value) if equals else 100.0
        elif word in FLAGS and not equals:
            setattr(options, FLAGS[word], True)
        elif word in VALUES:
            if not equals:
                if at >= len(args):
                    raise UsageError(f"{word} needs a value")
                value = args[at]
                at += 1
            setattr(options, VALUES[word], value)
        else:
            meant = nearest(word, (*FLAGS, *VALUES, "--verify"))
            raise UsageError(f"run has no option {quoted(word)}{meant}; see procache --help")
    if options.log_level not in LEVELS:
        raise UsageError(f"--log-level is one of {', '.join(LEVELS)}, not {options.log_level!r}")
    options.command = [os.fsencode(word) for word in args[at:]]
    if not options.command and not options.help:
        raise UsageError("run needs a command: procache run -- COMMAND [ARG…]")
    return options


def percentage(text: str) -> float:
    """The value of --verify. Raises UsageError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise UsageError(f"--verify is a percentage from 0 to 100, not {text!r}")
    return value


def quoted(word: str) -> str:
    """A word of the command line, readable and harmless."""
    from procache.report.text import safe

    return f"'{safe(word)}'"


def nearest(word: str, known: Iterable[str]) -> str:
    """A guess at what was meant, where one of the known words is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), 1)
    return f" (did you mean {found[0]}?)" if found else ""


def main(args: list[str]) -> int:
    """The ``procache`` command; returns its exit status."""
    try:
        return _dispatch(args)
    except ProcacheError as error:
        say(str(error))
        return error.status


def _dispatch(args: list[str]) -> int:
    if not args:
        write(USAGE)
        return 2
    verb, rest = args[0], args[1:]
    if verb == "run":
        options = parse_run(rest)
        if options.help:
            return tell(USAGE)
        from procache.run import run

        return run(options)
    if verb in VERBS:
        from procache import report

        return report.main(verb, rest)
    if verb in ("--version", "-V"):
        from procache import __version__

        return tell(f"procache {__version__}\n")
    if verb in ("--help", "-h", "help"):
        return tell(USAGE)
    if verb.startswith("-"):
        raise UsageError(f"procache has no option {quoted(verb)}; those of a verb stand behind it; see procache --help")
    meant = nearest(verb, ("run", *VERBS)) or "; a command is run with `procache run -- COMMAND`"
    raise UsageError(f"there is no verb {quoted(verb)}{meant}; verbs are run, {', '.join(VERBS)}")


def tell(words: str) -> int:
    """Write what was asked for to stdout; returns the exit status."""
    from procache.report.command import tell

    return tell(words)
