"""The writer process: what it was handed is on disk when ``finish`` returns, and a cut-off message is dropped."""

from __future__ import annotations

import errno
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from model.records import make_record

from procache import digests
from procache.store import blobs, files, journal, records, scan, tally
from procache.store.layout import Layout
from procache.store.writer import Writer

from .conftest import at_once

KEY = digests.of_bytes(b"a command")
CONTENT = os.urandom(3_000_000)
SMALL, LARGE = b"small", digests.of_bytes(CONTENT)


@pytest.fixture
def journal_path(layout: Layout) -> bytes:
    """Where the run's journal goes."""
    return journal.path_of(layout, "20270115T080000.000000-77")


@pytest.fixture
def writer(layout: Layout, journal_path: bytes) -> Iterator[Writer]:
    """A running writer; killed at the end if it still runs."""
    found = Writer(layout, journal_path, 16)
    assert found.pid > 0
    yield found
    try:
        os.kill(found.pid, signal.SIGKILL)
        os.waitpid(found.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def blob(layout: Layout, digest: bytes) -> bytes:
    """Content of a blob."""
    return Path(os.fsdecode(blobs.path_of(layout, digest))).read_bytes()


def events(path: bytes) -> list[object]:
    """The events of a journal."""
    return list(msgpack.Unpacker(Path(os.fsdecode(path)).open("rb")))


def test_everything_handed_over_is_there_in_the_end(layout: Layout, writer: Writer, journal_path: bytes) -> None:
    staged = files.temporary(layout)
    Path(os.fsdecode(staged)).write_bytes(b"staged content")
    small, aside = digests.of_bytes(SMALL), digests.of_bytes(b"staged content")
    writer.event(journal.pack({"t": "run"}))
    writer.put_blob(small, SMALL)
    writer.put_blob(LARGE, CONTENT)
    writer.put_staged(aside, staged)
    writer.put_record(KEY, make_record(status=7).pack())
    writer.event(journal.pack({"t": "end"}))
    assert writer.finish() == ""
    assert (blob(layout, small), blob(layout, LARGE), blob(layout, aside)) == (SMALL, CONTENT, b"staged content")
    assert [record.status for record in records.load(layout, KEY)] == [7]
    assert events(journal_path) == [{"t": "run"}, {"t": "end"}]
    assert os.listdir(layout.tmp) == []


def test_a_blob_is_handed_over_once(layout: Layout, writer: Writer) -> None:
    digest = digests.of_bytes(SMALL)
    writer.put_blob(digest, SMALL)
    writer.put_blob(digest, b"would be wrong")
    assert digest in writer.seen
    assert writer.finish() == ""
    assert blob(layout, digest) == SMALL


def test_an_unfinished_message_is_dropped(layout: Layout, writer: Writer, journal_path: bytes) -> None:
    writer.event(journal.pack({"t": "run"}))
    packed = make_record(status=7).pack()
    os.write(writer.pipe, struct.pack("<cII", b"r", len(KEY), len(packed)) + KEY + packed[:-1])
    assert writer.finish() == ""
    assert events(journal_path) == [{"t": "run"}]
    assert list(records.load(layout, KEY)) == []


def test_a_cut_head_is_dropped(layout: Layout, writer: Writer) -> None:
    writer.put_record(KEY, make_record(status=7).pack())
    writer.flush()
    os.write(writer.pipe, b"r\x11")
    assert writer.finish() == ""
    assert [record.status for record in records.load(layout, KEY)] == [7]


def test_an_event_hands_over_what_was_put_before(layout: Layout, writer: Writer) -> None:
    writer.put_record(KEY, make_record(status=1).pack())
    writer.event(journal.pack({"t": "exec"}))
    wait_until_stored(layout)


def test_signals_of_the_terminal_do_not_end_it(layout: Layout, writer: Writer) -> None:
    writer.put_record(KEY, make_record(status=1).pack())
    writer.flush()
    wait_until_stored(layout)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        os.kill(writer.pid, number)
    digest = digests.of_bytes(SMALL)
    writer.put_blob(digest, SMALL)
    assert writer.finish() == ""
    assert blob(layout, digest) == SMALL


def wait_until_stored(layout: Layout) -> None:
    """Wait until the writer has served its first message, so that it is past its start."""
    while not records.count(layout, KEY):
        os.sched_yield()


def test_a_writer_that_dies_is_told_of(writer: Writer) -> None:
    os.kill(writer.pid, signal.SIGKILL)
    os.waitpid(writer.pid, 0)
    writer.put_record(KEY, make_record().pack())
    writer.flush()
    assert writer.broken
    writer.event(b"\x80")  # does nothing, and does not fail
    assert "not stored" in writer.finish()


def test_what_cannot_be_stored_is_told_of_and_the_rest_is_stored(layout: Layout, writer: Writer) -> None:
    bad, good = digests.of_bytes(b"bad"), digests.of_bytes(SMALL)
    folder = Path(os.fsdecode(blobs.path_of(layout, bad))).parent
    folder.write_bytes(b"in the way")
    writer.put_blob(bad, b"bad")
    writer.put_blob(good, SMALL)
    writer.put_record(KEY, make_record(data=None, data_digest=bad, status=1).pack())
    writer.put_record(KEY, make_record([(b"/in", 0, 1, False)], data=None, data_digest=good, status=2).pack())
    assert writer.finish() == "1 result was not stored: Not a directory"
    assert [record.status for record in records.load(layout, KEY)] == [2], "none that names a blob that is not there"
    assert blob(layout, good) == SMALL


def test_what_a_run_adds_is_what_it_takes_of_the_disk(layout: Layout, writer: Writer) -> None:
    for number in range(20):
        content = b"%d" % number * 3000
        writer.put_blob(digests.of_bytes(content), content)
        key = digests.of_bytes(b"key %d" % (number % 10))
        writer.put_record(key, make_record([(b"/in", 0, number, False)]).pack())
    assert writer.finish() == ""
    taken = sum(entry.size for entry in scan.entries(layout))
    assert tally.read(layout).added == taken


@pytest.mark.parametrize("evicted", [True, False])
def test_a_result_whose_output_is_gone_is_told_of_unless_that_was_an_eviction(
    layout: Layout, writer: Writer, evicted: bool
) -> None:
    if evicted:
        tally.begin_eviction(layout)
    digest = digests.of_bytes(SMALL)
    writer.put_record(KEY, make_record(data=None, data_digest=digest).pack())
    assert writer.finish() == ("" if evicted else "1 result was not stored: an output is no longer in the store")
    assert records.count(layout, KEY) == 0


def test_a_record_that_cannot_be_read_again_is_told_of_and_the_rest_is_stored(layout: Layout, writer: Writer) -> None:
    writer.put_record(KEY, b"\xc1")
    writer.put_record(KEY, make_record(status=3).pack())
    assert writer.finish().startswith("1 result was not stored: a record that could not be read again (")
    assert [record.status for record in records.load(layout, KEY)] == [3]


def test_a_writer_that_fails_is_told_of(layout: Layout, journal_path: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(blobs, "put", failing)
    writer = Writer(layout, journal_path, 16)
    writer.put_blob(digests.of_bytes(SMALL), SMALL)
    assert writer.finish() == "the writer of the cache ended early; the last results were not stored"


def test_memory_that_runs_out_costs_what_needed_it(
    layout: Layout, journal_path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(blobs, "put", failing)
    writer = Writer(layout, journal_path, 16)
    digest = digests.of_bytes(SMALL)
    writer.put_blob(digest, SMALL)
    writer.put_record(KEY, make_record(data=None, data_digest=digest, status=1).pack())
    writer.put_record(KEY, make_record([(b"/in", 0, 1, False)], status=2).pack())
    assert writer.finish() == "1 result was not stored: MemoryError"
    assert [record.status for record in records.load(layout, KEY)] == [2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE])
def test_each_reason_is_told_once(
    layout: Layout, journal_path: bytes, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "write", failing)
    writer = Writer(layout, journal_path, 16)
    for status in range(3):
        writer.put_record(KEY, make_record([(b"/in", 0, status, False)], status=status).pack())
    writer.put_blob(digests.of_bytes(SMALL), SMALL)
    assert writer.finish() == f"3 results were not stored: {os.strerror(number)}"


def test_a_staged_file_that_is_gone_is_told_of(layout: Layout, writer: Writer) -> None:
    writer.put_staged(digests.of_bytes(b"x"), layout.tmp + b"/never-made")
    assert writer.finish() == "not everything of this run was stored: No such file or directory"


def test_events_of_processes_that_share_a_journal_stay_whole(layout: Layout, journal_path: bytes) -> None:
    def one(number: int) -> None:
        for _ in range(50):
            journal.write(journal_path, journal.pack({"n": number, "text": "x" * 2000}))

    at_once(*(lambda number=number: one(number) for number in range(4)))
    found = events(journal_path)
    assert sorted(event["n"] for event in found) == sorted(list(range(4)) * 50)  # type: ignore[index]


def test_run_ids_sort_by_time() -> None:
    ids = [
        journal.new_run_id(second) for second in (1_800_000_000.0, 1_800_000_000.25, 1_800_000_001.0, 1_900_000_000.0)
    ]
    assert ids == sorted(ids)
    assert ids[1].startswith("20270115T080000.250000-")
