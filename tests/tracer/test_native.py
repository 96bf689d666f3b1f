"""The parts in C: they are there where they can be built, and say what their twins in Python say."""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from procache import native
from procache.model import aspects
from procache.model.tree import new_facts
from procache.tracer import fds, source, table
from procache.tracer.looks import ASPECTS
from procache.tracer.source import as_stat
from procache.tracer.tracee import Tracee
from procache.world import inherited, states, view
from procache.world.view import World

HEADER = Path(sysconfig.get_path("include"), "Python.h")


@pytest.mark.skipif(not HEADER.exists() or not shutil.which("gcc"), reason="nothing to compile the parts in C with")
def test_the_parts_in_c_are_used() -> None:
    view.load_native()
    assert source.native is not None
    assert view.native is not None


def test_a_part_of_older_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.fitting(source) is None, "it names no interface"
    monkeypatch.setattr(source, "INTERFACE", native.INTERFACE, raising=False)
    assert native.fitting(source) is source


def test_the_numbers_of_aspects_are_those_in_c() -> None:
    text = Path(view.__file__).with_name("_looks.c").read_text()
    names = text.split("enum aspect {", 1)[1].split("}", 1)[0].split(",")
    assert [getattr(aspects, name.strip()) for name in names] == list(range(len(names)))
    places = text.split("enum place {", 1)[1].split("}", 1)[0].split(",")
    assert [getattr(aspects, place.strip()) for place in places] == list(range(len(places)))


def test_every_plain_call_is_a_look_that_can_be_counted() -> None:
    rows = {row.name: row for row in table.ROWS.values()}
    assert {rows[name].handler for name in table.PLAIN} == set(ASPECTS)
    for name, (dirfd, path, flags, _) in table.PLAIN.items():
        spec = rows[name].spec
        assert (spec[0], spec[1]) == (None if dirfd < 0 else dirfd, path), name
        assert flags < 0 or spec[2] == flags, name


def test_stat_results_are_made_again(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(0, 1_234_567_890_123_456_789))
    st = os.lstat(tmp_path)
    made = as_stat(
        (
            *(st.st_mode, st.st_ino, st.st_dev, st.st_nlink, st.st_uid, st.st_gid, st.st_size),
            *(st.st_mtime_ns, st.st_ctime_ns),
        )
    )
    names = ["mode", "ino", "dev", "nlink", "uid", "gid", "size", "mtime_ns", "ctime_ns", "mtime", "ctime"]
    assert [getattr(made, f"st_{name}") for name in names] == [getattr(st, f"st_{name}") for name in names]


def test_status_fields(me: Tracee) -> None:
    assert me.status() == inherited.status_fields(inherited.read_status(os.getpid()))


def test_a_status_field_that_is_not_there(me: Tracee) -> None:
    if source.native is not None:
        assert source.native.fields(os.getpid(), (b"\nNo such:\t", b"\nUmask:\t"))[0] == b""


def test_standard_streams(me: Tracee) -> None:
    expected = [(found[0], found[1], found[2], found[3]) if found else None for found in fds.standard(me)]
    streams = list(fds.standard(me)) if source.native is None else source.native.streams(os.getpid())
    assert [found and found[:4] for found in streams] == expected
    for fd, found in enumerate(streams):
        if found and fd and stat.S_ISREG(found[0]):
            assert found[4] & 0o3 == fds.open_flags(me, fd) & 0o3


