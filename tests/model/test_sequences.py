"""Sequences of calls on few files: which facts and effects they leave, and which changes they notice.

The first ones are those with which ProcessCache was tested; the others were found by test_promise.py.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from .machine import Machine
from .script import differing, do, effects


class Case(NamedTuple):
    """What a program does, what is learnt of it, and which changes to its world count."""

    acts: str
    facts: dict[str, str]
    effects: dict[str, str]
    noticed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


CASES = {
    "failed access, then create": Case(
        "access /out; create /out text",
        {"/out": "absent"},
        {"/out": "file text"},
        ("put /out text", "mkdir /out"),
        ("put /in other",),
    ),
    "stat, open, create": Case(
        "stat /in; read /in; put /in new",
        {"/in": "content"},
        {"/in": "file new in place"},
        ("put /in other", "chmod /in 600", "unlink /in"),
        ("utime /in 7", "unlink /in; put /in input"),
    ),
    "open, open, access": Case(
        "read /in; read /in; access /in",
        {"/in": "content"},
        {},
        ("put /in other", "chmod /in 600", "unlink /in", "unlink /in; mkdir /in"),
        ("utime /in 7", "link /in /second"),
    ),
    "append, delete, create": Case(
        "append /old more; unlink /old; create /old new",
        {"/old": "content"},
        {"/old": "file new"},
        ("put /old other", "unlink /old"),
    ),
    "rename, open to append, create": Case(
        "rename /in /moved; append /moved more; create /in new",
        {"/in": "content+time xattr", "/moved": "replaceable"},
        {"/in": "file new", "/moved": "file inputmore"},
        ("put /in other", "utime /in 7", "mkdir /moved"),
        ("put /moved there already", "put /old other"),
    ),
    "a file written over": Case(
        "put /old new",
        {"/old": "writable"},
        {"/old": "file new in place"},
        ("unlink /old; mkdir /old", "chmod /old 755"),
        ("put /old other", "unlink /old"),
    ),
    "a file made by writing over nothing": Case(
        "put /out new",
        {"/out": "writable"},
        {"/out": "file new in place"},
        ("mkdir /out", "put /out old; chmod /out 755", "symlink /out /in"),
        ("put /out old",),
    ),
    "a file written over and its mode set": Case(
        "put /out new; chmod /out 755",
        {"/out": "writable"},
        {"/out": "file new in place"},
        ("put /out old; chmod /out 755",),
        ("put /out old",),
    ),
    "a file written over twice and read": Case(
        "put /out one; read /out; put /out two; stat /out",
        {"/out": "writable"},
        {"/out": "file two in place"},
    ),
    "a file written over and removed": Case(
        "put /tmp new; unlink /tmp", {"/tmp": "writable"}, {"/tmp": "removed"}, ("mkdir /tmp",), ("put /tmp old",)
    ),
    "a file written beside and renamed": Case(
        "put /tmp new; rename /tmp /old",
        {"/tmp": "writable", "/old": "replaceable"},
        {"/tmp": "removed", "/old": "file new"},
        ("put /tmp left; chmod /tmp 755", "unlink /old; mkdir /old"),
        ("put /tmp left", "put /old other", "unlink /old"),
    ),
    "a failed exclusive create, then written over": Case(
        "create /old x; put /old new",
        {"/old": "owner"},
        {"/old": "file new in place"},
        ("chmod /old 755", "unlink /old"),
        ("put /old other",),
    ),
    "a name taken, asked for again": Case(
        "mkdir /old; mkdir /old", {"/old": "type"}, {}, ("unlink /old",), ("put /old other", "chmod /old 600")
    ),
    "a file in a folder that is none": Case(
        "put /in/x new", {"/in": "type"}, {}, ("unlink /in", "unlink /in; mkdir /in"), ("put /in other",)
    ),
    "a file in a folder that is missing": Case(
        "put /none/x new", {"/none": "absent"}, {}, ("mkdir /none", "put /none file"), ("mkdir /some",)
    ),
    "a mode set": Case(
        "chmod /in 600", {"/in": "content"}, {"/in": "attributes"}, ("put /in other", "chmod /in 755"), ("utime /in 7",)
    ),
    "a mode set to what it was": Case("chmod /in 644", {"/in": "content"}, {}),
    "a time set": Case("utime /in 9", {"/in": "content"}, {"/in": "attributes"}, ("put /in other",), ("utime /in 7",)),
    "a link read": Case("stat /link", {"/link": "target"}, {}, ("unlink /link; symlink /link /old", "unlink /link")),
    "a link made": Case("symlink /new /in", {"/new": "absent"}, {"/new": "link"}, ("put /new x",)),
    "a link removed and made anew": Case(
        "unlink /link; symlink /link /old", {"/link": "type"}, {"/link": "link"}, ("unlink /link",)
    ),
    "unlink and re-create": Case(
        "unlink /old; put /old new", {"/old": "type"}, {"/old": "file new"}, ("unlink /old",), ("put /old other",)
    ),
    "a file made and removed": Case("create /out x; unlink /out", {"/out": "absent"}, {}, ("put /out x",)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_learnt(machine: Machine, before: Machine, name: str) -> None:
    case = CASES[name]
    ex = machine.start()
    do(machine, ex, case.acts)
    assert not ex.taints
    assert machine.facts(ex) == case.facts
    assert effects(machine, ex) == case.effects
    assert differing(machine, ex, before=before) == []


@pytest.mark.parametrize(("name", "change"), [(name, change) for name in CASES for change in CASES[name].noticed])
def test_a_change_that_counts_is_noticed(machine: Machine, before: Machine, name: str, change: str) -> None:
    ex = machine.start()
    do(machine, ex, CASES[name].acts)
    assert differing(machine, ex, change, before=before)


@pytest.mark.parametrize(("name", "change"), [(name, change) for name in CASES for change in CASES[name].ignored])
def test_a_change_without_influence_is_none(machine: Machine, before: Machine, name: str, change: str) -> None:
    ex = machine.start()
    do(machine, ex, CASES[name].acts)
    assert differing(machine, ex, change, before=before) == []
