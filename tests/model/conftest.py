"""Fixtures of the model's tests: a machine with a small world."""

from __future__ import annotations

import pytest

from .fake import FakeWorld
from .hands import FakeHands
from .machine import Machine
from .script import meddle

FILES = "put /in input; put /old output; mkdir /d; put /d/x x; mkdir /empty; symlink /link /in"


def filled(*, remembers: bool = False) -> Machine:
    """A machine whose world holds two files, a folder with one more, an empty folder and a link."""
    world = FakeWorld(remembers=remembers)
    machine = Machine(world, FakeHands(world))
    meddle(machine, FILES)
    return machine


@pytest.fixture
def machine() -> Machine:
    """See ``filled``."""
    return filled()


@pytest.fixture
def before() -> Machine:
    """An equal machine on which nothing has run."""
    return filled()
