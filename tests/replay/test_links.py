"""Nothing that is put in place goes through a link that was not there when the command was recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procache.model import effects as fx
from procache.model.effects import Effect
from procache.replay import folders
from procache.replay.apply import Replay, ReplayFailed
from procache.replay.folders import Folders

from .place import Place

USER = "user.procache"


class Victim:
    """A folder outside, that nothing may touch, with a file of each name that is used here."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.top = place.top.parent / "victim"
        fill(self.top / "sub")
        fill(self.top)
        self.before = self.state()

    def state(self) -> dict[Path, tuple[object, ...]]:
        """All that can be changed."""
        found = {}
        for path in (self.top, *self.top.rglob("*")):
            st = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_nlink, content)
        return found

    def plant(self, name: str = "d") -> None:
        """Put a link to here in the place of a folder."""
        path = self.place.top / name
        if path.is_dir():
            path.rename(path.with_name("aside"))
        path.symlink_to(self.top)

    def untouched(self) -> bool:
        """Whether all is as it was."""
        return self.state() == self.before


@pytest.fixture
def victim(place: Place) -> Victim:
    """A folder outside."""
    return Victim(place)


def effects_in(place: Place, folder: str) -> dict[str, Effect]:
    """One effect of each kind below a folder of which nothing is there yet but ``file``, ``old`` and ``sub``."""
    state = place.file("x", b"victim", 0o644)[fx.STATE]
    return {
        "a file": place.file(f"{folder}/new"),
        "a file in the place of another": place.file(f"{folder}/file"),
        "a file poured into another": place.file(f"{folder}/file", in_place=True),
        "a time": place.file(f"{folder}/file", b"victim", 0o600, mtime=5),
        "a mode": place.effect(f"{folder}/file", fx.KEPT, state),
        "a mode of a folder": place.folder(f"{folder}/sub", 0o711),
        "an attribute": place.effect(f"{folder}/file", fx.KEPT, state, xattrs=((USER.encode(), b"x"),)),
        "a folder": place.folder(f"{folder}/made"),
        "a link": place.effect(f"{folder}/link", fx.LINK, b"file"),
        "a link replaced": place.effect(f"{folder}/old", fx.LINK, b"file"),
        "a FIFO": place.effect(f"{folder}/fifo", fx.FIFO, (0o010644, os.getuid(), os.getgid(), 0, 0, 7, b"", None)),
        "a removal": place.effect(f"{folder}/old", fx.GONE),
        "a removal of a folder": place.effect(f"{folder}/sub", fx.GONE),
        "another name": place.effect(f"{folder}/twin", fx.HARD, place.path(f"{folder}/file")),
        "another name replaced": place.effect(f"{folder}/old", fx.HARD, place.path(f"{folder}/file")),
    }


KINDS = [
    "a file",
    "a file in the place of another",
    "a file poured into another",
    "a time",
    "a mode",
    "a mode of a folder",
    "an attribute",
    "a folder",
    "a link",
    "a link replaced",
    "a FIFO",
    "a removal",
    "a removal of a folder",
    "another name",
    "another name replaced",
]


def fill(folder: Path) -> None:
    """What the effects expect."""
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("file", "old"):
        (folder / name).write_bytes(b"victim")
        (folder / name).chmod(0o600)


def test_the_kinds_are_those_of_the_effects(place: Place) -> None:
    assert list(effects_in(place, "d")) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_change_is_made_where_no_link_is(place: Place, kind: str) -> None:
    fill(place.top / "d")
    if kind == "a removal of a folder":
        place.replay(effects_in(place, "d")[kind])
        assert not (place.top / "d/sub").exists()
        return
    before = place.state()
    place.replay(effects_in(place, "d")[kind])
    assert place.state() != before


