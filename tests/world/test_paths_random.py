"""Random trees and random paths: the resolver goes where the kernel goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from procache.world.paths import Resolver

from .trees import Tree, build, kernel, ours, passed

thorough = settings(max_examples=400, deadline=None, derandomize=True, database=None)

part = st.sampled_from(["a", "b", "c", ".", ".."])
relative = st.lists(part, min_size=1, max_size=5).map("/".join)
text = st.one_of(relative, relative.map(lambda name: f"TOP/{name}"), relative.map(lambda name: f"{name}/"))
name = st.sampled_from(["a", "b", "c", "a/a", "a/b", "a/c", "b/a", "b/b", "a/b/a", "a/b/c"])
trees = st.dictionaries(name, st.one_of(st.just("/"), st.just("/"), st.just(""), text), min_size=2, max_size=7)
paths = st.tuples(relative, st.sampled_from(["", "/", "//", "/."])).map("".join)


def sorted_tree(tree: Tree) -> Tree:
    """Folders before what is in them."""
    return dict(sorted(tree.items(), key=lambda item: item[0].count("/")))


@thorough
@given(trees, st.lists(paths, min_size=1, max_size=6), st.booleans())
def test_where_paths_lead(tree: Tree, names: list[str], follow: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = os.path.realpath(folder)
        build(Path(top), sorted_tree(tree))
        resolver = Resolver()
        for name in names:
            path = os.fsencode(f"{top}/{name}")
            assert ours(path, follow=follow, resolver=resolver) == kernel(path, follow=follow), name


@thorough
@given(trees, paths)
def test_what_was_not_passed_does_not_matter(tree: Tree, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = os.path.realpath(folder)
        build(Path(top), sorted_tree(tree))
        path = os.fsencode(f"{top}/{name}")
        expected, known = kernel(path, follow=True), passed(Resolver().resolve(path, True))
        for other in tree:
            folder, _, base = f"{top}/{other}".rpartition("/")
            node = os.fsencode(f"{os.path.realpath(folder)}/{base}")  # not through a link
            if node not in known and os.path.lexists(node):
                os.rename(node, os.fsencode(f"{top}/away"))
                assert kernel(path, follow=True) == expected, other
                os.rename(os.fsencode(f"{top}/away"), node)
