"""Record files: all variants of one command, and what becomes of damaged ones."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgpack
import pytest
from common.filling import every_record
from hypothesis import given, settings
from hypothesis import strategies as st
from model.records import make_record

from procache import digests
from procache.model import aspects as asp
from procache.model import record as records_module
from procache.model.aspects import UNSTABLE
from procache.model.record import Damaged, Record
from procache.store import fsck, merging, records, tally
from procache.store.layout import Layout
from procache.store.writer import add_record
from procache.verify import unstable

from .conftest import at_once

KEY = digests.of_bytes(b"a command")
thorough = settings(deadline=None, derandomize=True, database=None)


def variant(number: int, **fields: Any) -> Record:
    """A record that differs from others by its number."""
    return make_record([(b"/in", 0, number, False)], status=number % 256, **fields)


def add(layout: Layout, record: Record, most: int = 16) -> None:
    """Store a record under the one key."""
    add_record(layout, KEY, record, record.pack(), most)


def statuses(layout: Layout) -> list[int]:
    """The exit statuses of all records, as loaded."""
    return [record.status for record in records.load(layout, KEY)]


def test_a_record_comes_back_as_it_was() -> None:
    record = make_record(
        [(b"/in\xff", 4, (0o100644, 0, 0, 5, 1, 7, b"xdigest", (1, 2, 3)), True), (b"", 13, (b"3:pipe",), False)],
        [(b"/out", 0, 0, (0o100600, 1, 2, 3, 1, 5, b"xother", None), -1, True, ((b"user.a", b"\0"),))],
        segments=[(1, 3), (2, 4)],
        data=b"outerrr",
        stdin_end=12,
        status=3,
        children=[b"xkey"],
        command=(b"/bin/x", (b"x", b"y"), b"/", b"env", (b"null",), (b"0022",), b"limits"),
    )
    again = Record.unpack(record.pack())
    for name in Record.__slots__:
        value, was = getattr(again, name), getattr(record, name)
        assert value == (tuple(was) if isinstance(was, list) else was), name


NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.binary(max_size=20).map(lambda name: b"/" + name.replace(b"\0", b"").replace(b"/", b"").replace(b".", b""))
STATES = st.tuples(
    st.just(0o100644),
    *[st.integers(0, 2**32 - 1)] * 2,
    NUMBERS,
    st.integers(0, 2**31),
    st.integers(-(2**62), 2**62),
    st.one_of(st.just(b""), st.binary(min_size=16, max_size=16).map(lambda rest: b"x" + rest)),
    st.one_of(st.none(), st.tuples(NUMBERS, NUMBERS, NUMBERS)),
)
FACTS = st.one_of(
    st.tuples(NAMES, st.sampled_from([asp.META, asp.CONTENT]), STATES, st.booleans()),
    st.tuples(NAMES, st.just(asp.ABSENT), st.integers(1, 133), st.just(False)),
    st.tuples(NAMES, st.just(asp.TARGET), st.binary(), st.just(False)),
    st.tuples(st.just(b"0"), st.just(asp.STDIN), st.tuples(NUMBERS, st.binary()), st.just(False)),
    st.tuples(st.just(b""), st.just(asp.DESCRIPTORS), st.lists(st.binary()).map(tuple), st.just(False)),
)


@st.composite
def any_records(draw: st.DrawFn) -> Record:
    """A record as an execution can leave it: facts, output, numbers, names of any bytes."""
    segments = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=3))
    length = sum(size for _, size in segments)
    return make_record(
        draw(st.lists(FACTS, max_size=6)),
        segments=segments,
        data=draw(st.binary(min_size=length, max_size=length)),
        stdin_end=draw(st.one_of(st.none(), NUMBERS)),
        status=draw(st.integers(0, 255)),
        wall=draw(st.floats(0, 1e6)),
        maxrss=draw(st.integers(0, 2**40)),
        children=draw(st.lists(st.binary(max_size=33), max_size=3)),
        environment=draw(st.lists(st.tuples(st.binary(), st.binary(min_size=8, max_size=8)), max_size=3)),
        command=(b"/bin/x", tuple(draw(st.lists(st.binary(), max_size=4))), b"/", b"0" * 34, (b"null",) * 3, (), b""),
    )


@thorough
@given(st.lists(any_records(), min_size=1, max_size=8))
def test_any_record_comes_back_from_the_store_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, stored: list[Record]
) -> None:
    layout = Layout(os.fsencode(tmp_path_factory.mktemp("cache")))
    layout.prepare()
    for record in stored:
        add(layout, record)
    newest_first: dict[bytes, bytes] = {}
    for record in reversed(stored):
        newest_first.setdefault(record.identity(), record.pack())
    assert [record.pack() for record in records.load(layout, KEY)] == list(newest_first.values())


@pytest.mark.parametrize("packed", [b"", b"\x00", b"\xc1", b"\x91\x01", b"garbage", b"\x93\x02\x01\x02"])
def test_what_is_no_record_is_said_to_be_damaged(packed: bytes) -> None:
    with pytest.raises(Damaged):
        Record.unpack(packed)


def test_every_cut_of_a_record_is_damaged() -> None:
    packed = variant(1).pack()
    for length in range(len(packed)):
        with pytest.raises(Damaged):
            Record.unpack(packed[:length])


def test_a_record_of_another_format_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = variant(1).pack()
    monkeypatch.setattr(records_module, "FORMAT", records_module.FORMAT + 1)
    with pytest.raises(Damaged):
        Record.unpack(packed)


def test_variants_are_told_apart_by_what_counts_of_their_facts() -> None:
    state = (0o100644, 0, 0, 5, 1, 7, b"xdigest", (1, 2, 3))
    same = (*state[:5], 99, b"xdigest", None)
    other = (*state[:6], b"xother", (1, 2, 3))
    identities = {
        (name, timed): make_record([(b"/in", 4, value, timed)]).identity()
        for name, value in {"state": state, "same": same, "other": other}.items()
        for timed in (False, True)
    }
    assert identities["state", False] == identities["same", False] != identities["other", False]
    assert identities["state", True] != identities["same", True], "times count"


def test_the_newest_comes_first_and_replaces_its_like(layout: Layout) -> None:
    for number in (1, 2, 3, 2):
        add(layout, variant(number))
    assert statuses(layout) == [2, 3, 1]


def test_the_same_variant_is_kept_once_with_its_last_result(layout: Layout) -> None:
    add(layout, variant(1, wall=1.0))
    add(layout, variant(1, wall=2.0))
    assert [record.wall for record in records.load(layout, KEY)] == [2.0]


def test_the_oldest_beyond_the_limit_go(layout: Layout) -> None:
    for number in range(1, 8):
        add(layout, variant(number), most=4)
    assert statuses(layout) == [7, 6, 5, 4]


def test_keys_have_files_of_their_own(layout: Layout) -> None:
    other = digests.of_bytes(b"another command")
    add(layout, variant(1))
    add_record(layout, other, variant(2), variant(2).pack(), 16)
    assert statuses(layout) == [1]
    assert {(key, record.status) for key, record in every_record(layout)} == {(KEY, 1), (other, 2)}


def test_no_record_file_is_no_records(layout: Layout) -> None:
    assert records.find(layout, KEY) is None
    assert statuses(layout) == []
    assert records.count(layout, KEY) == 0


# -- damage ----------------------------------------------------------------------------------------


@pytest.fixture
def whole(layout: Layout) -> bytes:
    """The content of a record file with three records, 3 being the newest."""
    for number in (1, 2, 3):
        add(layout, variant(number, data=b"%d" % number * 50))
    return path_of(layout).read_bytes()


def path_of(layout: Layout) -> Path:
    """The record file of the one key."""
    return Path(os.fsdecode(layout.record(KEY)))


def damaged(layout: Layout) -> list[str]:
    """What was set aside."""
    return [name for name in os.listdir(os.fsdecode(layout.tmp)) if name.startswith("damaged-")]


def where_bodies_begin(layout: Layout) -> int:
    """The length of the head of the record file."""
    file = records.find(layout, KEY)
    assert file is not None
    with file:
        return file.places[0]


def test_a_cut_at_any_byte_leaves_only_whole_records(layout: Layout, whole: bytes) -> None:
    file = records.find(layout, KEY)
    assert file is not None
    ends = file.places
    for length in range(len(whole)):
        path_of(layout).write_bytes(whole[:length])
        found = statuses(layout)
        assert found == [3, 2, 1][: sum(end <= length for end in ends[1:])], length
        assert path_of(layout).exists() == (length >= ends[0]), length
    assert len(damaged(layout)) == 1


def test_a_flipped_bit_anywhere_gives_no_other_record(layout: Layout, whole: bytes) -> None:
    begin = where_bodies_begin(layout)
    for at in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << at % 8
        path_of(layout).write_bytes(spoilt)
        found = list(records.load(layout, KEY))
        assert len(found) == (0 if at < begin else 2), at
        assert all(record.data == b"%d" % record.status * 50 for record in found), at


def test_what_no_look_up_would_read_is_dropped(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (records, merging):
        monkeypatch.setattr(module, "LARGEST", 1 << 19)
    for number in range(12):
        add(layout, make_record([(b"/in", 0, number, False)], status=number, data=bytes(50000)))
    assert statuses(layout) == [11, 10, 9, 8, 7, 6, 5]
    file = records.find(layout, KEY)
    assert file is not None
    with file:
        assert (file.count, len(file.places) - 1, file.damaged) == (7, 7, False)


def test_a_damaged_file_that_somebody_else_has_just_set_aside_is_none(
    layout: Layout, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: records.RecordFile, width: int) -> None:
        path_of(layout).unlink()
        raise Damaged("the head of a record file")

    path_of(layout).write_bytes(whole)
    monkeypatch.setattr(records.RecordFile, "_parse", gone)
    before = os.listdir("/proc/self/fd")
    assert records.opened(layout, KEY) is None
    assert os.listdir("/proc/self/fd") == before


def test_a_damaged_record_hides_no_other(layout: Layout, whole: bytes) -> None:
    spoilt = bytearray(whole)
    spoilt[whole.index(b"2" * 50)] ^= 1
    path_of(layout).write_bytes(spoilt)
    assert statuses(layout) == [3, 1]
    fsck.mend(layout, KEY)
    assert statuses(layout) == [3, 1]
    assert path_of(layout).stat().st_size < len(whole), "what is whole was stored anew"
    assert damaged(layout) == ["damaged-" + path_of(layout).name]
    assert tally.read(layout).damaged == 1
    add(layout, variant(2))
    assert statuses(layout) == [2, 3, 1]


@pytest.mark.parametrize("data", [b"", b"x", records.MAGIC, b"procache records 1\n" + bytes(100)])
def test_what_is_no_record_file_is_set_aside(layout: Layout, data: bytes) -> None:
    add(layout, variant(1))
    path_of(layout).write_bytes(data)
    assert statuses(layout) == []
    assert (damaged(layout), path_of(layout).exists()) == (["damaged-" + path_of(layout).name], False)


def test_a_good_file_that_has_come_in_the_place_of_a_damaged_one_stays(
    layout: Layout, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path_of(layout).write_bytes(b"damaged")
    parse = records.RecordFile._parse

    def parse_late(file: records.RecordFile, width: int) -> None:
        path_of(layout).rename(path_of(layout).with_name("old"))
        path_of(layout).write_bytes(whole)
        parse(file, width)

    with monkeypatch.context() as patch:
        patch.setattr(records.RecordFile, "_parse", parse_late)
        assert records.find(layout, KEY) is None
    assert (statuses(layout), damaged(layout)) == ([3, 2, 1], [])


def test_commands_used_last_are_told_by_their_newest_record(layout: Layout) -> None:
    for number in range(5):
        key = digests.of_bytes(b"%d" % number)
        for kind in (0, 1):
            add_record(layout, key, made := variant(10 * kind + number), made.pack(), 9)
        os.utime(layout.record(key), (number, number))
    os.truncate(layout.record(digests.of_bytes(b"3")), 5)
    os.utime(layout.record(digests.of_bytes(b"3")), (3, 3))
    assert [record.status for record in records.lately_used(layout, 3)] == [14, 12]
    assert len(list(records.lately_used(layout, 100))) == 4


@thorough
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused_cleanly(tmp_path_factory: pytest.TempPathFactory, data: bytes, begins: bool) -> None:
    layout = Layout(os.fsencode(tmp_path_factory.mktemp("cache")))
    layout.prepare()
    path_of(layout).parent.mkdir(parents=True)
    path_of(layout).write_bytes(records.MAGIC * begins + data)
    assert statuses(layout) == []


#: Parts of a head, right ones among them.
PARTS = st.one_of(
    st.binary(max_size=40),
    st.integers(),
    st.none(),
    st.sampled_from(
        [b"", bytes(4), bytes(8), bytes(16), b"\1\0\0\0", b"\xff" * 4, [], [[b"/in", 4]], [["in", 4]], [4]]
    ),
)


@thorough
@given(
    st.one_of(st.lists(PARTS, max_size=7), st.tuples(PARTS, *[st.sampled_from([bytes(4), bytes(8), bytes(16)])] * 4))
)
def test_any_head_that_somebody_made_up_is_refused_cleanly(
    tmp_path_factory: pytest.TempPathFactory, parts: list[object]
) -> None:
    layout = Layout(os.fsencode(tmp_path_factory.mktemp("cache")))
    layout.prepare()
    head = (
        msgpack.packb(parts, default=str)
        if all(type(part) is not int or -(2**63) <= part < 2**64 for part in parts)
        else b""
    )
    path_of(layout).parent.mkdir(parents=True)
    path_of(layout).write_bytes(records.MAGIC + records.LENGTH.pack(len(head)) + digests.of_bytes(head) + head)
    assert statuses(layout) == []
    add(layout, variant(1))
    assert statuses(layout) == [1]


def test_lengths_that_somebody_made_up_take_no_memory(layout: Layout) -> None:
    sizes = b"\xff" * 4 * 1000
    head = msgpack.packb(([], sizes, bytes(16 * 1000), bytes(8 * 1000), bytes(16 * 1000)))
    path_of(layout).parent.mkdir(parents=True)
    path_of(layout).write_bytes(records.MAGIC + records.LENGTH.pack(len(head)) + digests.of_bytes(head) + head)
    assert records.count(layout, KEY) == 0
    path_of(layout).write_bytes(records.MAGIC + records.LENGTH.pack(0xFFFFFFFF) + digests.of_bytes(head) + head)
    assert records.count(layout, KEY) == 0


def test_adding_to_a_damaged_file_makes_it_whole(layout: Layout) -> None:
    add(layout, variant(1))
    path_of(layout).write_bytes(b"garbage")
    add(layout, variant(2))
    assert statuses(layout) == [2]


def test_what_is_whole_and_holds_no_record_is_passed_over(layout: Layout) -> None:
    add(layout, variant(1))
    add_record(layout, KEY, variant(2), b"\xc1 no record", 16)
    assert statuses(layout) == [1]
    assert records.count(layout, KEY) == 2


def test_a_file_that_cannot_be_read_is_a_miss(layout: Layout) -> None:
    os.makedirs(layout.record(KEY))
    assert records.find(layout, KEY) is None


@pytest.mark.parametrize(("call", "first"), [("open", 1), ("pread", 1), ("pread", 2)])
def test_a_passing_error_of_the_disk_loses_no_record(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, call: str, first: int
) -> None:
    """What cannot be read while a record is added is not taken for a file without records."""
    for number in range(20):
        add(layout, variant(number, data=b"%d" % number * 4000), most=30)
    true, calls = getattr(os, call), 0

    def failing(*args: Any) -> Any:
        nonlocal calls
        if call == "open" and args[0] != layout.record(KEY):
            return true(*args)
        calls += 1
        if calls >= first:
            raise OSError(errno.EIO, "Input/output error")
        return true(*args)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(os, call, failing)
        add(layout, variant(99, data=b"new" * 1000), most=30)
    assert (statuses(layout), damaged(layout)) == (list(range(19, -1, -1)), [])
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        assert statuses(layout) == []
    assert (statuses(layout), damaged(layout)) == (list(range(19, -1, -1)), [])


def test_no_link_is_followed(layout: Layout) -> None:
    add(layout, variant(1))
    path_of(layout).rename(path_of(layout).with_name("elsewhere"))
    path_of(layout).symlink_to("elsewhere")
    assert statuses(layout) == []


def test_foreign_files_among_the_records_are_passed_over(layout: Layout) -> None:
    add(layout, variant(1))
    folder = Path(os.fsdecode(layout.records))
    (folder / "zz").mkdir()
    (folder / "zz" / "no-digest").write_bytes(b"?")
    (folder / "stray").mkdir()
    assert [record.status for _, record in every_record(layout)] == [1]


# -- many at once ----------------------------------------------------------------------------------


def test_writers_at_once_lose_nothing(layout: Layout) -> None:
    def writer(first: int) -> None:
        for number in range(first, first + 10):
            add(layout, variant(number), most=100)

    at_once(*(lambda first=first: writer(first) for first in (0, 10, 20, 30)))
    assert sorted(statuses(layout)) == list(range(40))


def test_a_reader_beside_writers_sees_whole_records_only(layout: Layout) -> None:
    add(layout, variant(0))

    def writer(first: int) -> None:
        for number in range(first, first + 40):
            add(layout, variant(number), most=8)

    def reader() -> None:
        for _ in range(200):
            file = records.find(layout, KEY)
            assert file is not None
            with file:
                found = [file.record(place) for place in range(file.count)]
                assert 1 <= len(found) <= 8
                assert all(
                    record is not None and record.identity() == file.identity(place)
                    for place, record in enumerate(found)
                )

    at_once(lambda: writer(1), lambda: writer(100), reader, reader)
    assert not os.listdir(layout.tmp)


def test_the_mark_of_an_unstable_command_and_its_records_take_each_others_place(layout: Layout) -> None:
    for number in (1, 2):
        add(layout, variant(number))
    add(layout, unstable(variant(1), "out: byte 3"))
    [mark] = records.load(layout, KEY)
    assert (list(mark.facts), mark.data) == ([(b"", UNSTABLE, None, False)], b"out: byte 3")
    add(layout, variant(3))
    assert statuses(layout) == [3]
