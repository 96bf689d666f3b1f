"""Whether somebody else changed a path after all had ended that have changed it."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from procache.model.authors import MANY, Author, Works

from .fake import SECOND, FakeWorld
from .hands import FakeHands

PATH = b"/out"


class Scene:
    """A file in a world, in which the clock ticks at every change, and a process below another one."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.hands = FakeHands(self.world)
        self.works = Works(self.world)  # type: ignore[arg-type]
        self.parent = Author(None)
        self.child = Author(self.parent)

    def write(self, author: Author | None, path: bytes = PATH) -> bool:
        """An author writes a file; True where another hand was there before."""
        self.works.author = author
        found = self.works.changes(path, self.world.look(path), there=True)
        self.hands.put(path, b"x")
        return found

    def end(self, author: Author) -> None:
        """An author ends, a tick after the last change."""
        author.end(self.now())

    def now(self) -> int:
        """The time, a tick after the last change."""
        self.world.clock += SECOND
        return self.world.clock

    def meddled(self, path: bytes = PATH) -> bool:
        """True where another hand was there."""
        return self.works.meddled(path, self.world.look(path))


@pytest.fixture
def scene() -> Scene:
    """A new one."""
    return Scene()


def test_a_later_change_is_another_hands(scene: Scene) -> None:
    assert not scene.write(scene.child)
    scene.end(scene.child)
    assert not scene.meddled()
    scene.hands.put(PATH, b"theirs")
    assert scene.meddled()


def test_it_is_told_when_the_path_is_changed_again(scene: Scene) -> None:
    scene.write(scene.child)
    scene.end(scene.child)
    scene.hands.put(PATH, b"theirs")
    assert scene.write(scene.parent)


def test_as_long_as_the_author_lives_it_may_be_its_own(scene: Scene) -> None:
    scene.write(scene.child)
    scene.hands.put(PATH, b"who knows")
    assert not scene.meddled()


def test_descendants_may_hold_what_an_author_opened(scene: Scene) -> None:
    grandchild = Author(scene.child)
    scene.write(scene.child)
    scene.end(scene.child)
    scene.hands.put(PATH, b"by the grandchild")
    assert not scene.meddled()
    scene.end(grandchild)
    assert not scene.meddled()
    scene.hands.put(PATH, b"theirs")
    assert scene.meddled()


def test_all_authors_must_have_ended(scene: Scene) -> None:
    scene.write(scene.parent)
    scene.write(scene.child)
    scene.end(scene.child)
    scene.hands.put(PATH, b"by the parent")
    assert not scene.meddled()


@pytest.mark.parametrize("there", [False, True])
def test_a_name_that_goes_or_comes(scene: Scene, there: bool) -> None:
    scene.write(scene.child)
    if not there:
        scene.works.changes(PATH, scene.world.look(PATH), there=False)
        scene.hands.unlink(PATH)
    assert not scene.meddled()
    scene.end(scene.child)
    assert not scene.meddled()
    (scene.hands.unlink if there else lambda path: scene.hands.put(path, b"theirs"))(PATH)
    assert scene.meddled()


def test_a_file_with_several_names_gets_later_times_by_each(scene: Scene) -> None:
    """When one of the names goes the time of the others changes too."""
    scene.write(scene.child)
    scene.hands.link(PATH, b"/other")
    scene.end(scene.child)
    scene.works.author = scene.parent
    assert not scene.works.changes(b"/other", scene.world.look(b"/other"), there=False)
    scene.hands.unlink(b"/other")
    scene.world.nodes[PATH].ctime = scene.now()
    assert not scene.meddled()


def test_a_folders_time_is_that_of_its_names(scene: Scene) -> None:
    scene.works.author = scene.child
    scene.works.changes(b"/d", errno.ENOENT, there=True)
    scene.world.add(b"/d", stat.S_IFDIR | 0o755)
    scene.end(scene.child)
    scene.world.nodes[b"/d"].ctime = scene.now()
    assert not scene.meddled(b"/d")


def test_where_times_are_a_servers_they_say_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.world, "keeps_time", lambda path, device: False)
    scene.write(scene.child)
    scene.end(scene.child)
    scene.hands.put(PATH, b"theirs")
    assert not scene.meddled()
    scene.hands.unlink(PATH)
    assert scene.meddled()


def identity(scene: Scene, path: bytes) -> tuple[int, int]:
    """(device, inode) of a file."""
    st = scene.world.look(path)
    assert isinstance(st, os.stat_result)
    return st.st_dev, st.st_ino


@pytest.mark.parametrize("held", [False, True])
def test_what_an_author_has_closed_before_it_forks_is_not_its_own_later(scene: Scene, held: bool) -> None:
    scene.end(scene.child)
    scene.write(scene.parent)
    scene.works.forks(scene.parent, scene.now, lambda: pytest.fail("it was opened for this child"))
    files = {identity(scene, PATH)} if held else set()
    scene.works.forks(scene.parent, scene.now, lambda: files)
    scene.hands.put(PATH, b"theirs, unless it is held open")
    assert scene.meddled() != held


def test_while_another_child_lives_that_may_have_inherited_it_nothing_is_sure(scene: Scene) -> None:
    scene.write(scene.parent)
    for _ in range(2):
        scene.works.forks(scene.parent, scene.now, set)
    scene.hands.put(PATH, b"by the child, perhaps")
    assert not scene.meddled()


def test_where_nobody_can_tell_what_it_has_open_nothing_is_sure(scene: Scene) -> None:
    scene.end(scene.child)
    scene.write(scene.parent)
    for _ in range(3):
        scene.works.forks(scene.parent, scene.now, lambda: None)
    scene.hands.put(PATH, b"by the parent, perhaps")
    assert not scene.meddled()


def test_who_has_a_file_open_writes_to_it_by_its_new_name(scene: Scene) -> None:
    scene.write(scene.parent)
    scene.works.author = scene.child
    scene.works.changes(PATH, scene.world.look(PATH), there=False)
    scene.works.changes(b"/new", errno.ENOENT, there=True)
    scene.works.moved([(PATH, b"/new")])
    scene.hands.rename(PATH, b"/new")
    scene.end(scene.child)
    scene.hands.put(b"/new", b"by the parent")
    assert not scene.meddled(b"/new")
    scene.end(scene.parent)
    scene.hands.put(b"/new", b"theirs")
    assert scene.meddled(b"/new")


def test_who_has_changed_many_files_is_not_asked_about_each(scene: Scene) -> None:
    scene.end(scene.child)
    for number in range(MANY + 1):
        scene.write(scene.parent, b"/%d" % number)
    for _ in range(2):
        scene.works.forks(scene.parent, scene.now, lambda: pytest.fail("it was asked"))
    scene.hands.put(b"/1", b"who knows")
    assert not scene.meddled(b"/1")


def test_without_an_author_nothing_is_noted(scene: Scene) -> None:
    assert not scene.write(None)
    scene.hands.put(PATH, b"theirs")
    assert not scene.write(None) and not scene.meddled()
