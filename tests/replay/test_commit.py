"""Putting effects in place: each kind, over whatever is there, and in an order that works."""

from __future__ import annotations

import os
import random
import resource
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from procache.model import effects as fx
from procache.model.effects import Effect
from procache.replay.folders import Folders

from .place import LONG_AGO, Place

OBSTACLES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a file": lambda path: path.write_text("in the way"),
    "an empty folder": lambda path: path.mkdir(),
    "a link": lambda path: path.symlink_to("elsewhere"),
    "a FIFO": lambda path: os.mkfifo(path),
}
KINDS: dict[str, tuple[Callable[[Place], Effect], Callable[[Path], bool]]] = {
    "file": (lambda place: place.file("it", b"content", 0o640), lambda path: path.read_bytes() == b"content"),
    "folder": (lambda place: place.folder("it", 0o750), lambda path: path.is_dir() and not path.is_symlink()),
    "link": (lambda place: place.effect("it", fx.LINK, b"to/there"), lambda path: os.readlink(path) == "to/there"),
    "FIFO": (
        lambda place: place.effect("it", fx.FIFO, (stat.S_IFIFO | 0o600, os.getuid(), os.getgid(), 0, 0, 7, b"", None)),
        lambda path: path.is_fifo(),
    ),
    "removed": (lambda place: place.effect("it", fx.GONE), lambda path: not os.path.lexists(path)),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_over_everything(place: Place, kind: str, obstacle: str) -> None:
    make, holds = KINDS[kind]
    OBSTACLES[obstacle](place.top / "it")
    effect = make(place)
    place.replay(effect)
    assert holds(place.top / "it")
    if kind in ("file", "folder", "FIFO"):
        assert (place.top / "it").lstat().st_mode == effect[fx.STATE][fx.PATH]  # type: ignore[index]
    assert len(list(place.top.iterdir())) == (kind != "removed")


# -- order -----------------------------------------------------------------------------------------


def shuffled(effects: list[Effect], seed: int) -> list[Effect]:
    """The same effects in another order."""
    return random.Random(seed).sample(effects, len(effects))


@pytest.mark.parametrize("seed", range(6))
def test_a_tree_is_made_from_the_top(place: Place, seed: int) -> None:
    effects = [
        place.folder("a", 0o700),
        place.folder("a/b"),
        place.folder("a/b/c", 0o711),
        place.file("a/b/c/f", b"deep"),
    ]
    effects += [
        place.file("a/f"),
        place.effect("a/b/link", fx.LINK, b"c/f"),
        place.effect("a/twin", fx.HARD, place.path("a/f")),
    ]
    place.replay(*shuffled(effects, seed))
    assert (place.top / "a" / "b" / "link").read_bytes() == b"deep"
    assert stat.S_IMODE((place.top / "a").stat().st_mode) == 0o700
    assert (place.top / "a" / "f").samefile(place.top / "a" / "twin")


@pytest.mark.parametrize("seed", range(6))
def test_a_tree_is_removed_from_the_bottom(place: Place, seed: int) -> None:
    (place.top / "a" / "b").mkdir(parents=True)
    (place.top / "a" / "b" / "f").touch()
    (place.top / "a" / "link").symlink_to("b")
    names = ["a", "a/b", "a/b/f", "a/link"]
    place.replay(*shuffled([place.effect(name, fx.GONE, prior=1) for name in names], seed))
    assert list(place.top.iterdir()) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_folder_gives_way_to_a_file_and_a_file_to_a_folder(place: Place, seed: int) -> None:
    (place.top / "one").mkdir()
    (place.top / "one" / "f").touch()
    (place.top / "two").write_text("two")
    effects = [
        place.effect("one/f", fx.GONE),
        place.file("one", b"file"),
        place.folder("two"),
        place.file("two/f", b"below"),
    ]
    place.replay(*shuffled(effects, seed))
    assert (place.top / "one").read_bytes() == b"file"
    assert (place.top / "two" / "f").read_bytes() == b"below"


def test_a_file_in_a_very_deep_folder(place: Place) -> None:
    """Deeper than functions may call themselves, and than there are descriptors to be had."""
    depth = (4000 - len(place.path(""))) // 2
    assert depth > 1000
    deep = place.top
    folders = []
    for _ in range(depth):
        deep = deep / "d"
        folders.append(str(deep.relative_to(place.top)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        effects = [place.folder(name) for name in folders]
        place.replay(*effects, place.file(f"{folders[-1]}/one"))
        place.replay(*effects, place.file(f"{folders[-1]}/one"), place.file(f"{folders[-1]}/two"))
        assert sorted(os.listdir(deep)) == ["one", "two"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        subprocess.run(["rm", "-rf", place.top], check=True)  # too deep for shutil.rmtree


def test_a_read_only_folder_is_filled_first(place: Place) -> None:
    place.replay(place.folder("d", 0o500), place.file("d/f", b"x", 0o400))
    assert stat.S_IMODE((place.top / "d").stat().st_mode) == 0o500
    assert stat.S_IMODE((place.top / "d" / "f").stat().st_mode) == 0o400


# -- what is left alone ----------------------------------------------------------------------------


def test_what_is_right_is_left_alone(place: Place) -> None:
    (place.top / "file").write_bytes(b"new")
    (place.top / "folder").mkdir()
    (place.top / "link").symlink_to("file")
    place.age()
    before = place.state()
    effects = [
        place.file("file"),
        place.folder("folder"),
        place.effect("link", fx.LINK, b"file"),
        place.effect("none", fx.GONE),
    ]
    assert place.replay(*effects).written == 0
    assert place.state() == before


def test_a_wrong_mode_alone_is_put_right(place: Place) -> None:
    (place.top / "file").write_bytes(b"new")
    (place.top / "file").chmod(0o600)
    place.age()
    inode = (place.top / "file").stat().st_ino
    place.replay(place.file("file", mode=0o755))
    st = (place.top / "file").stat()
    assert (stat.S_IMODE(st.st_mode), st.st_ino, st.st_mtime_ns) == (0o755, inode, LONG_AGO)


def test_same_size_other_content_is_replaced(place: Place) -> None:
    (place.top / "file").write_bytes(b"old")
    assert place.replay(place.file("file", b"new")).written == 1
    assert (place.top / "file").read_bytes() == b"new"


# -- in place --------------------------------------------------------------------------------------


def test_what_was_written_in_place_keeps_its_other_names(place: Place) -> None:
    (place.top / "file").write_bytes(b"longer than new")
    os.link(place.top / "file", place.top / "twin")
    place.replay(place.file("file", in_place=True))
    assert (place.top / "twin").read_bytes() == b"new"
    assert (place.top / "file").samefile(place.top / "twin")


def test_what_is_poured_gets_mode_owner_and_time(place: Place) -> None:
    (place.top / "file").write_bytes(b"other")
    inode = (place.top / "file").stat().st_ino
    place.replay(place.file("file", mode=0o751, in_place=True, mtime=5 * 10**9))
    st = (place.top / "file").stat()
    assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns, st.st_ino) == (0o751, 5 * 10**9, inode)


def test_a_read_only_file_is_poured_into(place: Place) -> None:
    (place.top / "file").write_bytes(b"other")
    place.replay(place.file("file", mode=0o444, in_place=True))
    assert ((place.top / "file").read_bytes(), stat.S_IMODE((place.top / "file").stat().st_mode)) == (b"new", 0o444)


def test_what_was_replaced_parts_from_its_other_names(place: Place) -> None:
    (place.top / "file").write_bytes(b"old")
    os.link(place.top / "file", place.top / "twin")
    place.replay(place.file("file", in_place=False))
    assert ((place.top / "file").read_bytes(), (place.top / "twin").read_bytes()) == (b"new", b"old")


def test_a_link_is_never_written_through(place: Place) -> None:
    (place.top / "target").write_bytes(b"old")
    (place.top / "file").symlink_to("target")
    place.replay(place.file("file", in_place=True))
    assert not (place.top / "file").is_symlink()
    assert (place.top / "target").read_bytes() == b"old"


def test_a_hard_link_that_is_there_already_is_left(place: Place) -> None:
    (place.top / "file").write_bytes(b"new")
    os.link(place.top / "file", place.top / "twin")
    before = place.state()
    place.replay(place.file("file"), place.effect("twin", fx.HARD, place.path("file")))
    assert place.state() == before


def test_a_hard_link_replaces_another_file(place: Place) -> None:
    (place.top / "twin").write_bytes(b"other")
    place.replay(place.effect("twin", fx.HARD, place.path("file")), place.file("file"))
    assert (place.top / "file").samefile(place.top / "twin")


# -- times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["poured", "renewed"])
def test_what_was_written_first_comes_first(place: Place, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[bytes] = []
    for name in ("a", "b", "c"):
        (place.top / name).write_bytes(b"old" if kind == "poured" else b"new")
    opened, renewed = Folders.open_to_write, os.utime
    monkeypatch.setattr(Folders, "open_to_write", lambda self, path: order.append(path) or opened(self, path))
    monkeypatch.setattr(os, "utime", lambda path, *a, **k: (order.append(path), renewed(path, *a, **k)))
    written = {"b": 1, "c": 2, "a": 3}
    effects = [place.file(name, written=written[name], in_place=kind == "poured") for name in "abc"]
    order.clear()  # storing what was stored already
    place.replay(*effects, renew=kind == "renewed")
    assert [os.path.basename(path) for path in order[-3:]] == [b"b", b"c", b"a"]  # after a look for room


def test_a_file_that_is_right_gets_the_time_of_now_only_where_somebody_goes_by_it(place: Place) -> None:
    (place.top / "right").write_bytes(b"new")
    (place.top / "right").chmod(0o644)
    (place.top / "set").write_bytes(b"new")
    (place.top / "set").chmod(0o644)
    place.age()
    effects = place.file("right"), place.file("set", mtime=5)
    place.replay(*effects)
    assert [(place.top / name).stat().st_mtime_ns for name in ("right", "set")] == [LONG_AGO, 5]
    place.replay(*effects, renew=True)
    assert (place.top / "right").stat().st_mtime_ns > LONG_AGO
    assert (place.top / "set").stat().st_mtime_ns == 5
