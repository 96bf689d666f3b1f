"""Staging: whatever fails, fails before anything has changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from procache import digests
from procache.model import effects as fx
from procache.replay.apply import Replay, ReplayFailed
from procache.store import blobs

from .place import Place

LARGE = os.urandom(2_000_000)  # beyond what is read in one piece


def blob(place: Place, content: bytes) -> Path:
    """The file of a blob."""
    return Path(os.fsdecode(blobs.path_of(place.layout, digests.of_bytes(content))))


def flip(path: Path) -> None:
    """Damage one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "flipped": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "a folder": lambda path: (os.unlink(path), os.mkdir(path)),
}


CASES = [(damage, content) for damage in DAMAGES for content in (b"small content", LARGE)]


@pytest.mark.parametrize(
    ("damage", "content"), CASES, ids=lambda value: value if isinstance(value, str) else len(value)
)
def test_a_damaged_blob_changes_nothing(place: Place, damage: str, content: bytes) -> None:
    (place.top / "keep").write_text("keep")
    (place.top / "gone").write_text("gone")
    effects = [
        place.file("first", b"first"),
        place.file("keep", b"other", in_place=True),
        place.file("bad", content),
        place.folder("folder"),
        place.effect("gone", fx.GONE),
        place.effect("link", fx.LINK, b"first"),
    ]
    DAMAGES[damage](blob(place, content))
    before = place.state()
    with pytest.raises(ReplayFailed):
        place.replay(*effects)
    assert _but_for_time_of_top(place.state(), place) == _but_for_time_of_top(before, place)


def _but_for_time_of_top(state: dict[bytes, tuple[object, ...]], place: Place) -> dict[bytes, tuple[object, ...]]:
    """Staging beside a target shows in the times of the folder alone."""
    top = os.fsencode(place.top)
    return {path: seen if path != top else seen[:5] for path, seen in state.items()}


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_blob_is_taken_out_of_use(place: Place, damage: str) -> None:
    effect = place.file("out", b"content")
    DAMAGES[damage](blob(place, b"content"))
    with pytest.raises(ReplayFailed):
        place.replay(effect)
    assert not blob(place, b"content").exists()
    place.replay(place.file("out", b"content"))  # stores it anew
    assert (place.top / "out").read_bytes() == b"content"


def test_attributes_of_what_is_not_there_change_nothing(place: Place) -> None:
    state = place.file("x")[fx.STATE]
    before = place.picture()
    with pytest.raises(ReplayFailed, match="is not there"):
        place.replay(place.file("first"), place.effect("none", fx.KEPT, state), place.file("last"))
    assert place.picture() == before


def test_a_folder_that_may_not_be_changed_is_seen_while_staging(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.top / "d").mkdir()
    (place.top / "d" / "x").write_text("x")
    monkeypatch.setattr(os, "access", lambda path, mode, **_: os.fsencode(path) != place.path("d"))
    before = place.state()
    with pytest.raises(ReplayFailed, match="may not be changed"):
        place.replay(place.effect("d/x", fx.GONE))
    assert place.state() == before


def test_an_abandoned_replay_leaves_nothing(place: Place) -> None:
    replay = Replay(place.layout, place.world, [place.file("a"), place.file("b/c"), place.folder("b")])
    replay.stage()
    assert len(list(place.top.iterdir())) == 2, "two temporaries"
    replay.abandon()
    assert list(place.top.iterdir()) == []


def test_temporaries_are_not_left_behind(place: Place) -> None:
    (place.top / "poured").write_text("old")
    place.replay(place.file("poured", in_place=True), place.file("made"), place.folder("d"), place.file("d/x"))
    assert sorted(path.name for path in place.top.rglob("*")) == ["d", "made", "poured", "x"]


def test_a_large_file_is_restored(place: Place) -> None:
    place.replay(place.file("large", LARGE))
    assert (place.top / "large").read_bytes() == LARGE


@pytest.mark.parametrize("name", ["claim", "_undoable"])
def test_what_fails_before_the_first_step_leaves_nothing(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a module may not be found when no file can be opened any more."""
    replay = Replay(place.layout, place.world, [place.file("one"), place.file("two")])

    def fails(*_: object) -> None:
        raise OSError(errno.ENFILE, "no more files")

    replay.stage()
    if name == "claim":
        replay.claim = fails
    else:
        monkeypatch.setattr(Replay, name, fails)
    with pytest.raises(OSError, match="no more files"):
        replay.commit()
    assert list(place.top.iterdir()) == []
