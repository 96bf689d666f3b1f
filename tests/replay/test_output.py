"""Recorded stream output: in order, whole, and never waiting where it must not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from model.records import make_record

from procache import digests
from procache.capture.streamlog import IN_MEMORY, INLINE, StreamLog
from procache.replay import streams
from procache.replay.apply import ReplayFailed
from procache.store import blobs

from .place import Place

LARGE = os.urandom(150_000)


def stored(place: Place, data: bytes, *segments: tuple[int, int]) -> object:
    """A record whose output is a blob."""
    digest = digests.of_bytes(data)
    blobs.put(place.layout, digest, data)
    return make_record(segments=list(segments), data=None, data_digest=digest)


def test_output_in_the_record_comes_in_order() -> None:
    record = make_record(segments=[(1, 3), (2, 2), (1, 1)], data=b"outerO")
    assert list(streams.pieces(record, -1)) == [(1, b"out"), (2, b"er"), (1, b"O")]


def test_output_in_a_blob_comes_in_order(place: Place) -> None:
    size = len(LARGE) - 10
    record = stored(place, LARGE, (1, size), (2, 10))
    blob = streams.check(record, place.layout)  # type: ignore[arg-type]
    try:
        pieces = list(streams.pieces(record, blob))  # type: ignore[arg-type]
    finally:
        os.close(blob)
    assert b"".join(data for fd, data in pieces if fd == 1) == LARGE[:size]
    assert b"".join(data for fd, data in pieces if fd == 2) == LARGE[size:]
    assert all(len(data) <= streams.CHUNK for _, data in pieces)


def test_no_output_needs_no_blob(place: Place) -> None:
    assert streams.check(make_record(), place.layout) == -1


@pytest.mark.parametrize("damage", ["missing", "flipped", "cut"])
def test_damaged_output_is_noticed_before_anything_is_written(place: Place, damage: str) -> None:
    record = stored(place, LARGE, (1, len(LARGE)))
    path = Path(os.fsdecode(blobs.path_of(place.layout, digests.of_bytes(LARGE))))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(LARGE[:-1] + (b"?" if damage == "flipped" else b""))
    with pytest.raises(ReplayFailed):
        streams.check(record, place.layout)  # type: ignore[arg-type]
    assert not path.exists(), "out of use"


# -- descriptors -----------------------------------------------------------------------------------


def test_writes_that_cannot_wait(place: Place) -> None:
    reader, writer = os.pipe()
    file, null = os.open(place.top / "file", os.O_CREAT | os.O_WRONLY), os.open("/dev/null", os.O_WRONLY)
    try:
        assert streams.never_blocks(file, 1 << 30, 1000)
        assert streams.never_blocks(null, 1 << 30, 1000)
        assert streams.never_blocks(writer, 20_000, 3)
        assert not streams.never_blocks(writer, 40_000, 1), "more than half of the pipe"
        assert not streams.never_blocks(writer, 10, 10), "each write may take a page"
        os.write(writer, b"x")
        assert not streams.never_blocks(writer, 10, 1), "somebody is slow to read"
        os.read(reader, 1)
        assert streams.never_blocks(writer, 10, 1)
    finally:
        for fd in (reader, writer, file, null):
            os.close(fd)


def test_everything_is_written(place: Place) -> None:
    fd = os.open(place.top / "file", os.O_CREAT | os.O_WRONLY)
    streams.write_all(fd, LARGE)
    os.close(fd)
    assert (place.top / "file").read_bytes() == LARGE


def test_a_pipe_that_does_not_wait_by_itself_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(reader, 1 << 16), b"")))
    os.write(writer, b"x" * 40_000)
    threading.Timer(0.1, thread.start).start()
    streams.write_all(writer, LARGE)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert b"".join(read)[40_000:] == LARGE


def test_a_reader_that_is_gone_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        streams.write_all(writer, b"x")
    os.close(writer)


# -- collecting it ---------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> StreamLog:
    """An empty log."""
    return StreamLog(os.fsencode(tmp_path))


def test_pieces_of_one_descriptor_are_joined(log: StreamLog) -> None:
    for fd, data in ((1, b"a"), (1, b"b"), (2, b"c"), (1, b"d")):
        log.add(fd, data)
    assert log.take() == ([(1, 2), (2, 1), (1, 1)], b"abcd", b"", -1)


@pytest.mark.parametrize("size", [INLINE, INLINE + 1])
def test_output_that_does_not_fit_into_a_record_has_a_digest(log: StreamLog, size: int) -> None:
    log.add(1, b"x" * size)
    assert log.take()[2] == (digests.of_bytes(b"x" * size) if size > INLINE else b"")


def test_large_output_is_kept_on_disk_and_whole(log: StreamLog, tmp_path: Path) -> None:
    parts = [bytes([at]) * (IN_MEMORY // 3 + at) for at in range(8)]
    for at, part in enumerate(parts):
        log.add(1 + at % 2, part)
    segments, data, digest, spool = log.take()
    assert data is None
    assert digest == digests.of_bytes(b"".join(parts))
    assert [size for _, size in segments] == [len(part) for part in parts]
    assert os.pread(spool, 1 << 25, 0) == b"".join(parts)
    assert list(tmp_path.iterdir()) == [], "the file has no name"
    log.close()
    log.close()
