"""Record files: all variants of one command, and what becomes of damaged ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from model.records import make_record

from procache import digests
from procache.model import record as records_module
from procache.model.aspects import UNSTABLE
from procache.model.record import Damaged, Record
from procache.store import records
from procache.store.layout import Layout
from procache.store.writer import add_record
from procache.verify import unstable

from .conftest import at_once

KEY = digests.of_bytes(b"a command")


def variant(number: int, **fields: Any) -> Record:
    """A record that differs from others by its number."""
    return make_record([(b"/in", 0, number, False)], status=number % 256, **fields)


def add(layout: Layout, record: Record, most: int = 16) -> None:
    """Store a record under the one key."""
    add_record(layout, KEY, record.identity(), record.pack(), most)


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
        command=(b"/bin/x", (b"x",)),
    )
    again = Record.unpack(record.pack())
    for name in Record.__slots__:
        value, was = getattr(again, name), getattr(record, name)
        assert value == (tuple(was) if isinstance(was, list) else was), name


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
    add_record(layout, other, b"x" * 17, variant(2).pack(), 16)
    assert statuses(layout) == [1]
    assert {(key, record.status) for key, record in records.every(layout)} == {(KEY, 1), (other, 2)}


def test_no_record_file_is_no_records(layout: Layout) -> None:
    assert records.read(layout, KEY) == b""
    assert statuses(layout) == []


# -- damage ----------------------------------------------------------------------------------------


def data_of(*numbers: int) -> bytes:
    """A record file."""
    data = b""
    for number in numbers:
        record = variant(number)
        data = records.merged(data, record.identity(), record.pack(), 16)
    return data


def numbers(data: bytes) -> list[int]:
    """The statuses of the frames that check."""
    return [Record.unpack(packed).status for _, packed in records.frames(data)]


def test_frames_round_trip() -> None:
    assert numbers(data_of(1, 2, 3)) == [3, 2, 1]


def test_a_cut_at_any_byte_leaves_only_whole_records() -> None:
    data = data_of(1, 2)
    first = len(data_of(2)) - 1
    for length in range(len(data)):
        assert numbers(data[:length]) == ([2] if length > first else [])


def test_a_flipped_bit_anywhere_gives_no_other_record() -> None:
    data = data_of(1, 2)
    for at in range(len(data)):
        spoilt = bytearray(data)
        spoilt[at] ^= 0x10
        assert numbers(bytes(spoilt)) in ([], [2], [2, 1]), at


def test_a_damaged_body_ends_the_reading() -> None:
    data = bytearray(data_of(1, 2))
    data[-3] ^= 1
    assert numbers(bytes(data)) == [2]


@pytest.mark.parametrize("data", [b"", b"x", b"procache records 0\n", b"procache records 2\n" + data_of(1)[19:]])
def test_another_format_has_no_frames(data: bytes) -> None:
    assert numbers(data) == []


def test_adding_to_a_damaged_file_makes_it_whole(layout: Layout) -> None:
    add(layout, variant(1))
    Path(os.fsdecode(layout.record(KEY))).write_bytes(b"garbage")
    add(layout, variant(2))
    assert statuses(layout) == [2]


def test_a_whole_frame_that_holds_no_record_is_passed_over(layout: Layout) -> None:
    data = records.merged(data_of(1), b"v" * 17, b"\xc1 no record", 16)
    path = Path(os.fsdecode(layout.record(KEY)))
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert statuses(layout) == [1]


def test_a_file_that_cannot_be_read_is_a_miss(layout: Layout) -> None:
    os.makedirs(layout.record(KEY))
    assert records.read(layout, KEY) == b""


def test_foreign_files_among_the_records_are_passed_over(layout: Layout) -> None:
    add(layout, variant(1))
    folder = Path(os.fsdecode(layout.records))
    (folder / "zz").mkdir()
    (folder / "zz" / "no-digest").write_bytes(b"?")
    (folder / "stray").mkdir()
    assert [record.status for _, record in records.every(layout)] == [1]


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
            found = list(records.frames(records.read(layout, KEY)))
            assert 1 <= len(found) <= 8
            assert all(Record.unpack(packed).identity() == identity for identity, packed in found)

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
