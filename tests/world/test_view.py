"""The state of single paths: values, listings, attributes, and files that change under one's eyes."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from procache import digests
from procache.model.aspects import (
    CONTENT,
    DIGEST,
    FS,
    IDENTITY,
    LINK_META,
    LISTING,
    META,
    MTIME,
    PSEUDO,
    TARGET,
    XATTR,
    ChangedWhileReading,
)
from procache.world import mounts, states
from procache.world.states import GRAIN_NS
from procache.world.view import SMALL, World, describe

LONG_AGO = 10**18


@pytest.fixture
def world() -> World:
    """A world that remembers nothing."""
    return World()


def name(path: Path) -> bytes:
    """A path as the world takes it."""
    return os.fsencode(path)


# -- listings --------------------------------------------------------------------------------------


def filled(folder: Path) -> Path:
    """A folder with one of each kind."""
    folder.mkdir()
    (folder / "file").touch()
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("folder")
    (folder / "dangling").symlink_to("none")
    os.mkfifo(folder / "fifo")
    (folder / os.fsdecode(b"\xff\xfe")).touch()
    return folder


def test_a_listing_has_names_and_types(tmp_path: Path) -> None:
    assert states.listing(name(filled(tmp_path / "d"))) == {
        b"file": stat.S_IFREG,
        b"folder": stat.S_IFDIR,
        b"link": stat.S_IFLNK,
        b"dangling": stat.S_IFLNK,
        b"fifo": stat.S_IFIFO,
        b"\xff\xfe": stat.S_IFREG,
    }


def test_the_order_of_entries_does_not_count() -> None:
    entries = {b"%d" % at: stat.S_IFREG for at in range(20)}
    backwards = dict(reversed(entries.items()))
    assert list(entries) != list(backwards)
    assert states.listing_digest(entries) == states.listing_digest(backwards)


def test_every_entry_and_type_counts() -> None:
    entries = {b"a": stat.S_IFREG, b"b": stat.S_IFREG}
    others = [
        {},
        {b"a": stat.S_IFREG},
        {**entries, b"c": stat.S_IFREG},
        {**entries, b"b": stat.S_IFDIR},
        {b"ab": stat.S_IFREG},
    ]
    assert len({states.listing_digest(found) for found in [entries, *others]}) == 6


# -- values ----------------------------------------------------------------------------------------


def test_a_young_file_has_no_identity(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    os.utime(path, ns=(2 * 10**18, 2 * 10**18))  # a time to come
    assert states.state_of(path.lstat())[IDENTITY] is None
    time.sleep(GRAIN_NS / 1e9 * 1.5)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    time.sleep(GRAIN_NS / 1e9 * 1.5)
    st = path.lstat()
    assert states.state_of(st)[IDENTITY] == (st.st_dev, st.st_ino, st.st_ctime_ns)
    assert states.same_file(states.state_of(st), st)


def test_where_times_are_whole_seconds_a_file_is_young_for_longer() -> None:
    def at(ctime: int) -> os.stat_result:
        return os.stat_result((0o100644, 1, 2, 1, 0, 0, 5, 0, 0, 0), {"st_mtime_ns": 7, "st_ctime_ns": ctime})

    second = 10**9
    assert not states.settled(at(5 * second), 7 * second)
    assert states.settled(at(5 * second), 8 * second)
    assert states.settled(at(5 * second + 1), 6 * second)


@pytest.mark.parametrize("kind", [b"nfs4", b"xfs"])
def test_a_file_that_hosts_share_is_looked_at_as_who_opens_it_sees_it(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    """What lstat says of it is from before another host wrote to it."""
    path = tmp_path / "in"
    path.write_bytes(b"old")
    (tmp_path / "link").symlink_to("in")
    stale = path.lstat()
    path.write_bytes(b"longer")
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda asked: stale if asked == name(path) else lstat(asked))
    monkeypatch.setattr(states, "_shared", {})
    monkeypatch.setattr(os, "major", lambda device: 0)
    number = f"{0}:{os.minor(stale.st_dev)}"
    (tmp_path / "table").write_bytes(
        b"9 8 0:9999 / / rw - ext4 x rw\n7 9 %b / /x rw - %b host:/x rw\n" % (number.encode(), kind)
    )
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "table"))
    seen = world.look_to_read(name(path))
    assert not isinstance(seen, int)
    assert seen.st_size == (6 if kind == b"nfs4" else 3)
    link = world.look_to_read(name(tmp_path / "link"))
    assert not isinstance(link, int)
    assert stat.S_ISLNK(link.st_mode)
    assert world.look_to_read(name(tmp_path / "none")) == errno.ENOENT


def test_one_that_may_not_be_opened_is_only_looked_at(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(b"old")
    monkeypatch.setattr(states, "_shared", {tmp_path.stat().st_dev: True})

    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "open", refused)
    assert world.look_to_read(name(tmp_path / "in")) == (tmp_path / "in").lstat()


def test_a_device_with_a_driver_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_shared", {})
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "none"))
    assert not states._may_be_shared(os.makedev(8, 1))
    assert states._may_be_shared(os.makedev(0, 41)), "what cannot be told may be"
    assert states._shared == {os.makedev(8, 1): False, os.makedev(0, 41): True}


@pytest.mark.parametrize(("size", "known"), [(0, True), (SMALL, True), (SMALL + 1, False)])
def test_a_small_file_that_is_only_looked_at_is_read(tmp_path: Path, world: World, size: int, known: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    aspect, value = world.value(META, name(path), path.lstat())
    assert aspect == META
    assert value[DIGEST] == (digests.of_bytes(b"x" * size) if known else b"")  # type: ignore[index]


def test_a_large_file_that_was_only_looked_at_is_held_to_its_time(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (SMALL + 1))
    fact = (name(path), *world.value(META, name(path), path.lstat()), False)
    assert world.differs(fact, path.lstat()) is None
    os.utime(path, ns=(5, 5))
    assert world.differs(fact, path.lstat()) is not None


def test_a_file_that_changed_since_it_was_looked_at_has_no_value(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    st = path.lstat()
    path.write_bytes(b"longer")
    with pytest.raises(ChangedWhileReading):
        world.value(CONTENT, name(path), st)


def test_a_file_that_cannot_be_read_has_no_content(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    st = path.lstat()
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        world.value(CONTENT, name(path), st)


def test_a_refreshed_fact_has_the_time_of_now(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    aspect, value = world.value(CONTENT, name(path), path.lstat())
    os.utime(path, ns=(5, 5))
    fresh = world.refreshed((name(path), aspect, value, False), path.lstat())[2]
    assert fresh[MTIME] == 5  # type: ignore[index]
    assert fresh[DIGEST] == value[DIGEST]  # type: ignore[index]


def test_a_content_that_comes_back_under_another_identity_is_the_same(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    fact = (name(path), *world.value(CONTENT, name(path), path.lstat()), False)
    path.unlink()
    path.write_bytes(b"x")
    assert world.differs(fact, path.lstat()) is None
    path.write_bytes(b"y")
    assert world.differs(fact, path.lstat()) is not None


# -- the other aspects -----------------------------------------------------------------------------


def test_attributes_count_names_and_values(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.touch()
    found = [world.extra(XATTR, name(path))]
    try:
        os.setxattr(path, "user.a", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    found.append(world.extra(XATTR, name(path)))
    os.setxattr(path, "user.a", b"2")
    found.append(world.extra(XATTR, name(path)))
    os.removexattr(path, "user.a")
    assert world.extra(XATTR, name(path)) == found[0] == b""
    assert len(set(found)) == 3


def test_attributes_are_compared(tmp_path: Path, world: World) -> None:
    path = tmp_path / "file"
    path.touch()
    assert world.differs((name(path), XATTR, b"", False), path.lstat()) is None
    assert world.differs((name(path), XATTR, b"something", False), path.lstat()) is not None


def test_a_link_has_a_time_of_its_own(tmp_path: Path, world: World) -> None:
    (tmp_path / "link").symlink_to("none")
    before = world.extra(LINK_META, name(tmp_path / "link"))
    os.utime(tmp_path / "link", ns=(5, 5), follow_symlinks=False)
    assert world.extra(LINK_META, name(tmp_path / "link")) != before


def test_what_the_kernel_tells_is_compared(tmp_path: Path, world: World) -> None:
    st = tmp_path.lstat()
    for aspect, path in ((FS, name(tmp_path)), (PSEUDO, b"/proc/version")):
        assert world.differs((path, aspect, world.extra(aspect, path), False), st) is None
        assert world.differs((path, aspect, b"other", False), st) == world.extra(aspect, path)


def test_a_listing_of_what_is_no_folder_any_more_differs(tmp_path: Path, world: World) -> None:
    folder = filled(tmp_path / "d")
    fact = (name(folder), LISTING, states.listing_digest(states.listing(name(folder))), False)
    assert world.differs(fact, folder.lstat()) is None
    folder.rename(tmp_path / "away")
    assert world.differs(fact, errno.ENOENT) == "ENOENT"


def test_a_link_text_is_told_where_it_differs(tmp_path: Path, world: World) -> None:
    (tmp_path / "link").symlink_to("one")
    fact = (name(tmp_path / "link"), TARGET, b"other", False)
    assert world.differs(fact, (tmp_path / "link").lstat()) == b"one"


def test_descriptions(tmp_path: Path) -> None:
    assert describe(errno.ENOTDIR) == "ENOTDIR"
    assert describe(98765) == "98765"
    st = tmp_path.lstat()
    assert describe(st)[:3] == (st.st_mode, st.st_uid, st.st_gid)  # type: ignore[index]
