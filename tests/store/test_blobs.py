"""Blobs: what is read is what was put, or it is said to be missing or bad."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from common.filling import blob_paths
from hypothesis import given
from hypothesis import strategies as st

from procache import copying, digests
from procache.store import blobs, files, zstd
from procache.store.layout import Layout

from .conftest import at_once

SMALL, LARGE = b"small content", os.urandom(3_000_000)


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
    assert blob_paths(layout) == {digest: blobs.path_of(layout, digest) for digest in expected}


def test_writers_of_one_blob_at_once(layout: Layout) -> None:
    at_once(*[lambda: put(layout, LARGE)] * 4)
    assert content_of(layout, digests.of_bytes(LARGE)) == LARGE
    assert os.listdir(layout.tmp) == []


# -- compressed ------------------------------------------------------------------------------------

TEXT = b"a line of text that comes again and again\n" * 3000
COARSE = os.urandom(20_000)


def packed_size(layout: Layout, digest: bytes) -> int:
    """The size of the compressed file of a blob; 0 where it is plain."""
    path = blobs.path_of(layout, digest)
    assert os.path.exists(path) != os.path.exists(path + blobs.PACKED), "one of the two"
    return 0 if os.path.exists(path) else os.stat(path + blobs.PACKED).st_size


def stage(layout: Layout, content: bytes) -> bytes:
    """Content in a temporary of the store."""
    staged = files.temporary(layout)
    Path(os.fsdecode(staged)).write_bytes(content)
    return staged


@pytest.mark.parametrize("read", [opened, copied])
@pytest.mark.parametrize("staged", [False, True])
def test_text_is_compressed_and_comes_back(layout: Layout, read: object, staged: bool) -> None:
    digest = digests.of_bytes(TEXT)
    if staged:
        blobs.put_staged(layout, digest, stage(layout, TEXT))
    else:
        blobs.put(layout, digest, TEXT)
    assert 0 < packed_size(layout, digest) < len(TEXT) // 2
    assert blobs.present(layout, digest)
    assert read(layout, digest, len(TEXT)) == TEXT  # type: ignore[operator]
    assert os.listdir(layout.tmp) == []


@pytest.mark.parametrize("content", [SMALL, TEXT, LARGE], ids=["small", "compressed", "large"])
def test_blobs_by_the_other_algorithm_are_read_too(layout: Layout, content: bytes) -> None:
    digests.use("blake3")
    try:
        digest = put(layout, content)
    finally:
        digests.use("xxh3")
    assert opened(layout, digest, len(content)) == copied(layout, digest, len(content)) == content
    other = put(layout, content)
    assert blob_paths(layout).keys() == {digest, other}


def test_without_the_package_nothing_is_compressed_and_what_is_cannot_be_read(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(layout, TEXT)

    def missing() -> None:
        raise ImportError("No module named 'backports'")

    monkeypatch.setattr(zstd, "_module", missing)
    with pytest.raises(blobs.BlobError, match=r"no package backports\.zstd"):
        opened(layout, digest, len(TEXT))
    assert blobs.present(layout, digest), "it is not damaged"
    assert packed_size(layout, put(layout, TEXT + b"x")) == 0
    assert put(layout, TEXT) == digest
    assert opened(layout, digest, len(TEXT)) == TEXT, "it is stored once more, as it is"


@pytest.mark.parametrize(
    "content",
    [b"x" * 4096, COARSE, COARSE + b"x" * 2000, COARSE[:4000] + b"x" * 96 + COARSE[:300]],
    ids=["one block", "random", "little to save", "the same blocks"],
)
def test_what_does_not_pay_is_plain(layout: Layout, content: bytes) -> None:
    assert packed_size(layout, put(layout, content)) == 0


def test_nothing_is_compressed_where_that_is_not_wanted(layout: Layout) -> None:
    layout.compression = "none"
    assert packed_size(layout, put(layout, TEXT)) == 0


def test_what_is_large_or_shares_its_extents_is_plain(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digests.of_bytes(TEXT)
    blobs.put_staged(layout, digest, stage(layout, TEXT), shared=True)
    assert packed_size(layout, digest) == 0
    monkeypatch.setattr(blobs, "MOST_PACKED", len(TEXT))
    other = TEXT + b"x"
    blobs.put_staged(layout, digests.of_bytes(other), stage(layout, other))
    assert packed_size(layout, digests.of_bytes(other)) == 0


def test_compressed_ones_are_listed_and_left_alone_when_put_again(layout: Layout) -> None:
    digest = put(layout, TEXT)
    path = blobs.path_of(layout, digest) + blobs.PACKED
    assert blob_paths(layout) == {digest: path}
    os.utime(path, (1000, 1000))
    inode = os.stat(path).st_ino
    layout.compression = "none"
    put(layout, TEXT)
    assert os.stat(path).st_ino == inode
    assert os.stat(path).st_mtime > 10**9
    assert blob_paths(layout) == {digest: path}


@pytest.mark.parametrize("read", [opened, copied])
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "empty", "garbage", "another", "plain"])
def test_a_damaged_compressed_blob_is_bad_and_set_aside(layout: Layout, damage: str, read: object) -> None:
    digest = put(layout, TEXT)
    path = Path(os.fsdecode(blobs.path_of(layout, digest) + blobs.PACKED))
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(
        {
            "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "cut": good[:-1],
            "longer": good + b"x",
            "empty": b"",
            "garbage": b"garbage",
            "another": zstd.compress(TEXT[::-1]),
            "plain": TEXT,
        }[damage]
    )
    with pytest.raises(blobs.Bad):
        read(layout, digest, len(TEXT))  # type: ignore[operator]
    assert not blobs.present(layout, digest)
    put(layout, TEXT)
    assert read(layout, digest, len(TEXT)) == TEXT  # type: ignore[operator]


@pytest.mark.parametrize("content", [SMALL, TEXT, LARGE], ids=["small", "compressed", "large"])
def test_a_file_is_checked_without_being_set_aside(layout: Layout, content: bytes) -> None:
    digest = put(layout, content)
    path = blob_paths(layout)[digest]
    assert blobs.check(path, digest)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read()
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert not blobs.check(path, digest)
    os.truncate(path, 2)
    assert not blobs.check(path, digest)
    assert os.path.exists(path)


@pytest.mark.parametrize("size", [len(TEXT) - 1, len(TEXT) + 1, 1 << 40])
def test_a_frame_of_another_size_is_bad(layout: Layout, size: int) -> None:
    with pytest.raises(blobs.Bad):
        opened(layout, put(layout, TEXT), size)


def test_a_compressed_blob_cut_to_nothing_by_a_crash_is_written_anew(layout: Layout) -> None:
    digest = put(layout, TEXT)
    os.truncate(blobs.path_of(layout, digest) + blobs.PACKED, 0)
    put(layout, TEXT)
    assert opened(layout, digest, len(TEXT)) == TEXT


@given(st.binary(max_size=300), st.integers(1, 200))
def test_any_content_comes_back_from_a_frame(content: bytes, times: int) -> None:
    assert b"".join(zstd.pieces(zstd.compress(content * times), len(content) * times)) == content * times


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_are_refused(data: bytes) -> None:
    try:
        assert sum(map(len, zstd.pieces(data, 1000))) <= 1000
    except ValueError:
        pass


def test_the_package_is_whole_for_others() -> None:
    code = "from procache.store import zstd; zstd.compress(b'x')\n"
    code += "from backports.zstd import ZstdFile, compress; compress(b'x')" if sys.version_info < (3, 14) else ""
    environment = {**os.environ, "PYTHONPATH": str(Path(blobs.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


# -- holes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["opened", "copied"])
def test_holes_stay_holes(layout: Layout, read: str) -> None:
    size, head, tail = 64 << 20, TEXT, COARSE
    staged = files.temporary(layout)
    with open(staged, "w+b") as file:
        file.truncate(size)
        os.pwrite(file.fileno(), head, 0)
        os.pwrite(file.fileno(), tail, size - len(tail))
        digest = digests.of_descriptor(file.fileno())
        if not copying.has_holes(os.fstat(file.fileno())):
            pytest.skip("the file system has no holes")
    blobs.put_staged(layout, digest, staged)
    assert packed_size(layout, digest) == 0
    assert copying.has_holes(os.stat(blobs.path_of(layout, digest)))
    if read == "opened":
        fd = blobs.open_plain(layout, digest, size)
    else:
        fd = os.open(layout.top + b"/copy", os.O_RDWR | os.O_CREAT)
        blobs.copy_to(layout, digest, size, fd)
    assert copying.has_holes(os.fstat(fd))
    assert digests.descriptor_fits(digest, fd)
    os.close(fd)


# -- durability ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("none", []), ("data", ["fdatasync"]), ("full", ["fsync", "fsync of a folder", "fsync of a folder"])],
)
@pytest.mark.parametrize("staged", [False, True])
def test_the_policy_says_what_is_synced(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, policy: str, expected: list[str], staged: bool
) -> None:
    calls: list[str] = []

    def note(name: str, fd: int) -> None:
        calls.append(name + " of a folder" * stat.S_ISDIR(os.fstat(fd).st_mode))

    monkeypatch.setattr(os, "fsync", lambda fd: note("fsync", fd))
    monkeypatch.setattr(os, "fdatasync", lambda fd: note("fdatasync", fd))
    layout.fsync = policy
    if staged:
        blobs.put_staged(layout, digests.of_bytes(SMALL), stage(layout, SMALL))
    else:
        put(layout, SMALL)
    assert calls == expected
    calls.clear()
    put(layout, SMALL)
    assert calls == [], "there already"
