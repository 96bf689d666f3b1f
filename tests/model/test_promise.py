"""What the model promises, on random programs: a record that fits never gives another result than a run.

Programs are a few acts on a few names, so that they meet. What was found by larger runs of these tests
stands in test_sequences.py and test_changes.py as a case of its own.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings

from procache.model.record import Record

from .fake import FakeWorld
from .hands import FakeHands
from .machine import Machine
from .plans import Plan, carry_out, change, changes, steps
from .records import Blobs, compare, fold, replay, taken

thorough = settings(max_examples=500, deadline=None, derandomize=True, database=None)


def world_after(plan: Plan) -> FakeWorld:
    """A world that somebody has filled."""
    world = FakeWorld()
    change(FakeHands(world), b"", plan)
    return world


def machine_on(world: FakeWorld) -> Machine:
    """A machine on a copy of the world."""
    world = world.copy()
    return Machine(world, FakeHands(world))


class Family:
    """A program that does something, has a child do something, and goes on."""

    def __init__(self, *plans: Plan) -> None:
        self.first, self.inner, self.last = plans

    def run(self, machine: Machine, record: Record | None = None, blobs: Blobs | None = None) -> Any:
        """Run it; where ``record`` fits, the child is skipped. Returns the parent, the child, and what each saw."""
        parent = machine.start()
        seen = carry_out(machine, parent, self.first)
        child = machine.start(parent)
        inside: list[Any] = []
        if record is None or compare(record, machine.world).differences:
            inside = carry_out(machine, child, self.inner)
            machine.end(child)
        else:
            fold(machine, parent, record, blobs or {})
        return parent, child, seen + carry_out(machine, parent, self.last), inside


def check_not_stale(world: FakeWorld, record: Record, blobs: Blobs, seen: Any, run: Any) -> None:
    """Where ``record`` fits ``world``, ``run`` sees the same there, and a replay leaves the same."""
    if compare(record, world).differences:
        return
    fresh, replayed = machine_on(world), machine_on(world)
    assert run(fresh) == seen
    replay(replayed.hands, record.effects, blobs)
    assert replayed.hands.picture() == fresh.hands.picture()


@thorough
@given(changes, steps)
def test_a_record_fits_the_world_that_it_was_made_in(before: Plan, plan: Plan) -> None:
    world = world_after(before)
    machine = machine_on(world)
    ex = machine.start()
    carry_out(machine, ex, plan)
    assert not ex.taints
    assert not compare(taken(machine, ex), world).differences


@thorough
@given(changes, changes, steps)
def test_a_record_that_fits_gives_what_a_run_would_give(before: Plan, between: Plan, plan: Plan) -> None:
    world, blobs = world_after(before), Blobs()
    machine = machine_on(world)
    ex = machine.start()
    seen = carry_out(machine, ex, plan)
    record = taken(machine, ex, blobs)
    change(FakeHands(world), b"", between)
    check_not_stale(world, record, blobs, seen, lambda fresh: carry_out(fresh, fresh.start(), plan))


@thorough
@given(changes, changes, steps, steps, steps)
def test_a_skipped_child_counts_for_its_parent_as_one_that_ran(
    before: Plan, between: Plan, first: Plan, inner: Plan, last: Plan
) -> None:
    family, world, blobs = Family(first, inner, last), world_after(before), Blobs()
    recording = machine_on(world)
    parent = recording.start()
    carry_out(recording, parent, first)
    child = recording.start(parent)
    carry_out(recording, child, inner)
    of_child = taken(recording, child, blobs)

    running, skipping = machine_on(world), machine_on(world)
    _, _, seen, inside = family.run(running)
    parent, _, seen_over_skip, _ = family.run(skipping, of_child, blobs)
    assert seen_over_skip == seen
    assert skipping.hands.picture() == running.hands.picture()
    record = taken(skipping, parent, blobs)
    assert not compare(record, world).differences
    change(FakeHands(world), b"", between)
    check_not_stale(world, record, blobs, (seen, inside), lambda fresh: family.run(fresh)[2:])
