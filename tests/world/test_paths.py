"""The resolver goes where the kernel goes, and names every folder and link that it passes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from procache.world.paths import MAX_LINKS, Resolver, join

from .trees import build, kernel, ours, passed


def words(table: str) -> list[str]:
    """The entries of a table."""
    return [word.strip() for word in table.replace("\n", "|").split("|") if word.strip()]


FOLDERS = {"a": "/", "a/b": "/", "a/b/file": "", "file": "", "empty": "/"}
LINKS = """
a/up .. | to-file file | to-b a/b | to-b-absolute TOP/a/b | a/to-file ../file | to-to-b to-b | dangling none
to-dangling dangling | dangling-below none/x | loop loop | one two | two one | to-folder-slash a/b/ | dot .
to-file-slash file/ | dots ././a/../a/./b | below-file file/x | out-and-in TOP/../ | to-slash /
"""
TREE = {**FOLDERS, **dict(line.split() for line in words(LINKS))}

PATHS = """
a | a/b/file | file | none | none/x | file/x | file/ | a/ | a/b/ | a//b///file | ./a/./b | a/b/.. | a/b/../..
a/b/../b/file | none/.. | file/.. | file/. | to-b | to-b/ | to-b/file | to-b/.. | to-b/../file | to-b/../b
to-b-absolute/file | to-to-b | to-to-b/file | to-to-b/../up/file | a/up | a/up/file | a/up/a/up/a | to-file | to-file/
to-file/x | a/to-file | a/to-file/ | dangling | dangling/ | dangling/x | to-dangling | dangling-below | loop | loop/
loop/x | one | one/two | to-folder-slash | to-folder-slash/file | to-file-slash | dot | dot/dot/file | dots | dots/file
below-file | below-file/y | to-slash | to-slash/proc | out-and-in | empty/x | empty/../to-b/./../../file | . | ..
../../../../../../../../.. | a/b/file/.. | a/b/none/../file
"""


@pytest.fixture
def top(tmp_path: Path) -> bytes:
    """A folder with the tree."""
    build(tmp_path, TREE)
    return os.fsencode(tmp_path)


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("name", words(PATHS))
def test_where_a_path_leads(top: bytes, name: str, follow: bool) -> None:
    path = top + b"/" + name.encode()
    assert ours(path, follow=follow) == kernel(path, follow=follow)


def test_a_resolver_that_has_seen_other_paths_finds_the_same(top: bytes) -> None:
    resolver = Resolver()
    for _ in range(2):
        for name in words(PATHS):
            for follow in (True, False):
                path = top + b"/" + name.encode()
                assert ours(path, follow=follow, resolver=resolver) == kernel(path, follow=follow), name


@pytest.mark.parametrize("length", [MAX_LINKS - 1, MAX_LINKS, MAX_LINKS + 1])
@pytest.mark.parametrize("tail", [b"", b"/", b"/."])
def test_links_are_followed_as_often_as_the_kernel_does(tmp_path: Path, length: int, tail: bytes) -> None:
    build(tmp_path, {"l0": "/", **{f"l{at + 1}": f"l{at}" for at in range(length)}})
    path = os.fsencode(tmp_path) + b"/l%d" % length + tail
    assert ours(path, follow=True) == kernel(path, follow=True)


@pytest.mark.parametrize(("inside", "last"), [(20, 20), (20, 21), (39, 2), (2, 39), (40, 1)])
def test_links_on_the_way_and_at_the_end_count_together(tmp_path: Path, inside: int, last: int) -> None:
    build(tmp_path, {"d0": "/", **{f"d{at + 1}": f"d{at}" for at in range(inside)}})
    build(tmp_path, {"d0/l0": "", **{f"d0/l{at + 1}": f"l{at}" for at in range(last)}})
    path = os.fsencode(tmp_path) + b"/d%d/l%d" % (inside, last)
    assert ours(path, follow=True) == kernel(path, follow=True)


def test_a_name_that_is_too_long(top: bytes) -> None:
    for path in (top + b"/" + b"n" * 256, top + b"/" + b"n" * 256 + b"/x"):
        assert ours(path, follow=True) == kernel(path, follow=True) == "ENAMETOOLONG"


@pytest.mark.parametrize(
    "name", ["a/b/file", "to-b/../file", "to-to-b/file", "to-b-absolute/../up/to-file", "dots/file"]
)
def test_nothing_that_was_not_passed_matters(top: bytes, name: str) -> None:
    path = top + b"/" + name.encode()
    expected = kernel(path, follow=True)
    known = passed(Resolver().resolve(path, True))
    for other in TREE:
        node = top + b"/" + other.encode()
        if node in known or not os.path.lexists(node):
            continue
        os.rename(node, top + b"/away")
        assert kernel(path, follow=True) == expected, other
        os.rename(top + b"/away", node)


def test_the_folders_and_links_on_the_way(top: bytes) -> None:
    found = Resolver().resolve(top + b"/to-to-b/file", True)
    assert found.walk.links == (top + b"/to-to-b", top + b"/to-b")
    assert found.walk.folders[-2:] == (top + b"/a", top + b"/a/b")
    assert top in found.walk.folders
    assert found.links == ()


def test_a_link_at_the_end_comes_with_the_way_to_it(top: bytes) -> None:
    found = Resolver().resolve(top + b"/to-b/../to-file", True)
    assert found.path == top + b"/file"
    assert [part for part in found.links if isinstance(part, bytes)] == [top + b"/a/to-file"]


def test_a_failed_way_tells_where_it_ended(top: bytes) -> None:
    missing = Resolver().resolve(top + b"/none/x/y", True)
    assert (missing.path, missing.st, missing.blocked) == (top + b"/none", errno.ENOENT, False)
    blocked = Resolver().resolve(top + b"/file/x", True)
    assert (blocked.path, blocked.blocked, blocked.walk.error) == (top + b"/file", True, errno.ENOTDIR)
    assert not isinstance(blocked.st, int), "what is there is seen"


# -- memory ----------------------------------------------------------------------------------------


def test_walks_are_kept_until_they_are_forgotten(top: bytes) -> None:
    resolver = Resolver()
    first = resolver.resolve(top + b"/to-b/file", True)
    os.unlink(top + b"/to-b")
    os.symlink(b"empty", top + b"/to-b")
    assert resolver.resolve(top + b"/to-b/file", True).walk is first.walk
    resolver.forget()
    assert resolver.resolve(top + b"/to-b/file", True).path == top + b"/empty/file"


@pytest.mark.parametrize("comes", ["folder", "file", "link", "nothing"])
def test_a_walk_that_ended_early_is_taken_again_when_something_is_there(top: bytes, comes: str) -> None:
    """Also where nobody says so: a file that is made concerns no walk, nor is told what others do."""
    resolver, path = Resolver(), top + b"/later/x/y"
    first = resolver.resolve(path, True)
    assert (first.path, first.st) == (top + b"/later", errno.ENOENT)
    if comes == "folder":
        os.makedirs(top + b"/later/x")
    elif comes == "file":
        os.close(os.open(top + b"/later", os.O_CREAT))
    elif comes == "link":
        os.symlink(b"nowhere", top + b"/later")
    again, new = resolver.resolve(path, True), Resolver().resolve(path, True)
    assert (again.path, again.walk.error) == (new.path, new.walk.error)
    assert (again.walk is first.walk) == (comes == "nothing")


def test_what_a_path_holds_is_looked_up_each_time(top: bytes) -> None:
    resolver = Resolver()
    assert not isinstance(resolver.resolve(top + b"/file", True).st, int)
    os.unlink(top + b"/file")
    assert resolver.resolve(top + b"/file", True).st == errno.ENOENT


# -- /proc -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/proc/self/fd/0", b"/proc/1/../self/maps", b"/proc/cpuinfo", b"//proc//self/cwd/x"])
def test_what_lies_in_proc_is_left_as_it_was_said(path: bytes) -> None:
    found = Resolver().resolve(path, True)
    parts = [part for part in path.split(b"/") if part]
    assert found.path == b"/" + b"/".join(parts) or not found.walk.pseudo
    assert found.path.startswith(b"/proc/")


def test_a_link_into_proc_is_seen_as_such(top: bytes) -> None:
    os.symlink(b"/proc/self", top + b"/me")
    found = Resolver().resolve(top + b"/me/status", True)
    assert (found.path, found.walk.pseudo) == (b"/proc/self/status", True)
    os.symlink(b"/proc/self/status", top + b"/status")
    assert Resolver().resolve(top + b"/status", True).path == b"/proc/self/status"


@pytest.mark.parametrize("way", [b"/", b"/TOP/..", b"/TOP/root"])
def test_a_name_in_the_root_has_one_path(top: bytes, way: bytes) -> None:
    """However often it is asked for, and whatever the way."""
    os.symlink(b"/", top + b"/root")
    top_name, resolver = top.strip(b"/").split(b"/")[0], Resolver()
    way = way.replace(b"/TOP/root", top + b"/root").replace(b"TOP", top_name)
    name = b"/" + top_name
    assert [resolver.resolve(way + name, True).path for _ in range(2)] == [name, name]


def test_proc_itself_is_a_folder() -> None:
    assert ours(b"/proc", follow=True) == "/proc"


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        (b"/a", b"b", b"/a/b"),
        (b"/a", b"/b", b"/b"),
        (b"/", b"b", b"/b"),
        (b"/a", b"../b", b"/a/../b"),
        (b"/a", b".", b"/a/."),
    ],
)
def test_join_collapses_nothing(base: bytes, path: bytes, expected: bytes) -> None:
    assert join(base, path) == expected
