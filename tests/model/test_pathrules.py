"""Patterns of paths: what they cover."""

from __future__ import annotations

import pytest

from procache.model.aspects import CONTENT, UNCOUNTED
from procache.model.pathrules import IGNORED, TAINTING, PathRules, matches

from .conftest import filled
from .script import meddle

COVERED = {
    "/a/b": ("/a/b", "/a/b/c", "/a/b/c/d"),
    "/a/*.log": ("/a/x.log", "/a/.log", "/a/x.log/below"),
    "/a/?": ("/a/b", "/a/b/c"),
    "/a/**/z": ("/a/z", "/a/b/z", "/a/b/c/z", "/a/b/c/z/y"),
    "/**/*.pyc": ("/x.pyc", "/a/b.pyc"),
    "/a/**": ("/a", "/a/b"),
    "/": ("/", "/a"),
    "/a/x*y*z": ("/a/xyz", "/a/x1y2z", "/a/xyzyz", "/a/xyyz"),
}
NOT_COVERED = {
    "/a/b": ("/a", "/a/bc", "/b/a/b", "/"),
    "/a/*.log": ("/a", "/a/b/x.log", "/a/x.logs", "/a/xlog"),
    "/a/?": ("/a", "/a/bc"),
    "/a/**/z": ("/a", "/a/b", "/a/zz", "/z"),
    "/**/*.pyc": ("/a/pyc", "/x.py"),
    "/a/**": ("/b", "/"),
    "/": ("uname(2)", "0", ""),
    "/a/x*y*z": ("/a/xz", "/a/xzy", "/a/xyz1", "/a/1xyz"),
}


@pytest.mark.parametrize("pattern", COVERED)
def test_a_pattern_covers_what_it_matches_and_all_below(pattern: str) -> None:
    rules = PathRules((pattern.encode(),), ())
    for path in COVERED[pattern]:
        assert rules.of(path.encode()) == IGNORED, path
    for path in NOT_COVERED[pattern]:
        assert rules.of(path.encode()) == "", path


def test_tainting_is_the_stronger() -> None:
    rules = PathRules((b"/a",), (b"/a/b",))
    assert [rules.of(path) for path in (b"/a", b"/a/c", b"/a/b", b"/a/b/c", b"/a")] == [
        IGNORED,
        IGNORED,
        TAINTING,
        TAINTING,
        IGNORED,
    ]


def test_an_ignored_path_is_not_even_looked_at() -> None:
    """It may be changing all the time, or be large."""
    machine = filled()
    meddle(machine, "put /log x")
    machine.tree.rules = PathRules((b"/log",), ())
    parent = machine.start()
    ex = machine.start(parent)
    looked: list[bytes] = []
    value = machine.world.value
    machine.world.value = lambda aspect, path, st: looked.append(path) or value(aspect, path, st)  # type: ignore[method-assign, func-returns-value]
    for path in (b"/log", b"/in"):
        machine.tree.look(ex, path, CONTENT, machine.world.look(path))
    assert looked == [b"/in"]
    for node in (ex, parent):
        assert b"/log" not in node.states
        assert (b"/log", UNCOUNTED) in node.extras


@pytest.mark.parametrize("name", [b"", b"a", b"ab", b"abc", b"a*b", b"aab", b"?"])
def test_one_name_matches_as_fnmatch_says(name: bytes) -> None:
    from fnmatch import fnmatchcase

    for pattern in (b"", b"*", b"?", b"a*", b"*b", b"a?", b"**", b"*?", b"a*b*", b"?b", b"*a*b"):
        assert matches(pattern, name) == fnmatchcase(name.decode(), pattern.decode()), pattern
