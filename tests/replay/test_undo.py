"""A commit that fails half way leaves everything as it was, whichever of its steps fails."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procache import copying, digests
from procache.model import effects as fx
from procache.model.aspects import DIGEST
from procache.model.effects import Effect
from procache.replay.apply import Replay
from procache.replay.folders import Folders
from procache.replay.pouring import SMALL, Pours
from procache.replay.undo import Undo

from .place import Place

NAMES = ("rename", "mkdir", "symlink", "link", "mkfifo", "chmod", "utime", "rmdir", "setxattr")
CONTENTS = ("posix_fallocate", "copy_file_range", "pwrite", "ftruncate", "memfd_create", "open")
BIG = 3 * SMALL


def scene(place: Place) -> list[Effect]:
    """Something of everything: new, replaced, removed, in the way of another kind, made anew in a folder that goes."""
    (place.top / "replaced").write_text("before")
    (place.top / "gone").write_text("going")
    (place.top / "folder-to-go").mkdir(mode=0o711)
    (place.top / "folder-to-go" / "file").write_text("within")
    give_attribute(place.top / "folder-to-go")
    (place.top / "twin").write_text("no twin yet")
    place.age()
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
    """The same, with a file where a folder is to be, and a folder where a file is to be."""
    (place.top / "made").write_text("a file")
    (place.top / "file-to-be").mkdir()
    return [*scene(place), place.file("file-to-be")]


def in_place(place: Place) -> list[Effect]:
    """Files that keep their inode: longer, shorter, with holes before and after, and only attributes that change."""
    (place.top / "log").write_text("line\n")
    (place.top / "long").write_bytes(b"o" * BIG)
    (place.top / "short").write_text("short")
    with (place.top / "holes").open("wb") as file:
        file.truncate(BIG)
        file.seek(2 * SMALL)
        file.write(b"data")
    for name in ("attributes", "with-attributes"):
        (place.top / name).write_bytes(b"new")
        (place.top / name).chmod(0o600)
    give_attribute(place.top / "with-attributes")
    place.age()
    return [
        place.file("log", b"line\nmore\n", 0o600, written=1, in_place=True),
        place.file("long", b"n" * SMALL, written=2, in_place=True),
        place.file("short", b"x" * BIG, written=3, in_place=True, mtime=5),
        place.file("holes", b"d" * SMALL + bytes(BIG), written=4, in_place=True),
        place.file("attributes", b"new", 0o640, mtime=7),
        place.file("with-attributes", b"new", 0o640, xattrs=()),
    ]


def give_attribute(path: Path) -> None:
    """An extended attribute, where there can be one."""
    try:
        os.setxattr(path, "user.mine", b"1")
    except OSError:
        pass


def attributes(place: Place) -> dict[str, tuple[object, ...]]:
    """Mode, time and extended attributes of all; a folder in which names change for a while has another time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(place.top.rglob("*")):
        st = path.lstat()
        xattrs = {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        }
        found[path.name] = st.st_mode, st.st_mtime_ns, xattrs
    return found


class Failing:
    """Counts the calls of some names, and fails one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, calls: tuple[str, ...]) -> None:
        self.at, self.count = at, 0
        for name in calls:
            monkeypatch.setattr(os, name, self.instead(getattr(os, name)))

    def instead(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, failing when its time has come."""

        def made(*args: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                raise OSError(errno.EIO, "made to fail")
            return call(*args, **named)

        return made


def with_each_failing(
    root: Path, make: Callable[[Place], list[Effect]], calls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Place, list[Effect], bool]]:
    """Commit in a new place each time, with the first, the second … of these calls failing, until none is left.

    Gives the place, the effects, and whether the commit failed; where it did, all is as it was.
    """
    for at in itertools.count(1):
        (root / str(at)).mkdir()
        place = Place(root / str(at))
        effects = make(place)
        before, failed = (place.picture(), attributes(place)), False
        replay = Replay(place.layout, place.world, effects)
        replay.stage()
        with monkeypatch.context() as patch:
            failing = Failing(patch, at, calls)
            try:
                replay.commit()
            except OSError:
                failed = True
        assert not failed or (place.picture(), attributes(place)) == before, f"call number {at} failed"
        yield place, effects, failed
        if failing.count < at:
            return


