"""A command with many variants: a look-up takes up few of them, and never misses one that fits."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.fake import FakeWorld
from model.records import PLAIN, Streams, make_record

from procache import digests
from procache.model import traits
from procache.model.aspects import CONTENT, LISTING, META, OWNER, STDIN, TARGET, TYPE, Fact
from procache.model.match import match
from procache.model.policy import Policy
from procache.model.record import Record
from procache.store import files, fsck, hosts, merging, records
from procache.store.layout import Layout
from procache.store.records import RecordFile
from procache.store.writer import add_record
from procache.world import states
from procache.world.states import Memo, state_of
from procache.world.view import World

KEY = digests.of_bytes(b"a command")
PATHS = [b"/a", b"/b", b"/d", b"/d/c"]
ASPECTS = [TYPE, OWNER, META, CONTENT, LISTING]


def add(layout: Layout, record: Record, most: int = 2000, host: bytes | None = None) -> None:
    """Store a record under the one key."""
    add_record(layout, KEY, record, record.pack(), most, host)


def opened(layout: Layout) -> RecordFile:
    """The record file of the one key."""
    file = records.find(layout, KEY)
    assert file is not None
    return file


def statuses(layout: Layout, world: Any, policy: Policy | None = None, **streams: Any) -> list[int]:
    """The statuses of the records that are taken up."""
    with opened(layout) as file:
        return [
            record.status for record in file.likely(world, Streams(**streams), policy or Policy(), PLAIN["command"])
        ]


# -- nothing that fits is passed over -----------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[FakeWorld]:
    """A tree as it is changed over time, with times that come back too."""
    world, found = FakeWorld(), []
    for _ in range(draw(st.integers(3, 14))):
        path = draw(st.sampled_from(PATHS))
        kind = draw(st.sampled_from(["file", "file", "file", "folder", "link", "gone", "time", "mode"]))
        if kind in ("time", "mode"):
            if path in world.nodes and kind == "time":
                world.nodes[path].mtime = draw(st.integers(1, 2)) * 10**9
            elif path in world.nodes:
                world.nodes[path].mode ^= 0o100
        elif kind == "gone":
            world.nodes.pop(path, None)
        else:
            mode = {"file": stat.S_IFREG | 0o644, "folder": stat.S_IFDIR | 0o755, "link": stat.S_IFLNK | 0o777}[kind]
            world.add(path, mode, b"" if kind == "folder" else draw(st.sampled_from([b"1", b"2", b"3"])))
        found.append(world.copy())
    return found


def seen(world: FakeWorld, looks: list[tuple[bytes, int, bool]]) -> list[Fact]:
    """The facts that these looks find."""
    facts: list[Fact] = []
    for path, aspect, timed in looks:
        if aspect == LISTING:
            try:
                facts.append((path, LISTING, world.listing_digest(world.entries(path)), False))
            except OSError:
                continue
        else:
            facts.append((path, *world.value(aspect, path, world.look(path)), timed))
    return facts


LOOKS = st.lists(
    st.tuples(st.sampled_from(PATHS), st.sampled_from(ASPECTS), st.booleans()),
    max_size=5,
    unique_by=lambda look: look[0],
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(histories(), st.lists(LOOKS, min_size=14, max_size=14), st.booleans(), st.booleans())
def test_a_record_that_fits_is_always_taken_up(
    tmp_path_factory: pytest.TempPathFactory,
    worlds: list[FakeWorld],
    looks: list[list[tuple[bytes, int, bool]]],
    resume: bool,
    ignoring: bool,
) -> None:
    layout, policy = Layout(os.fsencode(tmp_path_factory.mktemp("cache"))), Policy()
    layout.prepare()
    policy.resume = resume
    if ignoring:
        policy.ignored_paths = (b"/a",)
    for number, (world, chosen) in enumerate(zip(worlds, looks, strict=False)):
        add(layout, make_record(seen(world, chosen), status=number))
    with opened(layout) as file:
        every = [record for place in range(file.count) if (record := file.record(place)) is not None]
        assert len(every) == file.count
        for now in worlds[-3:]:
            fitting = {r.identity() for r in every if not match(r, now, Streams(), policy).differences}  # type: ignore[arg-type]
            likely = file.likely(now, Streams(), policy, PLAIN["command"])
            taken = {record.identity() for record in likely}  # type: ignore[arg-type]
            assert fitting <= taken


# -- few are taken up ------------------------------------------------------------------------------


def content(number: int) -> list[Fact]:
    """The facts of a command that reads one file of many contents, beside another that stays."""
    state = (0o100644, 0, 0, 5, 0, 10**9, digests.of_bytes(b"%05d" % number), None)
    same = (0o100644, 0, 0, 4, 0, 10**9, digests.of_bytes(b"same"), None)
    return [(b"/lib", CONTENT, same, False), (b"/in", CONTENT, state, False)]


def world_of(number: int) -> FakeWorld:
    """Where the file has one of these contents."""
    world = FakeWorld()
    world.add(b"/lib", 0o100644, b"same")
    world.add(b"/in", 0o100644, b"%05d" % number)
    return world


def test_of_many_variants_by_content_one_is_taken_up_beside_the_newest(layout: Layout) -> None:
    for number in range(100):
        add(layout, make_record(content(number), status=number))
    with opened(layout) as file:
        assert file.traits == ((b"/in", CONTENT),)
    for number in (0, 50, 98, 99):
        assert statuses(layout, world_of(number)) in ([99, number], [99]), number
    assert statuses(layout, world_of(1000)) == [99]


def test_a_few_are_all_taken_up(layout: Layout) -> None:
    for number in range(5):
        add(layout, make_record(content(number), status=number))
    assert statuses(layout, world_of(0)) == [4, 3, 2, 1, 0]


def test_where_a_file_that_tells_them_apart_is_ignored_all_are_taken_up(layout: Layout) -> None:
    for number in range(20):
        add(layout, make_record(content(number), status=number))
    policy = Policy()
    policy.ignored_paths = (b"/in",)
    assert len(statuses(layout, world_of(0), policy)) == 20
    policy = Policy()
    policy.resume = True
    assert len(statuses(layout, world_of(0), policy)) == 20


def test_a_file_that_cannot_be_read_now_tells_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        add(layout, make_record(content(number), status=number))

    def refused(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(FakeWorld, "known_digest", refused)
    assert len(statuses(layout, world_of(0))) == 20
    monkeypatch.setattr(FakeWorld, "known_digest", lambda *_: b"")
    assert len(statuses(layout, world_of(0))) == 20


def fact(side: int, number: int) -> Fact:
    """A fact of which the side has one value for each number."""
    plain = (0o100644, 0, 0, 5, 0, number, b"", None)
    values: dict[int, Fact] = {
        META: (b"/in", META, plain, False),
        TARGET: (b"/in", TARGET, b"%d" % number, False),
        LISTING: (b"/in", LISTING, digests.of_bytes(b"%d" % number), False),
        STDIN: (b"0", STDIN, (number, b"digest"), False),
    }
    return values[side]


@pytest.mark.parametrize("side", [META, TARGET, LISTING, STDIN])
def test_other_sides_tell_variants_apart_too(layout: Layout, side: int) -> None:
    for number in range(30):
        add(layout, make_record([fact(side, number)], status=number))
    with opened(layout) as file:
        assert [trait[1] for trait in file.traits] == [side]
    world = FakeWorld()
    if side == TARGET:
        world.add(b"/in", 0o120777, b"7")
    else:
        world.add(b"/in", 0o100644, b"12345")
        world.nodes[b"/in"].mtime = 7
    expected = {LISTING: 30}.get(side, 2)  # no folder: its listing cannot be told
    assert len(statuses(layout, world, stdin=(7, b"digest"))) == expected


def test_what_does_not_go_by_times_is_taken_up_at_any_time(layout: Layout) -> None:
    """Of one content, many variants by the time of the file, and an older one for which times do not count."""
    state = content(7)[1][2]
    assert isinstance(state, tuple)
    add(layout, make_record([(b"/in", CONTENT, state, False)], status=200))
    for number in range(20):
        add(layout, make_record([(b"/in", CONTENT, (*state[:5], number, *state[6:]), True)], status=number))
    with opened(layout) as file:
        assert file.traits == ((b"/in", META),)
    assert statuses(layout, world_of(7)) == [19, 200]


def test_what_read_a_pipe_is_taken_up_beside_what_read_files(layout: Layout) -> None:
    pipe = (3, b"digest", True, b"head")
    add(layout, make_record([(b"0", STDIN, pipe, False)], status=200))
    for number in range(20):
        add(layout, make_record([fact(STDIN, number)], status=number))
    assert statuses(layout, FakeWorld(), stdin=None) == [19, 200]


def test_variants_that_read_other_files_are_told_apart_by_what_is_there(layout: Layout) -> None:
    """Of each two, one read a file that was not there for the other."""
    for number in range(64):
        facts: list[Fact] = [
            (b"/f%d" % bit, *((TYPE, 0o100000) if number >> bit & 1 else (0, 2)), False) for bit in range(6)
        ]
        add(layout, make_record(facts, status=number))
    world = FakeWorld()
    for bit in (0, 3):
        world.add(b"/f%d" % bit, 0o100644)
    found = statuses(layout, world)
    assert 9 in found
    assert len(found) <= 1 + traits.FEW


def test_so_many_traits_are_kept_and_no_more(layout: Layout) -> None:
    for number in range(200):
        add(layout, make_record([(b"/in%d" % (number // 5), CONTENT, content(number)[1][2], False)], status=number))
        add(layout, make_record([(b"/in%d" % (number // 5), CONTENT, content(-number)[1][2], False)], status=number))
    with opened(layout) as file:
        assert len(file.traits) <= traits.MOST
        assert len(list(file.likely_places(world_of(0), Streams(), Policy()))) <= file.count  # type: ignore[arg-type]


def test_a_variant_takes_the_place_of_its_like_among_many(layout: Layout) -> None:
    for number in (*range(40), 20, 20, 0):
        add(layout, make_record(content(number), status=number))
    with opened(layout) as file:
        found = [record.status for place in range(file.count) if (record := file.record(place))]
        assert found == [0, 20, *range(39, 20, -1), *range(19, 0, -1)]
    for number in range(40):
        assert number in statuses(layout, world_of(number))


def test_the_oldest_beyond_the_limit_go_and_the_rest_is_found(layout: Layout) -> None:
    for number in range(60):
        add(layout, make_record(content(number), status=number), most=30)
    with opened(layout) as file:
        assert file.count == 30
    assert statuses(layout, world_of(31)) == [59, 31]
    assert statuses(layout, world_of(29)) == [59]


def test_records_that_are_not_taken_up_are_not_read(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        add(layout, make_record(content(number), status=number % 256, data=b"%d" % number * 500))
    read = 0
    pread = os.pread

    def counting(fd: int, size: int, offset: int) -> bytes:
        nonlocal read
        data = pread(fd, size, offset)
        read += len(data)
        return data

    monkeypatch.setattr(os, "pread", counting)
    assert statuses(layout, world_of(7)) == [299 % 256, 7]
    assert read < records.FIRST + 10_000 < os.path.getsize(layout.record(KEY)) // 4


def test_what_lies_across_two_identities_is_none() -> None:
    one, other = b"0123456789abcdef", b"89abcdef01234567"
    across = one[8:] + other[:8]
    old = SimpleNamespace(identities=one + other + across, count=3)
    assert [merging.place_of(old, each) for each in (one, other, across, b"0" * 16)] == [0, 1, 2, -1]  # type: ignore[arg-type]
    old.count = 2
    assert merging.place_of(old, across) == -1  # type: ignore[arg-type]


# -- hosts -----------------------------------------------------------------------------------------


def test_files_are_recognised_by_identity_only_where_they_were_seen(layout: Layout, tmp_path: Path) -> None:
    """Two clones of one machine: a file of the same device, inode and times holds something else on the other."""
    path = tmp_path / "in"
    path.write_bytes(b"theirs")
    os.utime(path, ns=(10**18, 10**18))
    seen_there = path.lstat()
    name, there = os.fsencode(path), digests.of_bytes(b"THEIRS")
    identity = (seen_there.st_dev, seen_there.st_ino, seen_there.st_ctime_ns)
    state = (*state_of(seen_there, there)[:7], identity)
    for host, hits in ((hosts.own(), True), (b"another!", False), (hosts.NOBODY, False)):
        add(layout, make_record([(name, CONTENT, (*state[:4], 0, *state[5:]), False)]), host=host)
        [record] = records.load(layout, KEY)
        assert (not match(record, World(Memo()), Streams(), Policy()).differences) == hits, host


def test_hosts_that_cannot_be_told_are_not_taken_for_one(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "own", lambda: hosts.NOBODY)
    state = (0o100644, 0, 0, 5, 0, 7, digests.of_bytes(b"x"), (1, 2, 3))
    add(layout, make_record([(b"/in", CONTENT, state, False)]))
    [record] = records.load(layout, KEY)
    assert record.facts[0][2][7] is None  # type: ignore[index]


def test_on_another_host_equal_content_still_hits(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"content")
    shown = path.lstat()
    state = (*state_of(shown, digests.of_bytes(b"content"))[:7], (1, 2, 3))
    effect = (b"/out", 0, 0, (0o100600, 0, 0, 3, 1, 5, b"xdigest", (4, 5, 6)), None, False, None)
    add(layout, make_record([(os.fsencode(path), CONTENT, state, False)], [effect]), host=b"another!")
    [record] = records.load(layout, KEY)
    assert record.effects[0][3][7] is None  # type: ignore[index]
    assert not match(record, World(Memo()), Streams(), Policy()).differences


@pytest.mark.parametrize("shared", [True, False])
def test_what_another_host_has_just_written_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """On a network file system lstat can tell for a while what was; who opens the file sees what is."""
    path = tmp_path / "in"
    path.write_bytes(b"what was")
    os.utime(path, ns=(10**18, 10**18))
    stale = path.lstat()
    state = (*state_of(stale, digests.of_bytes(b"what was"))[:7], (stale.st_dev, stale.st_ino, stale.st_ctime_ns))
    record = make_record([(os.fsencode(path), CONTENT, (*state[:4], 0, *state[5:]), False)])
    path.write_bytes(b"WHAT WAS")
    monkeypatch.setattr(states, "look", lambda _: stale)
    monkeypatch.setattr(states, "_shared", {stale.st_dev: shared})
    assert bool(match(record, World(Memo()), Streams(), Policy()).differences) == shared


def test_who_wrote_a_record_is_kept_when_others_are_added(layout: Layout) -> None:
    for number, host in enumerate((hosts.own(), b"another!", hosts.own())):
        identity = (1, 2, number + 1)
        state = (0o100644, 0, 0, 5, 0, 7, digests.of_bytes(b"%d" % number), identity)
        add(layout, make_record([(b"/in", CONTENT, state, False)]), host=host)
    assert [record.facts[0][2][7] for record in records.load(layout, KEY)] == [(1, 2, 3), None, (1, 2, 1)]  # type: ignore[index]


@pytest.mark.parametrize("change", ["machine", "name", "nothing"])
def test_a_host_is_told_by_its_id_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    (tmp_path / "id").write_text("4a1f\n")
    monkeypatch.setattr(hosts, "MACHINE_ID", str(tmp_path / "id"))
    before = hosts.told()
    if change == "machine":
        (tmp_path / "id").write_text("4a1e\n")
    elif change == "name":
        uname = os.uname()
        monkeypatch.setattr(os, "uname", lambda: type(uname)((uname[0], "clone", *uname[2:])))
    assert (hosts.told() == before) == (change == "nothing")


def test_without_an_id_it_is_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boot").write_text("b00t\n")
    monkeypatch.setattr(hosts, "MACHINE_ID", str(tmp_path / "none"))
    monkeypatch.setattr(hosts, "BOOT_ID", str(tmp_path / "boot"))
    before = hosts.told()
    monkeypatch.setattr(os, "uname", lambda: None)
    assert hosts.told() == before != hosts.NOBODY
    (tmp_path / "boot").unlink()
    assert hosts.told() == hosts.NOBODY


# -- repairs ------------------------------------------------------------------------------------------


def test_a_repair_keeps_what_is_whole_as_it_was_in_one_write(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        add(layout, make_record(content(number), status=number), host=b"host %03d" % number)
    path = Path(os.fsdecode(layout.record(KEY)))
    with opened(layout) as before:
        spoilt = bytearray(path.read_bytes())
        for place in (0, 17, 39):
            spoilt[before.places[place] + 5] ^= 1
        assert before.traits
        whole = [before.packed(place) for place in range(40) if place not in (0, 17, 39)]
        marks = [[column[place] for place in range(40) if place not in (0, 17, 39)] for column in before.columns]
    path.write_bytes(spoilt)
    written: list[bytes] = []
    write = files.write
    monkeypatch.setattr(
        files, "write", lambda layout, path, content: (written.append(path), write(layout, path, content))
    )
    fsck.mend(layout, KEY)
    assert written == [layout.record(KEY)]
    with opened(layout) as after:
        assert (after.count, after.traits, after.damaged) == (37, before.traits, False)
        assert [after.packed(place) for place in range(37)] == whole
        assert [list(column) for column in after.columns] == marks
        assert (after.hosts[:8], after.hosts[-8:]) == (b"host 038", b"host 001")


def test_a_repair_leaves_a_file_that_has_come_meanwhile(layout: Layout) -> None:
    add(layout, make_record(content(1), status=1))
    path = layout.record(KEY)
    with opened(layout) as old:
        add(layout, make_record(content(2), status=2))
        assert not fsck.Checker(layout, True, lambda kind, size: None).rebuild(path, KEY, old, [0])
    assert [record.status for record in records.load(layout, KEY)] == [2, 1]
