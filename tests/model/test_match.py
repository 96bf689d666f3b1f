"""Comparing a record with the world: every aspect that differs, the words for it, and work that is done already."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from procache.model import aspects
from procache.model.aspects import BEGINS, DESCRIPTORS, FS, NAMES, PSEUDO, STDIN, WHOLE, Fact
from procache.model.match import match
from procache.model.policy import Policy
from procache.model.reasons import WORDS, sentence

from .conftest import filled
from .machine import Machine
from .records import Streams, compare, make_record, taken
from .script import differing, do, meddle


class Case(NamedTuple):
    """A program, a change after it, and the difference that must be named."""

    acts: str
    change: str
    path: str
    timed: bool = False


ASPECTS = {
    "absent": Case("stat /none", "put /none x", "/none"),
    "type": Case("create /in x", "unlink /in", "/in"),
    "owner": Case("access /in", "chmod /in 600", "/in"),
    "meta": Case("stat /in", "append /in x", "/in"),
    "content": Case("read /in", "put /in INPUT", "/in"),
    "target": Case("stat /link", "unlink /link; symlink /link /old", "/link"),
    "listing": Case("list /d", "put /d/new x", "/d"),
    "writable": Case("put /out x", "mkdir /out", "/out"),
    "replaceable": Case("rename /in /out", "mkdir /out", "/out"),
    "xattr": Case("rename /in /out", "", "/in"),
    "link": Case("stat /link", "utime /link 9", "/link", timed=True),
}


def set_attribute(machine: Machine) -> None:
    """Somebody sets an extended attribute."""
    machine.world.nodes[b"/in"].xattrs = ((b"user.x", b"1"),)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_each_aspect_is_a_reason_of_its_own(machine: Machine, aspect: str) -> None:
    case, after = ASPECTS[aspect], filled()
    ex = machine.start(timed=case.timed)
    do(machine, ex, case.acts)
    record = taken(machine, ex)
    assert not compare(record, after.world).differences
    meddle(after, case.change) if case.change else set_attribute(after)
    told = [(why["code"], why["path"], why["aspect"]) for why in compare(record, after.world).differences]
    assert ("fact-differs", case.path.encode(), aspect) in told


@pytest.mark.parametrize("aspect", [FS, PSEUDO])
def test_what_the_kernel_tells_is_compared_by_its_digest(machine: Machine, aspect: int) -> None:
    facts: list[Fact] = [(b"/same", aspect, b"stable", False), (b"/other", aspect, b"was", False)]
    differences = compare(make_record(facts), machine.world).differences
    assert [(why["path"], why["aspect"], why["recorded"], why["current"]) for why in differences] == [
        (b"/other", NAMES[aspect], b"was", b"stable")
    ]


STREAMS: dict[str, tuple[int, object, dict[str, Any], dict[str, Any]]] = {
    "a file on stdin": (STDIN, (0, b"digest"), {"stdin": (0, b"digest")}, {"stdin": (0, b"other")}),
    "its offset": (STDIN, (4, b"digest"), {"stdin": (4, b"digest")}, {"stdin": (0, b"digest")}),
    "no file any more": (STDIN, (0, b"digest"), {"stdin": (0, b"digest")}, {}),
    "a pipe on stdin": (STDIN, (3, b"d", True, b"h"), {"pipe": (3, b"d", True, b"h")}, {"pipe": (3, b"x", True, b"h")}),
    "further descriptors": (DESCRIPTORS, (b"3:pipe",), {"further": (b"3:pipe",)}, {"further": ()}),
    "an output at its begin": (BEGINS, True, {"begins": (0,)}, {"begins": (1,)}),
    "an output further on": (BEGINS, False, {"begins": (1,)}, {"begins": (0,)}),
    "a whole run": (WHOLE, True, {"whole": True}, {"whole": False}),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_inputs(machine: Machine, name: str) -> None:
    aspect, value, same, other = STREAMS[name]
    record = make_record([(b"0", aspect, value, False)])
    assert not compare(record, machine.world, **same).differences
    [why] = compare(record, machine.world, **other).differences
    assert (why["code"], why["aspect"]) == ("fact-differs", NAMES[aspect])


@pytest.mark.parametrize("acts", ["read /in", "put /in x", "chmod /in 600"])
def test_an_input_or_output_that_is_also_a_stream_never_fits(machine: Machine, before: Machine, acts: str) -> None:
    ex = machine.start()
    do(machine, ex, acts)
    st = before.world.look(b"/in")
    [why] = compare(taken(machine, ex), before.world, files={1: (st.st_dev, st.st_ino)}).differences
    assert (why["code"], why["path"]) == ("stream-is-file", b"/in")


def test_an_output_with_a_name_that_is_not_known_never_fits(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    do(machine, ex, "put /old new")
    meddle(before, "link /old /second")
    assert [why["code"] for why in compare(taken(machine, ex), before.world).differences] == ["stream-is-file"]


def test_as_many_differences_as_asked_for(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    do(machine, ex, "read /in; read /old; stat /none; list /d")
    record = taken(machine, ex)
    meddle(before, "put /in x; put /old x; put /none x; put /d/new x")
    found = [match(record, before.world, Streams(), Policy(), most=most).differences for most in (1, 2, 99)]
    assert list(map(len, found)) == [1, 2, 4]


def test_a_hit_gives_the_facts_as_of_now(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    do(machine, ex, "read /in")
    meddle(before, "utime /in 77")
    [fact] = [fact for fact in compare(taken(machine, ex), before.world).facts if fact[0] == b"/in"]
    assert fact[2][aspects.MTIME] == 77 * 10**9  # type: ignore[index]


def test_every_difference_can_be_said_in_words(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    do(machine, ex, "read /in; read /old; stat /link; list /d; put /out x")
    meddle(before, "unlink /in; chmod /old 600; unlink /link; put /d/y y; mkdir /out")
    differences = compare(taken(machine, ex), before.world).differences
    assert len(differences) == 5
    for why in differences:
        assert why["code"] in WORDS
        assert why["path"].decode() in sentence(why)  # type: ignore[attr-defined]


# -- already done ----------------------------------------------------------------------------------

DONE = {
    "a file that must not be there": "create /out text",
    "a folder that must not be there": "mkdir /out",
    "a link that must not be there": "symlink /out /in",
    "an input that is removed": "read /in; unlink /in",
    "an input that is appended to": "append /in more",
    "a mode that is set": "chmod /in 600",
    "a listing that gained a name": "list /d; put /d/new text",
    "a listing that lost a name": "list /d; unlink /d/x",
    "a folder that is removed": "rmdir /empty",
    "a rename": "rename /in /out",
    "a folder renamed": "rename /d /out",
}


@pytest.mark.parametrize("name", DONE)
def test_work_that_is_done_fits_with_resume_alone(machine: Machine, before: Machine, name: str) -> None:
    ex = machine.start()
    do(machine, ex, DONE[name])
    again = machine.world.copy()
    assert compare(taken(machine, ex), again).differences
    assert not compare(taken(machine, ex), again, resume=True).differences
    assert differing(machine, ex, before=before, resume=True) == []


SPOILT = {
    "other content": ("create /out text", "put /out TEXT"),
    "another mode": ("create /out text", "chmod /out 600"),
    "another type": ("create /out text", "unlink /out; mkdir /out"),
    "another link": ("symlink /out /in", "unlink /out; symlink /out /old"),
    "one name too many": ("list /d; put /d/new text", "put /d/other x"),
    "one name too few": ("list /d; put /d/new text", "unlink /d/x"),
    "an input that is back": ("read /in; unlink /in", "put /in other"),
    "another input": ("read /old; create /out text", "put /old other"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_resume_wants_exactly_the_own_effects(machine: Machine, name: str) -> None:
    acts, change = SPOILT[name]
    ex = machine.start()
    do(machine, ex, acts)
    record = taken(machine, ex)
    meddle(machine, change)
    assert compare(record, machine.world, resume=True).differences
