"""Where the file system can share extents, an output, its blob and what is restored of it take room once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from procache import copying, digests
from procache.capture.capture import copy_out
from procache.store import blobs, files
from procache.store.layout import Layout

SIZE = 40 << 20
MAKERS = {"xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}


@pytest.fixture(params=MAKERS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with such a file system of its own."""
    maker = MAKERS[request.param]
    if os.geteuid():
        pytest.skip("only root may mount")
    if not shutil.which(maker[0]):
        pytest.skip(f"there is no {maker[0]}")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([*maker, image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no mounting here: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def taken(folder: Path) -> int:
    """The bytes that the files of a file system take."""
    subprocess.run(["sync", "-f", folder], check=True)
    room = os.statvfs(folder)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def test_content_takes_room_once(disk: Path) -> None:
    layout = Layout(os.fsencode(disk / "cache"))
    layout.prepare()
    (disk / "out").write_bytes(b"text that would be worth compressing " * (SIZE // 37))
    before = taken(disk)
    staged = files.temporary(layout)
    with (disk / "out").open("rb") as source:
        digest, shared = copy_out(source.fileno(), staged)
        assert shared
        blobs.put_staged(layout, digest, staged, shared=shared)
    with (disk / "again").open("w+b") as target:
        blobs.copy_to(layout, digest, (disk / "out").stat().st_size, target.fileno())
    assert (disk / "again").read_bytes() == (disk / "out").read_bytes()
    assert taken(disk) - before < SIZE // 4


def test_what_is_shared_is_changed_alone(disk: Path) -> None:
    (disk / "a").write_bytes(b"x" * 10_000)
    with (disk / "a").open("r+b") as source, (disk / "b").open("w+b") as target:
        assert copying.copy(source.fileno(), target.fileno())
        os.pwrite(source.fileno(), b"changed", 0)
        assert digests.of_descriptor(target.fileno()) == digests.of_bytes(b"x" * 10_000)


def test_between_two_file_systems_content_is_copied(disk: Path, tmp_path: Path) -> None:
    (disk / "a").write_bytes(b"x" * 10_000)
    with (disk / "a").open("rb") as source, (tmp_path / "b").open("w+b") as target:
        assert not copying.copy(source.fileno(), target.fileno())
        assert target.read() == b"x" * 10_000


def test_pouring_leaves_nothing_of_a_longer_file(disk: Path) -> None:
    """Extents are shared as far as the new content goes, be it in whole blocks."""
    (disk / "new").write_bytes(b"n" * 8192)
    (disk / "old").write_bytes(b"o" * 20_000)
    with (disk / "new").open("rb") as source, (disk / "old").open("r+b") as target:
        copying.fill(source.fileno(), target.fileno())
        copying.cut(source.fileno(), target.fileno())
    assert (disk / "old").read_bytes() == b"n" * 8192