@pytest.mark.parametrize("folder", ["d", "d/sub"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_link_planted_before_is_not_followed(place: Place, victim: Victim, kind: str, folder: str) -> None:
    victim.plant("d")
    with pytest.raises((ReplayFailed, OSError)):
        place.replay(effects_in(place, folder)[kind])
    assert victim.untouched()
    assert sorted(os.listdir(place.top)) == ["d"], "no temporary"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_link_planted_between_staging_and_putting_in_place(
    place: Place, victim: Victim, kind: str, depth: int
) -> None:
    folder = "/".join(["d", "sub"][:depth])
    fill(place.top / folder)
    replay = Replay(place.layout, place.world, [effects_in(place, folder)[kind]])
    replay.stage()
    victim.plant("d")
    try:
        replay.commit()  # in the folder that was there, wherever it is now
    except OSError:
        pass
    assert victim.untouched()


RACES: dict[str, tuple[str, Callable[[Place], Effect]]] = {
    "stat": ("a removal", lambda place: place.effect("d/old", fx.GONE)),
    "open": ("a file", lambda place: place.file("d/file")),
    "rename": ("a file", lambda place: place.file("d/file")),
    "mkdir": ("a folder", lambda place: place.folder("d/made")),
    "symlink": ("a link", lambda place: place.effect("d/link", fx.LINK, b"x")),
    "unlink": ("a removal", lambda place: place.effect("d/old", fx.GONE)),
    "link": ("another name", lambda place: place.effect("d/twin", fx.HARD, place.path("d/file"))),
    "access": ("a removal", lambda place: place.effect("d/old", fx.GONE)),
}


@pytest.mark.parametrize("call", RACES)
def test_a_link_planted_just_before_a_call(
    place: Place, victim: Victim, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(place.top / "d")
    effect = RACES[call][1](place)
    real = getattr(os, call)

    def planting(*args: Any, **more: Any) -> Any:
        monkeypatch.undo()
        victim.plant("d")
        return real(*args, **more)

    replay = Replay(place.layout, place.world, [effect])
    monkeypatch.setattr(os, call, planting)
    try:
        replay.stage()
        replay.commit()
    except (ReplayFailed, OSError):
        pass
    assert (place.top / "d").is_symlink(), "it was planted"
    assert victim.untouched()


def test_a_link_in_the_place_of_the_file_itself_is_not_followed(place: Place, victim: Victim) -> None:
    target = victim.top / "file"
    state = place.file("x", b"victim", 0o644)[fx.STATE]
    for effect in (
        place.file("file", in_place=True),
        place.effect("file", fx.KEPT, state, xattrs=((USER.encode(), b"x"),), mtime=7),
        place.file("file", b"victim", 0o644, mtime=7),
    ):
        (place.top / "file").write_bytes(b"victim" if effect[fx.KIND] == fx.KEPT else b"other")
        replay = Replay(place.layout, place.world, [effect])
        replay.stage()
        (place.top / "file").unlink()
        (place.top / "file").symlink_to(target)
        try:
            replay.commit()
        except OSError:
            pass
        assert victim.untouched()
        (place.top / "file").unlink()


def test_a_fifo_in_the_place_of_a_file_is_no_trap(place: Place) -> None:
    (place.top / "file").write_bytes(b"other")
    replay = Replay(place.layout, place.world, [place.file("file", in_place=True)])
    replay.stage()
    (place.top / "file").unlink()
    os.mkfifo(place.top / "file")
    with pytest.raises(OSError, match="file"):
        replay.commit()


def test_a_folder_in_the_place_of_a_link_of_the_recorded_run_is_made(place: Place, victim: Victim) -> None:
    """The run found a link there, removed it, and made a folder in its place: so does the replay."""
    victim.plant("d")
    place.replay(place.folder("d"), place.file("d/file"), place.folder("d/sub"), place.file("d/sub/file"))
    assert not (place.top / "d").is_symlink()
    assert (place.top / "d/sub/file").read_bytes() == b"new"
    assert victim.untouched()


def test_what_goes_through_a_link_that_the_record_makes(place: Place) -> None:
    """``ln -s real way; echo x > way/file``: the recorder has resolved the way."""
    effects = (
        place.folder("real"),
        place.effect("way", fx.LINK, b"real"),
        place.file("real/file"),
    )
    place.replay(*effects)
    assert (place.top / "way/file").read_bytes() == b"new"
    place.clear()
    place.replay(*reversed(effects))
    assert (place.top / "way/file").read_bytes() == b"new"


def test_outputs_that_are_right_cost_no_descriptors(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    effects = [place.folder("d"), place.file("d/a"), place.effect("d/l", fx.LINK, b"a"), place.file("b", mtime=7)]
    place.replay(*effects)
    opened: list[bytes] = []
    real = Folders.folder
    monkeypatch.setattr(Folders, "folder", lambda self, path: opened.append(path) or real(self, path))
    place.replay(*effects)
    assert opened == []


def test_many_folders_take_few_descriptors_and_none_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "KEPT", 20)
    names = [f"{one}/{two}" for one in range(5) for two in range(9)]
    made = [place.folder(name) for name in [*map(str, range(5)), *names]]
    files = [place.file(f"{name}/file", name.encode()) for name in names]
    twins = [place.effect(f"{name}/twin", fx.HARD, place.path(f"{names[-1]}/file")) for name in names[:9]]
    highest: list[int] = []
    real = Folders.folder
    monkeypatch.setattr(Folders, "folder", lambda self, path: (real(self, path), highest.append(len(self.known)))[0])
    before = os.listdir("/proc/self/fd")
    place.replay(*made, *files, *twins)
    assert os.listdir("/proc/self/fd") == before
    assert max(highest) < 20 + len(place.top.parts) + 3
    assert [(place.top / name / "file").read_text() for name in names] == names
    assert (place.top / names[0] / "twin").samefile(place.top / names[-1] / "file")


def test_an_abandoned_replay_leaves_no_descriptor(place: Place) -> None:
    before = os.listdir("/proc/self/fd")
    replay = Replay(place.layout, place.world, [place.file("a"), place.file("b", in_place=True)])
    (place.top / "b").write_bytes(b"other")
    replay.stage()
    assert len(os.listdir("/proc/self/fd")) > len(before)
    replay.abandon()
    assert os.listdir("/proc/self/fd") == before
