"""A commit that fails half way leaves everything as it was, whichever of its steps fails."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procache import copying
from procache.model import effects as fx
from procache.model.effects import Effect
from procache.replay.apply import Replay

from .place import Place

CALLS = ("rename", "mkdir", "symlink", "link", "mkfifo", "chmod", "utime", "rmdir")


def scene(place: Place) -> list[Effect]:
    """Something of everything: new, replaced, removed, in the way of another kind, made anew in a folder that goes."""
    (place.top / "replaced").write_text("before")
    (place.top / "gone").write_text("going")
    (place.top / "folder-to-go").mkdir(mode=0o711)
    (place.top / "folder-to-go" / "file").write_text("within")
    (place.top / "twin").write_text("no twin yet")
    return [
        place.file("new", b"new"),
        place.file("replaced", b"after"),
        place.effect("gone", fx.GONE),
        place.effect("folder-to-go", fx.GONE),
        place.effect("folder-to-go/file", fx.GONE),
        place.folder("made", 0o750),
        place.file("made/deep", b"deep"),
        place.effect("made/link", fx.LINK, b"deep"),
        place.effect("twin", fx.HARD, place.path("new")),
    ]


def in_the_way(place: Place) -> list[Effect]:
    """The same, with a file where a folder is to be."""
    (place.top / "made").write_text("a file")
    return scene(place)


class Failing:
    """Counts the calls that change names, and fails one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.count = at, 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self.instead(getattr(os, name)))

    def instead(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, failing when its time has come."""

        def made(*args: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                raise OSError(errno.EIO, "made to fail")
            return call(*args, **named)

        return made


@pytest.mark.parametrize("make", [scene, in_the_way])
def test_whatever_fails_all_is_as_it_was(
    tmp_path: Path, make: Callable[[Place], list[Effect]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in itertools.count(1):
        root = tmp_path / str(at)
        root.mkdir()
        place = Place(root)
        effects = make(place)
        before = place.picture()
        replay = Replay(place.layout, place.world, effects)
        replay.stage()
        with monkeypatch.context() as patch:
            failing = Failing(patch, at)
            try:
                replay.commit()
            except OSError:
                failed += 1
                assert place.picture() == before, f"the change of names number {at} failed"
                continue
        assert not [name for name in os.listdir(place.top) if name.startswith(".procache")]
        assert (place.top / "twin").samefile(place.top / "new")
        assert not (place.top / "gone").exists()
        if failing.count < at:
            break
    assert failed > 8


def test_what_goes_goes_last(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the two halves of a move leaves the file under one name at least."""
    (place.top / "old").write_text("content")
    replay = Replay(place.layout, place.world, [place.effect("old", fx.GONE), place.file("moved", b"content")])
    replay.stage()
    seen = []
    rename = os.rename

    def looking(source: bytes, target: bytes, **folders: int) -> None:
        rename(source, target, **folders)
        seen.append(sorted(os.listdir(place.top)))

    monkeypatch.setattr(os, "rename", looking)
    replay.commit()
    assert seen[0] == ["moved", "old"]
    assert os.listdir(place.top) == ["moved"]


@pytest.mark.parametrize(("old", "new"), [(b"log\n", b"log\nmore\n"), (b"longer before", b"short"), (b"", b"x" * 5000)])
def test_pouring_gives_the_content(tmp_path: Path, old: bytes, new: bytes) -> None:
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    with open(tmp_path / "new", "rb") as source, open(tmp_path / "old", "r+b") as target:
        copying.pour(source.fileno(), target.fileno())
    assert (tmp_path / "old").read_bytes() == new


def test_pouring_without_room_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"line\n")
    (tmp_path / "new").write_bytes(b"line\nanother\n")

    def full(fd: int, offset: int, size: int) -> None:
        os.ftruncate(fd, offset + size)  # as far as it came
        raise OSError(errno.ENOSPC, "made to fail")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with open(tmp_path / "new", "rb") as source, open(tmp_path / "old", "r+b") as target, pytest.raises(OSError):
        copying.pour(source.fileno(), target.fileno())
    assert (tmp_path / "old").read_bytes() == b"line\n"


def test_without_room_for_all_that_is_written_in_place_nothing_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program appends for itself then: nothing may be appended already."""
    for name in ("one", "two"):
        (place.top / name).write_text("line\n")
    before = place.picture()
    allocate = os.posix_fallocate
    asked = []

    def full(fd: int, offset: int, size: int) -> None:
        asked.append(fd)
        if len(asked) > 1:
            raise OSError(errno.ENOSPC, "made to fail")
        allocate(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError):
        place.replay(*[place.file(name, b"line\nmore\n", in_place=True) for name in ("one", "two")])
    assert len(asked) == 2
    assert place.picture() == before


@pytest.mark.parametrize("step", ["rename", "symlink"])
def test_what_is_written_in_place_waits_for_the_names(place: Place, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    (place.top / "log").write_text("line\n")
    before = place.picture()
    replay = Replay(
        place.layout,
        place.world,
        [
            place.file("log", b"line\nmore\n", written=1, in_place=True),
            place.file("new", b"new", written=2),
            place.effect("link", fx.LINK, b"new"),
        ],
    )
    replay.stage()

    def fail(*args: Any, **named: Any) -> None:
        raise OSError(errno.EIO, "made to fail")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, step, fail)
        replay.commit()
    assert place.picture() == before


def test_what_is_written_in_place_keeps_its_inode(place: Place) -> None:
    (place.top / "log").write_text("line\n")
    os.link(place.top / "log", place.top / "other")
    place.replay(place.file("log", b"line\nmore\n", in_place=True), place.file("new"))
    assert (place.top / "other").read_text() == "line\nmore\n"
    assert not [name for name in os.listdir(place.top) if name.startswith(".procache")]
