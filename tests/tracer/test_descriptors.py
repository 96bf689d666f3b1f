"""Descriptors of a process: what they are, sharing them, what an exec hands on. The process is this one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from procache.tracer import fds
from procache.tracer.tracee import Tracee
from procache.world.states import Memo


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    """A file of ten bytes, opened and read to its fourth."""
    (tmp_path / "file").write_bytes(b"0123456789")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    os.read(fd, 4)
    yield fd
    os.close(fd)


def test_what_a_descriptor_is(me: Tracee, opened: int, tmp_path: Path) -> None:
    assert me.offset(opened) == 4
    assert me.descriptor(opened) == os.fsencode(tmp_path / "file")
    st = me.stat_descriptor(opened)
    assert st is not None
    assert os.path.samestat(st, os.fstat(opened))
    assert me.stat_descriptor(9999) is None
    assert me.descriptor(9999) == b""


def test_sharing_is_the_same_open_file(me: Tracee, opened: int) -> None:
    shared = fds.share(me.process.tgid, opened)
    try:
        assert os.read(shared, 3) == b"456"
        assert os.lseek(opened, 0, os.SEEK_CUR) == 7
    finally:
        os.close(shared)


def test_what_is_not_open_cannot_be_shared(me: Tracee) -> None:
    with pytest.raises(OSError, match="cannot be shared"):
        fds.share(me.process.tgid, 9999)


def test_a_digest_leaves_the_offset_alone(opened: int) -> None:
    found = fds.reopened_digest(b"/proc/self/fd/%d" % opened, Memo())
    assert found[:1] == b"x"
    assert os.lseek(opened, 0, os.SEEK_CUR) == 4


def test_only_what_is_not_closed_on_exec_is_handed_on(me: Tracee, opened: int) -> None:
    assert opened not in fds.further(me)
    os.set_inheritable(opened, True)
    assert opened in fds.further(me)
