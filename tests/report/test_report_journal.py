"""A journal is read whatever became of it: what can be read is shown, what cannot is said."""

from __future__ import annotations

import random

import msgpack
import pytest

from procache.report.journal import Counts, read
from procache.report.tree import UNFINISHED, walk

from .builder import START, Journal, differs


def sample() -> Journal:
    journal = Journal("sh", "all.sh")
    journal.ran(2, 1, "sort", b"\xff.txt", reasons=[differs("/work/in")]).hit(3, 0, "wc", "out")
    return journal.ran(1, 0, "nice", "sort").ran(0, None, "sh", "all.sh", ended=START + 8).end()


def test_a_whole_journal_becomes_a_run_with_a_tree() -> None:
    run = sample().run()
    assert (run.argv, run.cwd, run.status, run.notes) == ([b"sh", b"all.sh"], b"/work", 0, [])
    assert (run.took, run.saved, run.counts) == (9.0, 2.0, Counts(1, 3, 0))
    assert [(node.id, depth) for node, depth in walk(run.roots)] == [(0, 0), (1, 1), (2, 2), (3, 1)]
    sort = run.roots[0].children[0].children[0]
    assert sort.argv == [b"sort", b"\xff.txt"]
    assert sort.reasons == [differs("/work/in")]


def test_every_cut_leaves_what_came_before() -> None:
    journal = sample()
    ends = [len(b"".join(journal.events[: count + 1])) for count in range(len(journal.events))]
    for length in range(len(journal.data)):
        run = read("x", journal.data[:length])
        told = sum(end <= length for end in ends[1:-1])
        assert sum(node.finished for node in run.executions()) == told
        whole = length in (0, *ends)
        assert ("journal cut off: what came before is shown" in run.notes) is not whole


def test_a_run_that_was_killed_has_stand_ins_for_what_did_not_end() -> None:
    journal = Journal("sh", "all.sh").ran(5, 4, "sort").ran(1, 0, "wc")
    run = journal.run()
    assert run.ended is None
    shape = [(node.id, depth, node.outcome == UNFINISHED) for node, depth in walk(run.roots)]
    assert shape == [(0, 0, True), (1, 1, False), (4, 1, True), (5, 2, False)]
    assert run.roots[0].argv == [b"sh", b"all.sh"]
    assert run.counts == Counts(0, 2, 0)
    assert run.took == pytest.approx(6.5)


def test_damage_in_the_middle_costs_only_what_it_hit() -> None:
    journal = sample()
    hurt = len(journal.events[0]) + 1
    data = bytearray(journal.data)
    data[hurt : hurt + 20] = b"\xc1" * 20
    run = read("x", bytes(data))
    assert {node.id for node in run.executions() if node.finished} == {0, 1, 3}
    assert run.notes == [f"journal damaged: {len(journal.events[1])} bytes could not be read, the rest is shown"]
    assert run.status == 0


def test_unknown_events_are_left_out_and_counted() -> None:
    journal = Journal().add({"t": "future", "x": [1]}).add({}).ran(0, None, "sh").end()
    assert journal.run().notes == ["2 events of an unknown kind left out"]


def test_an_empty_journal_is_a_run_without_anything() -> None:
    run = read("20270115T080000.000000-1", b"")
    assert (run.id, run.roots, run.took) == ("20270115T080000.000000-1", [], None)
    assert run.notes == ["journal empty: the run ended before it wrote anything"]


def test_fields_of_the_wrong_type_do_no_harm() -> None:
    wrong = {
        "argv": 7,
        "cwd": None,
        "reasons": [3, {"code": 5}],
        "started": "x",
        "status": float("nan"),
        "saved": 1e300,
    }
    run = Journal(pid="x", options=3).ran(0, None, "sh", **wrong).end(counts=None).run()
    node = run.roots[0]
    assert (node.argv, node.status, node.saved, node.reasons) == ([], 0, 0.0, [{"code": 5}])


@pytest.mark.parametrize("parents", [{1: 2, 2: 1}, {1: 1}, {0: None, 1: 2, 2: 3, 3: 1}])
def test_parents_in_a_circle_are_all_shown_once(parents: dict[int, int | None]) -> None:
    journal = Journal()
    for number, parent in parents.items():
        journal.ran(number, parent, "x")
    assert sorted(node.id for node in journal.run().executions()) == sorted(parents)


def test_a_chain_of_ten_thousand_execs_is_read() -> None:
    journal = Journal()
    for number in range(10_000):
        journal.ran(number, number - 1 if number else None, "env")
    assert sum(1 for _ in journal.run().executions()) == 10_000


def test_a_length_that_is_a_lie_hides_nothing_after_it() -> None:
    journal = Journal()
    journal.events.append(b"\xc6\xff\xff\xff\xff")
    run = journal.ran(0, None, "sh").end().run()
    assert [node.id for node in run.executions()] == [0]


def test_random_damage_never_raises() -> None:
    dice = random.Random(7)
    whole = sample().data
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        run = read("x", bytes(data[: dice.randrange(len(data) + 1)]))
        assert run.took is None or run.took >= 0
        assert run.id == "x"


def test_strings_that_are_not_utf8_are_kept() -> None:
    event = msgpack.packb({"t": "run", "host": "h\udcff", "started": START}, unicode_errors="surrogateescape")
    assert read("x", event).host == "h\udcff"
