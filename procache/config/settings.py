"""The keys of ``procache.toml``: what each may hold, what it means, and how it becomes part of a ``Policy``.

Values of lists are tuples of text. A list may hold ``"..."``, which stands for what the list was before (built
in, or from a weaker source), and ``"!word"``, which takes a word out of it.
"""

from __future__ import annotations

import os

from procache import digests
from procache.config import units
from procache.model.policy import STRICT_CALLS, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Words = tuple[str, ...]
AS_BEFORE, WITHOUT = "...", "!"
FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Wrong(ValueError):
    """Raised for a value that a key cannot have; the message says what it can be."""


class Setting:
    """One key, what it holds, and what it means."""

    __slots__ = ("name", "kind", "about")

    def __init__(self, name: str, kind: Kind, about: str) -> None:
        self.name = name
        self.kind = kind
        self.about = about


class Kind:
    """A kind of value.

    ``check(raw, before, folder)`` gives the value or raises Wrong: ``raw`` as TOML has it, ``before`` what the key
    was, ``folder`` the one in which relative paths begin. ``read`` makes of a variable's text what TOML would have.
    """

    __slots__ = ("check", "read")

    def __init__(self, check: Callable[[object, object, str], object], read: Callable[[str], object]) -> None:
        self.check = check
        self.read = read


def _words(raw: object, before: object, fits: Callable[[str], str]) -> Words:
    """A list of words over the list that was there before."""
    if not isinstance(raw, list) or not all(isinstance(word, str) for word in raw):
        raise Wrong('a list of strings, such as ["...", "word"]')
    found: list[str] = []
    for word in raw:
        if word == AS_BEFORE:
            found += before  # type: ignore[arg-type]
        elif word.startswith(WITHOUT):
            gone = fits(word[1:])
            found = [other for other in found if other != gone]
        else:
            found.append(fits(word))
    return tuple(dict.fromkeys(found))


def _variable(word: str) -> str:
    if not word or "=" in word or "*" in word[:-1] or word == "*":
        raise Wrong(f"names of variables (with a * at the end for all that begin so), not {word!r}")
    return word


def _program(word: str) -> str:
    if not word or "/" in word:
        raise Wrong(f"names of programs without a folder, not {word!r}")
    return word


def _option(word: str) -> str:
    name = word.lstrip("-").lower().replace("_", "-")
    if not name or "=" in name or " " in name:
        raise Wrong(f"names of options, not {word!r}")
    return name


def _exempt(word: str) -> str:
    program, colon, call = word.partition(":")
    if colon and call not in STRICT_CALLS:
        raise Wrong(f"programs, or program:call with one of {', '.join(sorted(STRICT_CALLS))}, not {word!r}")
    _program(program)
    return word


def _pattern(word: str, folder: str) -> str:
    """An absolute pattern; the part before the first wildcard is freed of symbolic links, as facts are."""
    if not word:
        raise Wrong("paths or patterns of paths, not ''")
    names = os.path.join(folder, os.path.expanduser(word)).split("/")
    wild = next((at for at, name in enumerate(names) if "*" in name or "?" in name), len(names))
    if ".." in names[wild:]:
        raise Wrong(f"patterns without .. behind a wildcard, not {word!r}")
    fixed = os.path.realpath("/".join(names[:wild]) or "/")
    return "/".join([fixed.rstrip("/"), *names[wild:]]) or "/"


