"""Random programs on real files, recorded, skipped and replayed by the real parts: never another result than a run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from model.plans import Plan, carry_out, change, changes
from model.plans import steps_with_links as steps
from model.records import compare

from procache.model.record import Record

from .place import Place

thorough = settings(max_examples=150, deadline=None, derandomize=True, database=None)


class Trial:
    """One world, made again and again at the same paths."""

    def __init__(self, place: Place, *plans: Plan) -> None:
        self.place, self.plans = place, plans

    def world(self, *more: Plan) -> None:
        """Make the world, and change it as ``more`` says."""
        self.place.clear()
        for plan in (*self.plans, *more):
            change(self.place.hands, os.fsencode(self.place.top), plan)
        self.place.age()

    def run(
        self, *plans: Plan, children: tuple[Record | None, ...] = ()
    ) -> tuple[Any, Record | None, list[Record | None]]:
        """A parent does the first and the last plan, children those between; returns what was seen, and the records.

        ``children``: records of children to be skipped instead, where they fit.
        """
        machine = self.place.machine()
        parent = machine.start()
        seen = [carry_out(machine, parent, plans[0])]
        records: list[Record | None] = []
        for at, plan in enumerate(plans[1:-1]):
            old = children[at] if at < len(children) else None
            found = compare(old, self.place.world) if old is not None else None
            if found is not None and not found.differences:
                assert self.place.skip(machine, parent, old, found.facts)  # type: ignore[arg-type]
                continue
            child = machine.start(parent)
            seen.append(carry_out(machine, child, plan))
            machine.end(child)
            records.append(self.place.record(machine, child))
        seen.append(carry_out(machine, parent, plans[-1]))
        return seen, self.place.record(machine, parent), records


@pytest.fixture(autouse=True)
def usual_umask() -> None:
    """Files are made with the modes that the plans expect."""
    os.umask(0o022)


@thorough
@given(changes, changes, steps)
def test_a_record_that_fits_gives_what_a_run_would_give(before: Plan, between: Plan, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Place(Path(folder)), before)
        trial.world()
        seen, record, _ = trial.run(plan, [])
        if record is None:
            return
        check(trial, between, record, lambda: trial.run(plan, [])[0], seen)


@thorough
@given(changes, changes, steps, steps, steps)
def test_a_skipped_child_counts_for_its_parent_as_one_that_ran(
    before: Plan, between: Plan, first: Plan, inner: Plan, last: Plan
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Place(Path(folder)), before)
        trial.world()
        seen, _, children = trial.run(first, inner, last)
        after = trial.place.picture()
        trial.world()
        _, record, _ = trial.run(first, inner, last, children=tuple(children))
        assert trial.place.picture() == after
        if record is not None:
            check(trial, between, record, lambda: trial.run(first, inner, last)[0], seen)


def check(trial: Trial, between: Plan, record: Record, run: Any, seen: Any) -> None:
    """The record fits the world in which it was made; where it fits the changed one, it gives what a run gives."""
    trial.world()
    assert not compare(record, trial.place.world).differences
    trial.world(between)
    if compare(record, trial.place.world).differences:
        return
    trial.place.replay(*record.effects)
    replayed = trial.place.picture()
    trial.world(between)
    assert run() == seen
    assert replayed == trial.place.picture()