@pytest.mark.parametrize("make", [scene, in_the_way])
def test_whatever_fails_all_is_as_it_was(
    tmp_path: Path, make: Callable[[Place], list[Effect]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    for place, _, failed in with_each_failing(tmp_path, make, NAMES, monkeypatch):
        failures += failed
        if not failed:
            assert not [name for name in os.listdir(place.top) if name.startswith(".procache")]
            assert (place.top / "twin").samefile(place.top / "new")
            assert not (place.top / "gone").exists()
    assert failures > 8


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


@pytest.mark.parametrize("calls", [NAMES, CONTENTS])
def test_whatever_fails_of_what_is_written_in_place_all_is_as_it_was(
    tmp_path: Path, calls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    for place, effects, failed in with_each_failing(tmp_path, in_place, calls, monkeypatch):
        failures += failed
        if failed:
            assert (place.top / "holes").stat().st_blocks * 512 < BIG
            continue
        for effect in effects:
            assert digests.of_bytes(Path(os.fsdecode(effect[fx.PATH])).read_bytes()) == effect[fx.STATE][DIGEST]  # type: ignore[index]
    assert failures > 3


def poured(old: Path, new: Path) -> None:
    """Give the one file the content of the other."""
    with new.open("rb") as source, old.open("r+b") as target:
        copying.fill(source.fileno(), target.fileno())
        copying.cut(source.fileno(), target.fileno())


@pytest.mark.parametrize(("old", "new"), [(b"log\n", b"log\nmore\n"), (b"longer before", b"short"), (b"", b"x" * 5000)])
def test_pouring_gives_the_content(tmp_path: Path, old: bytes, new: bytes) -> None:
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    poured(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "old").read_bytes() == new


@pytest.mark.parametrize("can_punch", [True, False])
def test_pouring_what_has_holes(tmp_path: Path, can_punch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"o" * (1 << 20))
    with (tmp_path / "new").open("wb") as file:
        for at in (65_536, 500_000):
            file.seek(at)
            file.write(b"data")
        file.truncate(700_000)
    if not can_punch:
        monkeypatch.setattr(copying, "PUNCH_HOLE", 1 << 20)  # no mode of fallocate(2)
    poured(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "old").read_bytes() == (tmp_path / "new").read_bytes()
    assert ((tmp_path / "old").stat().st_blocks * 512 < 200_000) == can_punch


def test_without_room_a_file_has_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"line\n")
    (tmp_path / "new").write_bytes(b"line\nanother\n")

    def full(fd: int, offset: int, size: int) -> None:
        os.ftruncate(fd, offset + size)  # as far as it came
        raise OSError(errno.ENOSPC, "made to fail")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with open(tmp_path / "new", "rb") as source, open(tmp_path / "old", "r+b") as target, pytest.raises(OSError):
        copying.make_room(source.fileno(), target.fileno())
    assert (tmp_path / "old").read_bytes() == b"line\n"


@pytest.mark.parametrize("fails", ["link", "O_TMPFILE"])
def test_a_file_system_that_cannot_do_everything(place: Place, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hard links, or no files without names: there is a way back all the same."""
    effects = [*in_place(place), *scene(place)[:2]]
    before = place.picture(), attributes(place)
    replay = Replay(place.layout, place.world, effects)
    replay.stage()
    opened = os.open

    def fail(*args: Any, **named: Any) -> int:
        if fails == "link" or args[1] & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "made to fail")
        return opened(*args, **named)

    def full(*args: Any) -> None:
        raise OSError(errno.EIO, "in the end")

    monkeypatch.setattr(os, "link" if fails == "link" else "open", fail)
    monkeypatch.setattr(Folders, "touch_up", full)
    with pytest.raises(OSError, match="in the end"):
        replay.commit()
    assert (place.picture(), attributes(place)) == before
    assert place.layout.staging is not None
    place.layout.staging.end()
    assert os.listdir(place.layout.tmp) == []


def test_who_is_another_file_by_now_is_not_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced after what it held was kept."""
    (place.top / "log").write_text("line\n")
    (place.top / "other").write_text("other")
    replay = Replay(place.layout, place.world, [place.file("log", b"line\nmore\n", in_place=True)])
    replay.stage()
    prepare = Pours.prepare

    def replaced(pours: Pours, undo: Undo) -> None:
        prepare(pours, undo)
        os.rename(place.top / "other", place.top / "log")

    monkeypatch.setattr(Pours, "prepare", replaced)
    with pytest.raises(OSError):
        replay.commit()
    assert (place.top / "log").read_text() == "other"


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


def test_an_empty_folder_gives_way_to_a_hard_link(place: Place) -> None:
    (place.top / "twin").mkdir()
    place.replay(place.file("file"), place.effect("twin", fx.HARD, place.path("file")))
    assert sorted(os.listdir(place.top)) == ["file", "twin"]
