"""Acts as text, for tables of cases: ``"stat /in; put /out text; chmod /out 600; rename /out /new"``."""

from __future__ import annotations

from typing import Any

from procache.model import effects as fx
from procache.model.execution import Execution
from procache.model.reasons import printable

from .machine import Machine
from .records import Blobs, compare, taken

PATHS = ("rename", "link")


def acts(text: str) -> list[tuple[str, list[Any]]]:
    """The acts of a script: name, and arguments of the right types."""
    found = []
    for line in filter(None, (line.strip() for line in text.split(";"))):
        act, *words = line.split(" ", 2)
        found.append((act, [words[0], *(_argument(act, word) for word in words[1:])]))
    return found


def _argument(act: str, word: str) -> Any:
    if act in PATHS:
        return word
    if act == "chmod":
        return int(word, 8)
    return int(word) * 10**9 if act == "utime" else word.encode()


def do(machine: Machine, ex: Execution, text: str) -> list[Any]:
    """Let ``ex`` do what the script says; returns what it sees."""
    return [getattr(machine, act)(ex, *arguments) for act, arguments in acts(text)]


def meddle(machine: Machine, text: str) -> None:
    """Do what the script says as somebody who is not watched."""
    for act, arguments in acts(text):
        paths = [machine.path(word) if isinstance(word, str) else word for word in arguments]
        getattr(machine.hands, act)(*paths)


def effects(machine: Machine, ex: Execution) -> dict[str, str]:
    """Name -> what became of it, with the content of new files."""
    blobs: Blobs = {}
    told = {}
    for path, kind, _, state, _, in_place, _ in taken(machine, ex, blobs).effects:
        word = fx.NAMES[kind]
        if kind == fx.FILE:
            assert isinstance(state, tuple)
            word += f" {blobs[state[6]].decode()}" + (" in place" if in_place else "")
        told[path[len(machine.top) :].decode()] = word
    return told


def differing(machine: Machine, ex: Execution, text: str = "", *, before: Machine, resume: bool = False) -> list[str]:
    """The names that differ for the record of ``ex`` in the world of ``before``, once somebody has meddled with it."""
    world = before.world.copy()
    meddle(Machine(world, type(before.hands)(world)), text)
    found = compare(taken(machine, ex), world, resume=resume).differences
    return [f"{printable(why['path'])} {why['aspect']}" for why in found]
