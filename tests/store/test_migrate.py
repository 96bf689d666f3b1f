"""Migration: everything readable of an old store is in the new one, however often it was interrupted."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from model.records import make_record

from procache import digests
from procache.model.record import Record
from procache.store import blobs, gc, journal, migrate, records, scan
from procache.store.choice import Limits
from procache.store.layout import Layout
from procache.store.writer import add_record

KEYS = [digests.of_bytes(b"command %d" % number) for number in range(3)]
BLOBS = [b"content %d" % number * 1000 for number in range(3)]


def variant(number: int) -> Record:
    """A record that is told from others by its number."""
    return make_record([(b"/in", 0, number, False)], status=number)


def frame(record: Record) -> bytes:
    """A record as format 1 had it."""
    packed = record.pack()
    return struct.pack("<I17s17s", len(packed), b"x" * 17, digests.of_bytes(packed)) + packed


def old_file(layout: Layout, key: bytes) -> Path:
    """A record file of format 1."""
    name = key[1:].hex()
    return Path(os.fsdecode(layout.top)) / "v1" / "records" / name[:2] / name


@pytest.fixture
def old(layout: Layout) -> Path:
    """A store of format 1: three commands with variants 3, 2, 1 each, blobs, a journal, and what is left behind."""
    top = Path(os.fsdecode(layout.top)) / "v1"
    for name in ("records", "blobs", "runs", "tmp", "configs"):
        (top / name).mkdir(parents=True)
    for key in KEYS:
        path = old_file(layout, key)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"procache records 1\n" + b"".join(frame(variant(number)) for number in (3, 2, 1)))
        (path.parent / ".lock").write_bytes(b"")
    for content in BLOBS:
        path = Path(os.fsdecode(blobs.path_of(layout, digests.of_bytes(content))).replace("/v2/", "/v1/"))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (top / "runs" / "20270101T000000.000000-1.journal").write_bytes(journal.pack({"t": "run"}))
    (top / "memo").write_bytes(b"entries")
    (top / "tmp" / "damaged-x").write_bytes(b"damaged")
    return top


def statuses(layout: Layout, key: bytes) -> list[int]:
    """The variants of a command, newest first."""
    return [record.status for record in records.load(layout, key)]


def whole(layout: Layout, old: Path) -> None:
    """Everything is in the new store, and the old one is gone."""
    assert [statuses(layout, key) for key in KEYS] == [[3, 2, 1]] * 3
    for content in BLOBS:
        os.close(blobs.open_plain(layout, digests.of_bytes(content), len(content)))
    assert os.listdir(layout.runs) == [b"20270101T000000.000000-1.journal"]
    assert not old.exists()
    assert os.listdir(layout.top) == [b"v2"]
    assert os.listdir(layout.tmp) == []


def test_everything_is_carried_over(layout: Layout, old: Path) -> None:
    assert migrate.there(layout)
    carried = migrate.migrate(layout, 16)
    assert (carried.records, carried.blobs, carried.runs, carried.unreadable) == (9, 3, 1, 0)
    whole(layout, old)
    assert not migrate.there(layout)


def test_files_are_not_recognised_by_what_may_be_another_host_s_numbers(layout: Layout, old: Path) -> None:
    state = (0o100644, 0, 0, 5, 0, 7, digests.of_bytes(b"x"), (1, 2, 3))
    record = make_record([(b"/in", 4, state, False)])
    old_file(layout, KEYS[0]).write_bytes(b"procache records 1\n" + frame(record))
    migrate.migrate(layout, 16)
    [carried] = records.load(layout, KEYS[0])
    assert carried.facts[0][2] == (*state[:7], None)


def test_no_more_are_kept_than_is_set(layout: Layout, old: Path) -> None:
    migrate.migrate(layout, 2)
    assert [statuses(layout, key) for key in KEYS] == [[3, 2]] * 3


def test_nothing_of_it_is_old(layout: Layout, old: Path) -> None:
    for path in old.rglob("*"):
        os.utime(path, (1e9, 1e9))
    migrate.migrate(layout, 100)
    figures = gc.collect(layout, Limits(age=86400.0))
    assert (figures.removed[scan.RECORD].files, figures.removed[scan.BLOB].files) == (0, 0)


def test_without_hard_links_content_is_copied(layout: Layout, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    migrate.migrate(layout, 16)
    whole(layout, old)


@pytest.mark.parametrize("step", ["link", "add_record", "rename"])
@pytest.mark.parametrize("at", range(4))
def test_interrupted_and_repeated_it_ends_right(
    layout: Layout, old: Path, monkeypatch: pytest.MonkeyPatch, step: str, at: int
) -> None:
    where: Any = migrate if step == "add_record" else os
    really, count = getattr(where, step), iter(range(100))

    def failing(*args: Any, **options: Any) -> Any:
        if next(count) == at:
            raise OSError(28, "No space left on device")
        return really(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(where, step, failing)
        try:
            migrate.migrate(layout, 16)
        except OSError:
            assert old.exists()
    if migrate.there(layout):
        migrate.migrate(layout, 16)
    whole(layout, old)


def test_what_was_recorded_since_is_kept(layout: Layout, old: Path) -> None:
    for number in (2, 7):
        add_record(layout, KEYS[0], variant(number), variant(number).pack(), 16)
    carried = migrate.migrate(layout, 16)
    assert carried.records == 8
    assert sorted(statuses(layout, KEYS[0])) == [1, 2, 3, 7]


@pytest.mark.parametrize("damage", ["cut", "flipped", "another", "short"])
def test_what_is_unreadable_stays_behind(layout: Layout, old: Path, damage: str) -> None:
    path = old_file(layout, KEYS[1])
    good = path.read_bytes()
    last = len(good) - len(frame(variant(1)))
    path.write_bytes(
        {
            "cut": good[:-3],
            "flipped": good[: last + 50] + bytes([good[last + 50] ^ 1]) + good[last + 51 :],
            "another": b"procache records 0\n" + good[19:],
            "short": good[: last + 9],
        }[damage]
    )
    assert migrate.migrate(layout, 16).unreadable == 1
    assert statuses(layout, KEYS[1]) == ([] if damage == "another" else [3, 2])
    assert [statuses(layout, key) for key in KEYS[::2]] == [[3, 2, 1]] * 2


def test_a_damaged_blob_is_found_when_it_is_read(layout: Layout, old: Path) -> None:
    digest = digests.of_bytes(BLOBS[0])
    path = Path(os.fsdecode(blobs.path_of(layout, digest)).replace("/v2/", "/v1/"))
    path.write_bytes(BLOBS[0][:-1] + b"?")
    migrate.migrate(layout, 16)
    with pytest.raises(blobs.Bad):
        blobs.open_plain(layout, digest, len(BLOBS[0]))
