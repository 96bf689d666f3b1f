"""Ancestors, siblings, and the ways in which an execution becomes one that must not be recorded."""

from __future__ import annotations

import pytest

from procache.model.aspects import CONTENT, META, NAMES, TYPE
from procache.model.execution import MAX_REASONS, Execution
from procache.model.reasons import reason

from .conftest import filled
from .machine import Machine
from .records import Blobs, fold, taken
from .script import differing, do, effects, meddle


@pytest.fixture
def chain(machine: Machine) -> list[Execution]:
    """Grandparent, parent, child."""
    found = [machine.start()]
    found += [machine.start(found[0])]
    return [*found, machine.start(found[1])]


def codes(ex: Execution) -> list[object]:
    """The reasons for which an execution must not be recorded."""
    return [why["code"] for why in ex.taints]


# -- ancestors -------------------------------------------------------------------------------------


def test_what_a_child_does_is_done_by_all_above_it(machine: Machine, chain: list[Execution]) -> None:
    do(machine, chain[2], "read /in; stat /none; list /d; put /out text; unlink /old")
    for ex in chain:
        assert machine.facts(ex) == {
            "/in": "content", "/none": "absent", "/d": "listing meta", "/out": "writable", "/old": "type",
        }  # fmt: skip
        assert effects(machine, ex) == {"/out": "file text in place", "/old": "removed"}


def test_each_ancestor_has_its_own_first_look(machine: Machine, chain: list[Execution]) -> None:
    grandparent, parent, child = chain
    do(machine, grandparent, "put /made one")
    do(machine, parent, "read /made; put /shared two")
    do(machine, child, "read /made; read /shared")
    assert machine.facts(child) == {"/made": "content", "/shared": "content"}
    assert machine.facts(parent) == {"/made": "content", "/shared": "writable"}
    assert machine.facts(grandparent) == {"/made": "writable", "/shared": "writable"}


def test_a_file_that_a_child_makes_and_a_parent_reads(
    machine: Machine, chain: list[Execution], before: Machine
) -> None:
    do(machine, chain[2], "put /tmp text")
    do(machine, chain[1], "read /tmp; unlink /tmp")
    assert machine.facts(chain[0]) == {"/tmp": "writable"}
    assert effects(machine, chain[0]) == {"/tmp": "removed"}
    assert differing(machine, chain[0], "put /tmp old", before=before) == []


def test_a_sibling_sees_what_the_first_one_made(machine: Machine, before: Machine) -> None:
    parent = machine.start()
    first, second = machine.start(parent), machine.start(parent)
    do(machine, first, "mkdir /new; put /new/x text")
    machine.end(first)
    do(machine, second, "list /new; read /new/x")
    assert machine.facts(second) == {"/new": "listing meta", "/new/x": "content"}
    assert machine.facts(parent) == {"/new": "absent"}
    assert differing(machine, parent, before=before) == []


def test_the_walk_to_a_file_is_an_input_of_all(machine: Machine, chain: list[Execution], before: Machine) -> None:
    do(machine, chain[2], "read /d/x")
    for ex in chain:
        assert "/d type" in differing(machine, ex, "rename /d /away", before=before)


# -- strength and time -----------------------------------------------------------------------------

LOOKS = {"type": TYPE, "meta": META, "content": CONTENT}


@pytest.mark.parametrize("first", LOOKS)
@pytest.mark.parametrize("second", LOOKS)
def test_the_strongest_look_is_kept(machine: Machine, first: str, second: str) -> None:
    ex = machine.start()
    for name in (first, second):
        machine.tree.look(ex, b"/in", LOOKS[name], machine.world.look(b"/in"))
    strongest = max(LOOKS[first], LOOKS[second])
    assert machine.facts(ex) == {"/in": NAMES[strongest]}


def test_a_stronger_look_of_a_child_raises_the_fact_of_its_parent(machine: Machine, chain: list[Execution]) -> None:
    do(machine, chain[0], "stat /in")
    do(machine, chain[2], "read /in")
    assert [machine.facts(ex) for ex in chain] == [{"/in": "content"}] * 3
    assert not any(ex.taints for ex in chain)


def test_a_weaker_look_of_a_child_leaves_the_fact_of_its_parent(machine: Machine, chain: list[Execution]) -> None:
    do(machine, chain[0], "read /in")
    do(machine, chain[2], "access /in")
    assert machine.facts(chain[0]) == {"/in": "content"}
    assert machine.facts(chain[2]) == {"/in": "owner"}


def test_times_count_for_programs_that_go_by_them(before: Machine) -> None:
    machine = filled()
    parent = machine.start()
    child = machine.start(parent, timed=True)
    do(machine, parent, "read /in")
    assert differing(machine, parent, "utime /in 7", before=before) == []
    do(machine, child, "stat /in")
    for ex in (parent, child):
        assert "+time" in machine.facts(ex)["/in"]
        assert differing(machine, ex, "utime /in 7", before=before)


