"""What a replay that is killed leaves in folders of the user: the next gc finds it, and touches nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from procache.model import effects as fx
from procache.replay.apply import Replay
from procache.report import clear
from procache.store import files, gc, hosts, staging
from procache.store.choice import Limits
from procache.store.fsck import Checker
from procache.store.litter import OF_OTHERS
from procache.store.staging import ASIDE, NOTE, PREFIX

from .place import Place

DAY = 86400.0
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")


def in_child(job: Callable[[], object]) -> int:
    """Do a job in a process of its own; returns its id when it has ended, whichever way."""
    pid = os.fork()
    if not pid:
        try:
            job()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid


def die() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_when_staged(place: Place, *effects: fx.Effect) -> None:
    """A replay that is killed before it changes a name."""

    def replay() -> None:
        Replay(place.layout, place.world, list(effects)).stage()
        die()

    in_child(replay)


def found(place: Place) -> list[str]:
    """Names of temporaries in the work folder."""
    return sorted(path.name for path in place.top.rglob("*") if os.fsencode(path.name).startswith(PREFIX))


def notes(place: Place) -> list[Path]:
    """The files in tmp."""
    return sorted(Path(os.fsdecode(place.layout.tmp)).iterdir())


def note_of(place: Place, content: bytes, number: bytes = b"0123456789abcdef") -> Path:
    """A note of a process that is gone."""
    pid = in_child(lambda: None)
    path = place.layout.tmp + b"/w-%b-%d-%b%b" % (files.host(), pid, number, NOTE)
    Path(os.fsdecode(path)).write_bytes(content)
    return Path(os.fsdecode(path))


def leading_to(note: Path, *folders: Path) -> list[Path]:
    """Have a note name folders, and put a temporary of its process into each."""
    own = os.fsencode(note.name).removeprefix(b"w-").removesuffix(NOTE)
    note.write_bytes(hosts.own().hex().encode() + b"".join(b"\0%b/" % os.fsencode(folder) for folder in folders))
    made = [folder / os.fsdecode(PREFIX + own + b"-1") for folder in folders]
    for path in made:
        path.touch()
    return made


def collect(place: Place, *, dry: bool = False) -> int:
    """How many temporaries the next gc removes."""
    return gc.collect(place.layout, Limits(), dry=dry).removed[gc.TEMPORARY].files


def test_what_a_killed_replay_staged_goes_with_the_next_gc(place: Place) -> None:
    (place.top / "d").mkdir()
    killed_when_staged(place, place.file("a"), place.file("d/b"), place.file("e/c"), place.folder("e"))
    assert len(found(place)) == 3
    assert collect(place, dry=True) == 4
    assert len(found(place)) == 3
    assert collect(place) == 4, "three and the note"
    assert found(place) == []
    assert notes(place) == []


def test_clear_looks_there_too(place: Place) -> None:
    killed_when_staged(place, place.file("a"))
    clear.empty(place.layout)
    assert found(place) == []


def test_a_repair_looks_there_too(place: Place) -> None:
    killed_when_staged(place, place.file("a"))
    told = list(Checker(place.layout, True, lambda kind, size: None).rest(time.time()))
    assert [(one.kind, one.repaired) for one in told] == [("temporary", True)]
    assert found(place) == []


def test_what_was_moved_out_of_the_way_is_left_for_a_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.top / "a").mkdir()
    (place.top / "a/precious").write_text("precious")

    def replay() -> None:
        replay = Replay(
            place.layout, place.world, [place.effect("a/precious", fx.GONE), place.effect("a", fx.LINK, b"b")]
        )
        replay.stage()
        os.rmdir = lambda *_, **__: die()  # type: ignore[assignment]
        replay.commit()

    in_child(replay)
    (aside,) = found(place)
    assert aside.endswith(os.fsdecode(ASIDE))
    assert collect(place) == 0
    assert (place.top / aside).read_text() == "precious"
    tomorrow = time.time() + DAY + 60
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    assert collect(place) == 2
    assert found(place) == []
    assert notes(place) == []


def test_a_folder_is_noted_once_and_nothing_is_left_at_the_end(place: Place) -> None:
    (place.top / "d").mkdir()
    for number in range(5):
        place.replay(place.file(f"a{number}"), place.file(f"d/{number}"))
    (note,) = notes(place)
    host, *folders = note.read_bytes().split(b"\0")
    assert folders == [place.path(name) + b"/" for name in (".", "d")]
    assert host == hosts.own().hex().encode()
    assert place.layout.staging is not None
    place.layout.staging.end()
    assert place.layout.staging is None
    assert notes(place) == []


def test_outputs_that_are_right_are_not_noted(place: Place) -> None:
    place.replay(place.file("a"))
    assert place.layout.staging is not None
    place.layout.staging.end()
    place.replay(place.file("a"), place.effect("gone", fx.GONE))
    assert place.layout.staging is None


def test_a_living_process_keeps_its_temporaries(place: Place) -> None:
    replay = Replay(place.layout, place.world, [place.file("a")])
    replay.stage()
    assert collect(place) == 0
    assert len(found(place)) == len(notes(place)) == 1
    replay.commit()
    assert (place.top / "a").read_bytes() == b"new"


def test_without_a_note_the_replay_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (place.top / "d").mkdir()
    effects = place.file("a"), place.file("d/b")
    monkeypatch.setattr(files, "write_new", full)
    place.replay(*effects)
    assert (place.top / "d/b").read_bytes() == b"new"
    assert place.layout.staging is not None
    place.layout.staging.end()
    assert notes(place) == []


def test_the_root_can_be_noted(place: Place) -> None:
    temporary = staging.of(place.layout).temporary(b"")
    assert temporary.startswith(b"/" + PREFIX)
    assert notes(place)[0].read_bytes().endswith(b"\0/")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"?" * 10_000,
        os.urandom(5000),
        b"%(host)b",
        b"%(host)b\0%(top)b",
        b"%(host)b\0%(top)b/d/../",
        b"%(host)b\0%(top)b//",
        b"%(host)b\0%(top)b/./",
        b"%(host)b\0top/",
        b"%(host)b\0%(top)b/" + b"x" * 5000 + b"/",
        b"%(host)b\0%(top)b/missing/\0",
        b"%(host)b\0%(top)b/file/",
    ],
)
def test_a_note_that_none_can_have_written_leads_nowhere(place: Place, content: bytes) -> None:
    if content.startswith(b"%"):
        content = content % {b"host": hosts.own().hex().encode(), b"top": os.fsencode(place.top)}
    (place.top / "d").mkdir()
    (place.top / "file").touch()
    note = note_of(place, content)
    temporary = place.top / os.fsdecode(PREFIX + os.fsencode(note.name)[2:].removesuffix(NOTE) + b"-1")
    temporary.touch()
    before = place.picture()
    collect(place)
    assert place.picture() == before
    assert notes(place) == []
    leading_to(note_of(place, b""), place.top)
    assert collect(place) > 0, "a good note is followed"


def test_a_note_is_only_about_its_own_process(place: Place) -> None:
    one, other = note_of(place, b""), note_of(place, b"", number=b"fedcba9876543210")
    (stranger,) = leading_to(other, place.top)
    (own,) = leading_to(one, place.top)
    other.unlink()
    names = ["x", "-1x", "-", "-1-asides", "-1\n", "-x-aside"]
    alike = [place.top / (own.name.removesuffix("-1") + end) for end in names]
    for path in alike:
        path.touch()
    collect(place)
    assert sorted(path for path in place.top.iterdir()) == sorted([stranger, *alike])


def test_no_link_on_the_way_is_followed(place: Place) -> None:
    real = place.top / "real"
    (real / "below").mkdir(parents=True)
    (place.top / "link").symlink_to(real)
    (place.top / "last").symlink_to(real / "below")
    note = note_of(place, b"")
    planted = leading_to(note, place.top / "link" / "below", place.top / "last")
    collect(place)
    assert planted[0].exists()
    assert not note.exists()


def test_only_names_go(place: Place) -> None:
    """A link goes, and not what it names; a folder stays, and what is in it."""
    (place.top / "target").write_text("target")
    (place.top / "d").mkdir()
    note = note_of(place, b"")
    one, other = leading_to(note, place.top, place.top / "d")
    one.unlink()
    one.symlink_to("target")
    other.unlink()
    other.mkdir()
    (other / "file").touch()
    collect(place)
    assert not one.is_symlink()
    assert (place.top / "target").read_text() == "target"
    assert (other / "file").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_note_that_is_no_file_leads_nowhere(place: Place, kind: str) -> None:
    note = note_of(place, b"")
    (temporary,) = leading_to(note, place.top)
    content = note.read_bytes()
    note.unlink()
    if kind == "link":
        (place.top / "content").write_bytes(content)
        note.symlink_to(place.top / "content")
    elif kind == "fifo":
        os.mkfifo(note)
    else:
        note.mkdir()
    collect(place)
    assert temporary.exists()


def test_a_note_of_another_host_is_left_to_it(place: Place) -> None:
    note = note_of(place, b"")
    (temporary,) = leading_to(note, place.top)
    note.write_bytes(b"0" + note.read_bytes()[1:] if note.read_bytes()[:1] != b"0" else b"1" + note.read_bytes()[1:])
    collect(place)
    assert note.exists()
    os.utime(note, (time.time() - OF_OTHERS - 60,) * 2)
    collect(place)
    assert not note.exists()
    assert temporary.exists()


@NEEDS_ROOT
def test_a_note_of_another_user_is_left_to_him(place: Place) -> None:
    note = note_of(place, b"")
    (temporary,) = leading_to(note, place.top)
    os.chown(note, 65534, 65534)
    collect(place)
    assert note.exists()
    assert temporary.exists()
