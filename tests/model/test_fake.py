"""The fake world answers as the real one does, so that what holds for it holds for files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from procache.model.aspects import CONTENT, LISTING, META, NAMES, OWNER, STRENGTH, TYPE
from procache.world.view import World

from .fake import FakeWorld
from .hands import FakeHands, RealHands
from .machine import Machine
from .script import acts, meddle

FILES = "put /in input; put /other input; mkdir /d; put /d/x x; symlink /link nowhere; utime /in 7; utime /d 8"
ASKED = ("/in", "/other", "/d", "/link", "/none")


@pytest.fixture
def pair(tmp_path: Path) -> list[Machine]:
    """The same files in a fake and in a real world."""
    os.umask(0o022)
    world = FakeWorld(remembers=True)
    machines = [Machine(world, FakeHands(world)), Machine(World(), RealHands(), os.fsencode(tmp_path))]
    for machine in machines:
        meddle(machine, FILES)
    return machines


def plain(value: Any) -> Any:
    """A value without what no two worlds share: owner, times, identity."""
    if isinstance(value, tuple) and len(value) == 8:
        return value[0], value[3], value[4], value[6]
    return value[0] if isinstance(value, tuple) else value


@pytest.mark.parametrize("aspect", [TYPE, OWNER, META, CONTENT])
@pytest.mark.parametrize("name", [*ASKED, "/in/below", "/none/below"])
def test_the_same_values(pair: list[Machine], name: str, aspect: int) -> None:
    answers = []
    for machine in pair:
        path = machine.path(name)
        kind, value = machine.world.value(aspect, path, machine.world.look(path))
        shown = plain(value)
        answers.append((NAMES[kind], shown[0] if name == "/d" and isinstance(shown, tuple) else shown))
    assert answers[0] == answers[1]


def test_the_same_entries(pair: list[Machine]) -> None:
    entries = [machine.world.entries(machine.top or b"/") for machine in pair]
    assert entries[0] == entries[1]
    digests = [machine.world.listing_digest(found) for machine, found in zip(pair, entries, strict=True)]
    assert digests[0] == digests[1]


CHANGES = """
put /in INPUT; utime /in 9 | put /in input; utime /in 9 | append /in more; utime /in 9 | utime /in 9 | chmod /in 600
link /in /second | unlink /in | unlink /in; mkdir /in | unlink /other; symlink /other /in | rename /other /in
chmod /d 700 | put /d/y y; utime /d 8 | unlink /d/x; utime /d 8 | utime /d 9 | unlink /d/x; rmdir /d | unlink /link
unlink /link; symlink /link /other | unlink /link; put /link x | put /none x | mkdir /none
unlink /other; mkdir /other; put /other/x x | mkdir /none; put /none/x x
"""


def cases(table: str) -> list[str]:
    """The scripts of a table."""
    return ["", *(script.strip() for line in table.splitlines() for script in line.split("|") if script.strip())]


def seen(machine: Machine) -> list[tuple[bytes, int, object]]:
    """Every aspect of every name."""
    found = []
    for name in ASKED:
        path = machine.path(name)
        st = machine.world.look(path)
        found += [(path, *machine.world.value(aspect, path, st)) for aspect in (TYPE, OWNER, META, CONTENT)]
    listing = machine.world.listing_digest(machine.world.entries(machine.path("/d")))
    return [*found, (machine.path("/d"), LISTING, listing)]


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("change", cases(CHANGES))
def test_the_same_differences(pair: list[Machine], change: str, timed: bool) -> None:
    told: list[list[str]] = []
    for machine in pair:
        facts = seen(machine)
        meddle(machine, change)
        told.append([])
        for path, aspect, value in facts:
            differs = machine.world.differs((path, aspect, value, timed), machine.world.look(path)) is not None
            changed = aspect in STRENGTH and not machine.world.unchanged(aspect, path, value)
            told[-1].append(f"{path[len(machine.top) :].decode()} {NAMES[aspect]} {differs=} {changed=}")
    assert told[0] == told[1]


ERRORS = """
put /d x | put /none/x x | put /in/x x | append /d x | mkdir /in | mkdir /none/d | rmdir /in | rmdir /d | rmdir /none
unlink /d | unlink /none | unlink /in/x | rename /none /a | rename /in /d | rename /d /in | rename /d /d/e
rename /in /none/x | rename /none /in/x | rename /in /in | link /d /a | link /none /in/x | link /in /d | link /none /a
symlink /in x | chmod /none 600 | chmod /link 600 | read /d | read /none | read /link | put /link x
mkdir /e; rename /e /d | mkdir /e; rename /d /e
"""


@pytest.mark.parametrize("script", cases(ERRORS))
def test_the_same_errors(pair: list[Machine], script: str) -> None:
    results: list[list[Any]] = []
    for machine in pair:
        results.append([])
        for act, arguments in acts(script):
            paths = [machine.path(word) if isinstance(word, str) else word for word in arguments]
            results[-1].append(machine._do(getattr(machine.hands, act), *paths))
        results[-1].append({name[len(machine.top) :] for name in machine.hands.picture(machine.top)})
    assert results[0] == results[1]