def test_times_count_for_shells_only_where_they_stat(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    ex.timed_stats = True
    do(machine, ex, "read /in; stat /old")
    assert machine.facts(ex) == {"/in": "content", "/old": "meta+time"}


def test_a_known_digest_excuses_another_time_of_a_file_that_was_only_looked_at() -> None:
    for remembers, expected in ((True, []), (False, ["/in meta"])):
        machine, untouched = filled(remembers=remembers), filled(remembers=remembers)
        ex = machine.start()
        do(machine, ex, "stat /in")
        assert differing(machine, ex, "utime /in 7", before=untouched) == expected
        assert differing(machine, ex, "put /in INPUT; utime /in 7", before=untouched) == ["/in meta"]


# -- changes by others -----------------------------------------------------------------------------


def test_a_file_that_changes_between_two_looks_taints(machine: Machine) -> None:
    parent = machine.start()
    child = machine.start(parent)
    do(machine, parent, "stat /in")
    meddle(machine, "put /in INPUT")
    do(machine, child, "read /in")
    assert codes(parent) == ["changed-outside"]
    assert codes(child) == []


def test_a_file_that_stays_the_same_between_two_looks_does_not(machine: Machine) -> None:
    ex = machine.start()
    do(machine, ex, "stat /in")
    meddle(machine, "put /old other")
    do(machine, ex, "read /in")
    assert not ex.taints


# -- taints and conflicts --------------------------------------------------------------------------


def test_a_taint_reaches_all_above_and_says_where_it_came_from(machine: Machine, chain: list[Execution]) -> None:
    machine.tree.taint(chain[2], reason("network", detail="connect"))
    assert [codes(ex) for ex in chain] == [["child"], ["child"], ["network"]]
    assert chain[0].taints[0]["detail"] == (chain[2].command.program, "network")


def test_a_taint_can_end_below_an_ancestor(machine: Machine, chain: list[Execution]) -> None:
    machine.tree.taint(chain[2], reason("reads-stream", detail=0), below=chain[0])
    assert [codes(ex) for ex in chain] == [[], ["child"], ["reads-stream"]]


def test_reasons_are_kept_once_and_not_without_end(machine: Machine) -> None:
    ex = machine.start()
    for number in range(100):
        machine.tree.taint(ex, reason("internal", detail=number % 50))
    assert len(ex.taints) == MAX_REASONS
    assert [why["detail"] for why in ex.taints] == list(range(MAX_REASONS))


@pytest.mark.parametrize("act", ["put /shared b", "append /shared b", "unlink /shared", "chmod /shared 600"])
def test_two_that_live_at_once_and_change_one_path_are_in_conflict(machine: Machine, act: str) -> None:
    parent = machine.start()
    one, other = machine.start(parent), machine.start(parent)
    do(machine, one, "put /shared a")
    do(machine, other, act)
    assert codes(one) == codes(other) == ["conflict"]
    assert codes(parent) == []


def test_cousins_in_conflict_taint_up_to_their_common_ancestor(machine: Machine, chain: list[Execution]) -> None:
    uncle = machine.start(chain[0])
    do(machine, chain[2], "put /shared a")
    do(machine, uncle, "put /shared b")
    assert [codes(ex) for ex in (*chain, uncle)] == [[], ["conflict"], ["conflict"], ["conflict"]]


def test_reading_what_a_sibling_is_writing_is_a_conflict_of_the_reader(machine: Machine) -> None:
    parent = machine.start()
    writer, reader = machine.start(parent), machine.start(parent)
    do(machine, writer, "put /shared a")
    do(machine, reader, "read /shared")
    assert (codes(writer), codes(reader), codes(parent)) == ([], ["conflict"], [])


def test_one_after_the_other_is_no_conflict(machine: Machine) -> None:
    parent = machine.start()
    for _ in range(2):
        child = machine.start(parent)
        do(machine, child, "put /shared a; append /shared b; read /shared")
        machine.end(child)
        assert not child.taints
    do(machine, parent, "read /shared; put /shared c")
    assert not parent.taints


def test_an_end_of_one_writer_leaves_the_other_writing(machine: Machine) -> None:
    parent = machine.start()
    children = [machine.start(parent) for _ in range(3)]
    do(machine, children[0], "put /one a; put /two a")
    do(machine, children[1], "put /other a")
    machine.end(children[1])
    do(machine, children[2], "put /other b; read /two")
    assert [codes(child) for child in children] == [[], [], ["conflict"]]
    assert children[2].taints[0]["path"] == b"/two"


def test_a_skipped_child_is_in_conflict_with_nobody_later(machine: Machine) -> None:
    before, parent, blobs = filled(), machine.start(), Blobs()
    child = before.start()
    do(before, child, "put /shared a")
    fold(machine, parent, taken(before, child, blobs), blobs)
    later = machine.start(parent)
    do(machine, later, "put /shared b")
    assert not parent.taints
    assert not later.taints