@pytest.fixture(params=["native", "python"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    view.load_native()
    if request.param == "python":
        monkeypatch.setattr(view, "native", None)
    return World()


def facts(world: World, folder: Path) -> dict[bytes, tuple[int, object, bool]]:
    """One fact of each aspect in the folder."""
    found: dict[bytes, tuple[int, object, bool]] = {}
    wanted = {
        "content": aspects.CONTENT,
        "meta": aspects.META,
        "owner": aspects.OWNER,
        "type": aspects.TYPE,
        "link": aspects.TARGET,
        "absent": aspects.META,
        "folder": aspects.META,
    }
    for name, aspect in wanted.items():
        path = os.fsencode(folder / name)
        found[path] = (*world.value(aspect, path, world.look(path)), False)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("content", "meta", "owner", "type"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("content")
    (tmp_path / "folder").mkdir()
    return tmp_path


CHANGES = {
    "content": lambda folder: (folder / "content").write_text("CONTENTS"),
    "meta": lambda folder: os.utime(folder / "meta", ns=(0, 1)),
    "owner": lambda folder: (folder / "owner").chmod(0o600),
    "link": lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("meta")),
    "absent": lambda folder: (folder / "absent").touch(),
    "folder": lambda folder: (folder / "folder").chmod(0o700),
}


def test_facts_that_hold(world: World, folder: Path) -> None:
    assert world.first_changed(facts(world, folder), {}, ()) is None


@pytest.mark.parametrize("name", CHANGES)
def test_a_fact_that_no_longer_holds(world: World, folder: Path, name: str) -> None:
    seen = facts(world, folder)
    CHANGES[name](folder)
    path = os.fsencode(folder / name)
    assert world.first_changed(seen, {}, ()) == (path, False)
    assert world.first_changed(seen, {path: None}, ()) is None, "its own work does not count"


def test_what_was_there_is_gone(world: World, folder: Path) -> None:
    seen = facts(world, folder)
    for name in ("content", "owner", "link", "folder"):
        path = folder / name
        path.rmdir() if name == "folder" else path.unlink()
        assert world.first_changed({os.fsencode(path): seen[os.fsencode(path)]}, {}, ()) == (os.fsencode(path), False)


def test_types_are_not_looked_at_again(world: World, folder: Path) -> None:
    seen = facts(world, folder)
    (folder / "type").unlink()
    assert world.first_changed(seen, {}, ()) is None


def test_an_input_that_is_an_open_file(world: World, folder: Path) -> None:
    st = os.stat(folder / "content")
    seen = facts(world, folder)
    path = os.fsencode(folder / "content")
    assert world.first_changed(seen, {}, ((0, 0), (st.st_dev, st.st_ino))) == (path, True)
    assert world.first_changed(seen, {path: None}, ((st.st_dev, st.st_ino),)) is None


def test_answers_are_kept_only_for_what_was_seen(folder: Path) -> None:
    world, path = World(), os.fsencode(folder / "content")
    os.utime(path, ns=(0, 1_000_000_000))
    st = world.look(path)
    old = os.stat_result((*st[:10], 0.0, 1.0, 1.0, 0, st.st_mtime_ns, 1))  # type: ignore[index, union-attr]
    assert not states.same_look(old, st)  # type: ignore[arg-type]
    assert world.lasting(aspects.CONTENT, path, st) is None
    assert world.lasting(aspects.TYPE, path, st) == (aspects.TYPE, stat.S_IFREG)


# -- what looks add ----------------------------------------------------------------------------------

STATE = strategies.builds(lambda links: (1, 2, 3, 4, links, 5, b"digest", None), strategies.integers(0, 2))
FACTS = strategies.one_of(
    strategies.tuples(strategies.just(aspects.ABSENT), strategies.integers(1, 3), strategies.booleans()),
    strategies.tuples(strategies.just(aspects.TYPE), strategies.just(stat.S_IFDIR), strategies.booleans()),
    strategies.tuples(strategies.just(aspects.OWNER), strategies.just((1, 2, 3)), strategies.booleans()),
    strategies.tuples(strategies.sampled_from([aspects.META, aspects.CONTENT]), STATE, strategies.booleans()),
    strategies.tuples(strategies.just(aspects.TARGET), strategies.just(b"target"), strategies.booleans()),
)
KNOWN = strategies.dictionaries(strategies.sampled_from([b"/a", b"/b", b"/c", b"/d"]), FACTS)


@settings(max_examples=1000, deadline=None)
@given(KNOWN, KNOWN)
def test_both_say_the_same_of_what_looks_add(known: Any, facts: Any) -> None:
    view.load_native()
    twin = view.native.new_facts if view.native is not None else new_facts
    assert twin(known, facts) == new_facts(known, facts)


def test_what_is_no_fact_is_refused() -> None:
    view.load_native()
    if view.native is not None:
        with pytest.raises(TypeError, match="a fact is wanted"):
            view.native.new_facts({b"/a": (3, None, False)}, {b"/a": b"none"})
