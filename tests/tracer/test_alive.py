"""What is asked of processes that live."""

from __future__ import annotations

import mmap
import os
import subprocess
from pathlib import Path

from procache.tracer.alive import open_files, writable_files


def test_a_descriptor_that_is_closed_meanwhile_does_not_hide_the_others(tmp_path: Path) -> None:
    """Listing our own descriptors takes one, which is closed when they are looked at."""
    with (tmp_path / "file").open("wb") as file:
        st = os.fstat(file.fileno())
        assert (st.st_dev, st.st_ino) in open_files(os.getpid())


def test_who_maps_a_file_to_write_may_change_it_when_it_is_closed(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
            assert writable_files(os.getpid()) is not None
        with mmap.mmap(file.fileno(), 0):
            assert writable_files(os.getpid()) is None
    assert writable_files(os.getpid()) is not None


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert writable_files(process.pid) is None
