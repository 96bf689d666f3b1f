"""The command lines of all verbs but ``run``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from procache.config import units
from procache.errors import UsageError

ABOUT = {
    "log": "List the runs, newest first.",
    "show": "Show one run as the tree of its executions.",
    "explain": "Say why executions of a run were not skipped, or whether a command would be skipped now.",
    "check": "Say whether a command would be skipped now: exit status 0 if it would, 1 if not. Nothing is run.",
    "config": "Show the settings: those of procache.toml files, of variables, and what is built in.",
    "stats": "Say what the store holds and what it has saved.",
    "clear": "Delete everything that is stored: records, outputs and journals.",
    "gc": "Delete what was not used for longest. Without options: as the settings max_size and max_age say.",
    "pin": "Keep what a run has stored from being deleted by gc; --list names the runs that are kept.",
    "unpin": "Keep what a run has stored no longer.",
    "verify": "Check everything that is stored: exit status 0 if all is well, 1 if not. Runs may go on meanwhile.",
    "store": "Carry a store of an older format over into the present one, or create one, also for a group.",
}
USAGE = {
    "explain": "procache explain [--all] [--json] [--resume] [--strict] [--config F] [--cache-dir D] [RUN | -- CMD...]",
    "check": "procache check [--json] [--resume] [--strict] [--config F] [--cache-dir D] -- CMD...",
}
RUN_HELP = "id of a run, the beginning of one, or 'last' (the default)"
ALL_HELP = {
    "show": "show every execution, also where many siblings had the same outcome",
    "explain": "also list the hits, and name every execution where many share a reason",
}
#: How many runs ``log`` lists when it is not told.
DEFAULT_NUMBER = 20
NUMBER_HELP = f"list N runs at most (default {DEFAULT_NUMBER}, 0: all)"
STORE_HELP = "migrate: carry over what is readable, then the old store goes; create: make a new one"
CONFIG_HELP = "settings that come before those of the user's and the project's procache.toml"
Number = TypeVar("Number", int, float)
CACHE_HELP = "the cache folder (default: $PROCACHE_DIR, else procache in the user's cache)"


@dataclass(slots=True)
class Options:
    """What was asked for; a verb reads only the fields that its command line has."""

    json: bool = False
    cache_dir: str | None = None
    run: str | None = None
    number: int = DEFAULT_NUMBER
    all: bool = False
    yes: bool = False
    config: str | None = None
    resume: bool = False
    strict: bool = False
    what: str = ""
    folder: str | None = None
    shared: bool = False
    group: str | None = None
    origin: bool = False
    max_size: int | None = None
    older_than: float | None = None
    project: str | None = None
    dry_run: bool = False
    listed: bool = False
    repair: bool = False
    command: list[bytes] | None = None


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse for a command line that it cannot read."""
        if self.prog == "procache explain" and "unrecognized" in message:
            message += "; a command stands after `--`"
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def parse(verb: str, args: Sequence[str]) -> Options:
    """Read the arguments of ``verb``. Raises UsageError; ``--help`` raises SystemExit(0)."""
    mine, command = _split(verb, args) if verb in ("explain", "check") else (args, None)
    if verb == "check" and command is None and not {"-h", "--help"} & set(args):
        raise UsageError("check needs a command after `--`: procache check -- COMMAND")
    parser = _parser(verb)
    read = parser.parse_intermixed_args if verb == "store" else parser.parse_args  # `create --shared DIR`
    options = read(mine, namespace=Options(command=command))
    if options.command is not None and options.run is not None:
        raise UsageError("explain takes a RUN or a command after `--`, not both")
    if verb == "pin" and (options.run is None) is not options.listed:
        raise UsageError("pin takes a RUN or --list (see `procache pin --help`)")
    if options.project is not None and options.max_size is not None:
        raise UsageError("--project removes what ran there, whatever its size; it does not go with --max-size")
    return options


def _split(verb: str, args: Sequence[str]) -> tuple[Sequence[str], list[bytes] | None]:
    """The arguments before the first ``--``, and the command after it (None without a ``--``)."""
    if "--" not in args:
        return args, None
    at = args.index("--")
    command = [os.fsencode(word) for word in args[at + 1 :]]
    if not command or not command[0]:
        raise UsageError(f"no command after `--` (see `procache {verb} --help`)")
    return args[:at], command


def _parser(verb: str) -> Parser:
    parser = Parser(prog=f"procache {verb}", description=ABOUT[verb], usage=USAGE.get(verb), allow_abbrev=False)
    add = parser.add_argument
    if verb in ("show", "explain"):
        add("run", metavar="RUN", nargs="?", help=RUN_HELP)
        add("--all", action="store_true", help=ALL_HELP[verb])
    if verb == "config":
        add(
            "what", metavar="show", nargs="?", choices=["show"], default="show", help="show every setting and its value"
        )
        add("--origin", action="store_true", help="also say where each value comes from")
    if verb == "store":
        add("what", metavar="migrate|create", choices=["migrate", "create"], help=STORE_HELP)
        add("folder", metavar="DIR", nargs="?", help="the store to create (default: the cache folder)")
        add("--shared", action="store_true", help="create a store for all members of a group")
        add("--group", metavar="G", help="that group, by name or number (default: your own)")
    if verb in ("explain", "check", "config"):
        add("--config", metavar="FILE", help=CONFIG_HELP)
    if verb in ("explain", "check"):
        add("--resume", action="store_true", help="ask about a run with --resume")
        add("--strict", action="store_true", help="ask about a run with --strict")
    if verb == "log":
        add("-n", "--number", metavar="N", type=_count, help=NUMBER_HELP)
    if verb == "gc":
        add("--max-size", metavar="SIZE", type=_size, help="delete until the store has no more, such as 500M or 10G")
        add("--older-than", metavar="AGE", type=_age, help="delete what was not used for so long, such as 12h or 30d")
        add("--project", metavar="DIR", help="delete only what ran in DIR or below, and what nothing else needs")
        add("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")
    if verb in ("pin", "unpin"):
        add("run", metavar="RUN", nargs=None if verb == "unpin" else "?", help=RUN_HELP.partition(" (")[0])
    if verb == "pin":
        add("--list", dest="listed", action="store_true", help="name the runs that are kept")
    if verb == "verify":
        add("--repair", action="store_true", help="set damaged things aside, which makes them a miss")
    if verb == "clear":
        add("--yes", "-y", action="store_true", help="do not ask")
    add("--json", action="store_true", help="write JSON instead of text")
    add("--cache-dir", metavar="D", help=CACHE_HELP)
    return parser


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of runs (0: all of them)")
    return int(word)


def _size(word: str) -> int:
    return _unit(units.parse_size, word)


def _age(word: str) -> float:
    return _unit(units.parse_age, word)


def _unit(parse: Callable[[str], Number], word: str) -> Number:
    try:
        return parse(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