def _number(raw: object, least: float, most: float, meant: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not least <= raw <= most:
        raise Wrong(f"{meant}, not {raw!r}")
    return float(raw)


def _whole(raw: object, least: int, most: int) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
        raise Wrong(f"a whole number from {least} to {most}, not {raw!r}")
    return raw


def _flag(raw: object, before: object, folder: str) -> bool:
    if not isinstance(raw, bool):
        raise Wrong(f"true or false, not {raw!r}")
    return raw


def _read_flag(text: str) -> object:
    return FLAGS.get(text.lower(), text)


def _read_number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _read_whole(text: str) -> object:
    return int(text) if text.isdecimal() and text.isascii() else text


def _one_of(*choices: str) -> Kind:
    def check(raw: object, before: object, folder: str) -> str:
        if raw not in choices:
            raise Wrong(f"{' or '.join(repr(choice) for choice in choices)}, not {raw!r}")
        return str(raw)

    return Kind(check, str)


def _limit(parse: Callable[[str], float]) -> Kind:
    """A limit that ``parse`` reads; its value is the text, "none" where there is no limit."""

    def check(raw: object, before: object, folder: str) -> str:
        if raw == units.NONE:
            return units.NONE
        try:
            parse(raw if isinstance(raw, str) else "")
        except ValueError as error:
            raise Wrong(f"{str(error).partition(', not ')[0]} as text, or {units.NONE!r}; not {raw!r}") from error
        return str(raw)

    return Kind(check, str)


def _split(text: str) -> object:
    return [word for word in text.split(":") if word]


VARIABLES = Kind(lambda raw, before, folder: _words(raw, before, _variable), _split)
OPTIONS = Kind(lambda raw, before, folder: _words(raw, before, _option), _split)
PROGRAMS = Kind(lambda raw, before, folder: _words(raw, before, _program), _split)
#: In a variable, words are separated by spaces: a colon is part of them.
EXEMPT = Kind(lambda raw, before, folder: _words(raw, before, _exempt), str.split)
PATHS = Kind(lambda raw, before, folder: _words(raw, before, lambda word: _pattern(word, folder)), _split)
FLAG = Kind(_flag, _read_flag)
SECONDS = Kind(lambda raw, before, folder: _number(raw, 0, 1e9, "seconds, 0 or more"), _read_number)

PATIENCE = Kind(lambda raw, before, folder: _number(raw, 0, float("inf"), "seconds, 0 or more, or inf"), _read_number)
COUNT = Kind(lambda raw, before, folder: _whole(raw, 1, 1_000_000), _read_whole)
SIZE, AGE = _limit(units.parse_size), _limit(units.parse_age)
PERCENT = Kind(lambda raw, before, folder: _number(raw, 0, 100, "a percentage from 0 to 100"), _read_number)

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("ignored_env", VARIABLES, "environment variables that are no part of a command"),
        Setting("mtime_sensitive", PROGRAMS, "programs whose result depends on modification times"),
        Setting("never_cached", PROGRAMS, "programs that are always run, and what contains them too"),
        Setting("never_skipped", PROGRAMS, "programs that are always run; what contains them may be skipped"),
        Setting("ignored_paths", PATHS, "paths that are neither an input nor an output"),
        Setting("tainting_paths", PATHS, "paths whose users are not recorded"),
        Setting("strict", FLAG, "do not record who reads the clock, random numbers or process ids"),
        Setting("redact", OPTIONS, "options whose values are not shown"),
        Setting("strict_exempt", EXEMPT, "programs that may read them all the same with strict"),
        Setting("only_success", FLAG, "keep only results with exit status 0"),
        Setting("min_runtime", SECONDS, "seconds that something must take to be worth storing"),
        Setting("follow_daemons", PATIENCE, "seconds to wait for what goes on when the command has ended"),
        Setting("pipe_skip", FLAG, "skip stages of a pipeline by what comes through the pipe on their stdin"),
        Setting("verify", PERCENT, "how many of a hundred hits are run for real and compared"),
        Setting("verify_remember", FLAG, "never skip again what gave another result when it was verified"),
        Setting("max_variants", COUNT, "how many results of one command are kept, each for other inputs"),
        Setting("digest", _one_of(*digests.NAMES), "the algorithm by which content and commands are told apart"),
        Setting("compression", _one_of("auto", "none"), "whether stored content is compressed where that pays"),
        Setting("fsync", _one_of("none", "data", "full"), "what of the store is to outlive a power failure"),
        Setting("already_done", _one_of("run", "hit"), "whether work whose results are in place is run again"),
        Setting("max_size", SIZE, "what the store may grow to; beyond it, what was not used for longest goes"),
        Setting("max_age", AGE, "what was not used for so long goes"),
        Setting("max_journal_age", AGE, "journals of runs that ended so long ago go, save the last hundred"),
    )
}


def built_in() -> dict[str, object]:
    """The value of each key where no source says otherwise."""
    plain = Policy()
    return {
        "ignored_env": _told(plain.ignored_env),
        "mtime_sensitive": _told(plain.mtime_sensitive),
        "never_cached": _told(plain.never_cached),
        "never_skipped": _told(plain.never_skipped),
        "ignored_paths": (),
        "tainting_paths": (),
        "strict": plain.strict,
        "redact": _told(plain.redact),
        "strict_exempt": _told(plain.strict_exempt),
        "only_success": plain.only_success,
        "min_runtime": plain.min_runtime,
        "follow_daemons": plain.follow_daemons,
        "pipe_skip": plain.pipe_skip,
        "verify": plain.verify,
        "verify_remember": plain.verify_remember,
        "max_variants": plain.max_variants,
        "digest": plain.digest,
        "compression": plain.compression,
        "fsync": plain.fsync,
        "already_done": "hit" if plain.resume else "run",
        "max_size": "20G",
        "max_age": units.NONE,
        "max_journal_age": "90d",
    }


def _told(names: frozenset[bytes]) -> Words:
    return tuple(sorted(map(os.fsdecode, names)))


def _meant(value: object) -> frozenset[bytes]:
    return frozenset(map(os.fsencode, value))  # type: ignore[call-overload]


def _limited(parse: Callable[[str], float], value: object) -> float:
    """The number that a limit stands for; 0 where there is none."""
    return 0 if value == units.NONE else parse(str(value))


def policy_of(values: dict[str, object]) -> Policy:
    """The policy that values, all checked, stand for."""
    made = Policy()
    for name in ("ignored_env", "mtime_sensitive", "never_cached", "never_skipped", "strict_exempt", "redact"):
        setattr(made, name, _meant(values[name]))
    for name in ("ignored_paths", "tainting_paths"):
        setattr(made, name, tuple(map(os.fsencode, values[name])))  # type: ignore[call-overload]
    made.strict = bool(values["strict"])
    made.only_success = bool(values["only_success"])
    made.min_runtime = float(values["min_runtime"])  # type: ignore[arg-type]
    made.follow_daemons = float(values["follow_daemons"])  # type: ignore[arg-type]
    made.pipe_skip = bool(values["pipe_skip"])
    made.verify = float(values["verify"])  # type: ignore[arg-type]
    made.verify_remember = bool(values["verify_remember"])
    made.max_variants = int(values["max_variants"])  # type: ignore[call-overload]
    made.digest = str(values["digest"])
    made.compression = str(values["compression"])
    made.fsync = str(values["fsync"])
    made.resume = values["already_done"] == "hit"
    made.max_size = int(_limited(units.parse_size, values["max_size"]))
    made.max_age = _limited(units.parse_age, values["max_age"])
    made.max_journal_age = _limited(units.parse_age, values["max_journal_age"])
    return made
