"""Short ways to write cases and changes down."""

from __future__ import annotations

import shlex
from typing import Any

from .case import Case, Change, Command, Hit, Kind, Start

START = ("cwd", "env", "stdin", "around", "umask", "until")


def case(name: str, cmd: Command, given: str = "", *changes: Change, **more: Any) -> Case:
    """A case; ``more`` are further fields of Start and Case."""
    start = Start(cmd, **{key: more.pop(key) for key in START if key in more})
    return Case(name, start, given, changes, **more)


def steps(text: str) -> list[str | bytes]:
    """The command that does the given steps (scenarios/programs/steps.c)."""
    return ["steps", *shlex.split(text)]


def calls(text: str) -> list[str | bytes]:
    """The same, of the program that also knows the rarer calls (programs/calls.c)."""
    return ["calls", *shlex.split(text)]


def _change(kind: Kind, name: str, do: str, hit: Hit = Hit.FORBIDDEN, known: str = "") -> Change:
    return Change(name, kind, do, hit=hit, known=known)


def content(name: str = "in", sed: str = "", **more: Any) -> Change:
    """Another content of the same size with the time restored: by a sed script, else every letter and digit."""
    do = f"edit {shlex.quote(name)} {shlex.quote(sed)}" if sed else f"flip {shlex.quote(name)}"
    return _change(Kind.CONTENT, f"content of {name}", do, **more)


def longer(name: str = "in", **more: Any) -> Change:
    """Something is added to a file."""
    return _change(Kind.OTHER, f"longer {name}", f"echo more >> {shlex.quote(name)}", **more)


def gone(name: str = "in", **more: Any) -> Change:
    """A name is gone."""
    return _change(Kind.GONE, f"no {name}", f"rm -r {shlex.quote(name)}", **more)


def appears(name: str, text: str = "new", **more: Any) -> Change:
    """A file is where nothing was."""
    quoted = shlex.quote(name)
    return _change(Kind.APPEARS, f"{name} appears", f"mkdir -p $(dirname {quoted}); echo {text} > {quoted}", **more)


def listed(folder: str, **more: Any) -> tuple[Change, Change]:
    """A listed folder has a name more; and one name less (``folder``/1 must be there)."""
    return (
        _change(Kind.LISTING, f"a new name in {folder}", f"echo new > {folder}/new", **more),
        _change(Kind.LISTING, f"a name less in {folder}", f"rm -r {folder}/1", **more),
    )


def mode(bits: str, name: str = "in", **more: Any) -> Change:
    """Another mode."""
    return _change(Kind.MODE, f"mode {bits} of {name}", f"chmod {bits} {shlex.quote(name)}", **more)


def owner(name: str = "in", **more: Any) -> Change:
    """Another owner; only root can."""
    return _change(Kind.OWNER, f"owner of {name}", f"chown -h 12345:54321 {shlex.quote(name)}", **more)


def touched(name: str = "in", **more: Any) -> Change:
    """Another modification time."""
    return _change(Kind.TIME, f"time of {name}", f"touch -h -d 2011-11-11 {shlex.quote(name)}", **more)


def linked(name: str = "in", to: str = "another", **more: Any) -> Change:
    """A file gets a further name."""
    return _change(Kind.LINKED, f"{name} is linked", f"ln {name} {to}", **more)


def leads(link: str, to: str, **more: Any) -> Change:
    """A symbolic link leads elsewhere."""
    return _change(Kind.SYMLINK, f"{link} leads to {to}", f"lead {link} {to}", **more)


def folder(name: str = "in", **more: Any) -> Change:
    """A folder in the place of a file."""
    quoted = shlex.quote(name)
    return _change(Kind.FOLDER, f"{name} is a folder", f"rm -rf {quoted}; mkdir {quoted}", **more)


def fifo(name: str = "in", **more: Any) -> Change:
    """A FIFO in the place of a file."""
    quoted = shlex.quote(name)
    return _change(Kind.FIFO, f"{name} is a FIFO", f"rm -rf {quoted}; mkfifo {quoted}", **more)


def other(kind: Kind, name: str, do: str, hit: Hit = Hit.FORBIDDEN, known: str = "", **parts: Any) -> Change:
    """Any other change by a text; ``parts`` are also started in another way."""
    return Change(name, kind, do, parts, hit, known)


def start(kind: Kind, name: str, hit: Hit = Hit.FORBIDDEN, known: str = "", **parts: Any) -> Change:
    """Another way to start: cmd, cwd, env, stdin, around, umask."""
    return Change(name, kind, start=parts, hit=hit, known=known)


def env(name: str, value: str, **more: Any) -> Change:
    """Another value of a variable."""
    return start(Kind.ENVIRONMENT, f"{name}={value}", env={name: value}, **more)


def unrelated(do: str = "echo 1 > elsewhere", **more: Any) -> Change:
    """A change that does not matter: a hit is required."""
    return Change("nothing that matters", Kind.UNRELATED, do, hit=Hit.REQUIRED, **more)
