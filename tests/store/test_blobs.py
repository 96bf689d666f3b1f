"""Blobs: what is read is what was put, or it is said to be missing or bad."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procache import digests
from procache.store import blobs, files
from procache.store.layout import Layout

from .conftest import at_once

SMALL, LARGE = b"small content", os.urandom(1000) * 3000


def put(layout: Layout, content: bytes) -> bytes:
    """Store content; returns its digest."""
    digest = digests.of_bytes(content)
    blobs.put(layout, digest, content)
    return digest


def content_of(layout: Layout, digest: bytes) -> bytes:
    """What is in the file of a plain blob."""
    return Path(os.fsdecode(blobs.path_of(layout, digest))).read_bytes()


def opened(layout: Layout, digest: bytes, size: int) -> bytes:
    """A blob as ``open_plain`` gives it."""
    with open(blobs.open_plain(layout, digest, size), "rb") as file:
        return file.read()


def copied(layout: Layout, digest: bytes, size: int) -> bytes:
    """A blob as ``copy_to`` gives it."""
    path = layout.top + b"/copy"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        blobs.copy_to(layout, digest, size, fd)
        return os.pread(fd, size + 1, 0)
    finally:
        os.close(fd)


@pytest.mark.parametrize("read", [opened, copied])
@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=len)
def test_what_was_put_comes_back(layout: Layout, content: bytes, read: object) -> None:
    digest = put(layout, content)
    assert read(layout, digest, len(content)) == content  # type: ignore[operator]


def test_what_was_staged_comes_back_and_is_gone_from_tmp(layout: Layout) -> None:
    digest = digests.of_bytes(LARGE)
    for _ in range(2):
        staged = files.temporary(layout)
        Path(os.fsdecode(staged)).write_bytes(LARGE)
        blobs.put_staged(layout, digest, staged)
        assert opened(layout, digest, len(LARGE)) == LARGE
        assert os.listdir(layout.tmp) == []


@pytest.mark.parametrize("read", [opened, copied])
def test_a_blob_that_is_not_there_is_missing(layout: Layout, read: object) -> None:
    assert not blobs.present(layout, digests.of_bytes(SMALL))
    with pytest.raises(blobs.Missing):
        read(layout, digests.of_bytes(SMALL), len(SMALL))  # type: ignore[operator]


@pytest.mark.parametrize("read", [opened, copied])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer"])
def test_a_damaged_blob_is_bad_and_set_aside(layout: Layout, content: bytes, damage: str, read: object) -> None:
    digest = put(layout, content)
    wrong = {"flipped": content[:-1] + b"?", "cut": content[:-1], "longer": content + b"x"}[damage]
    Path(os.fsdecode(blobs.path_of(layout, digest))).write_bytes(wrong)
    assert blobs.present(layout, digest)
    with pytest.raises(blobs.Bad):
        read(layout, digest, len(content))  # type: ignore[operator]
    assert not blobs.present(layout, digest)
    assert len(os.listdir(layout.tmp)) == 1


def test_a_blob_cut_by_a_crash_is_written_anew(layout: Layout) -> None:
    digest = put(layout, SMALL)
    os.truncate(blobs.path_of(layout, digest), 2)
    put(layout, SMALL)
    assert content_of(layout, digest) == SMALL


@pytest.mark.parametrize("staged", [False, True])
def test_a_blob_that_is_there_is_left_alone_and_counts_as_used(layout: Layout, staged: bool) -> None:
    path = blobs.path_of(layout, put(layout, SMALL))
    os.utime(path, (1000, 1000))
    inode = os.stat(path).st_ino
    if staged:
        temporary = files.temporary(layout)
        Path(os.fsdecode(temporary)).write_bytes(SMALL)
        blobs.put_staged(layout, digests.of_bytes(SMALL), temporary)
    else:
        put(layout, SMALL)
    assert os.stat(path).st_ino == inode
    assert os.stat(path).st_mtime > 10**9


def test_names_are_those_of_blobs_alone(layout: Layout) -> None:
    digest = digests.of_bytes(SMALL)
    assert blobs.parse_name(b"x" + digest[1:].hex().encode()) == digest
    for name in (b"", b"x", b".lock", b"x0", b"xzz", b"x" + digest[1:].hex().upper().encode(), b"x 00"):
        assert blobs.parse_name(name) is None


def test_all_blobs_are_listed(layout: Layout) -> None:
    expected = {put(layout, b"%d" % number) for number in range(50)}
    (Path(os.fsdecode(layout.blobs)) / "00").mkdir(exist_ok=True)
    (Path(os.fsdecode(layout.blobs)) / "00" / ".lock").write_text("")
    (Path(os.fsdecode(layout.blobs)) / "stray").write_text("")
    assert dict(blobs.names(layout)) == {digest: blobs.path_of(layout, digest) for digest in expected}


def test_writers_of_one_blob_at_once(layout: Layout) -> None:
    at_once(*[lambda: put(layout, LARGE)] * 4)
    assert content_of(layout, digests.of_bytes(LARGE)) == LARGE
    assert os.listdir(layout.tmp) == []
