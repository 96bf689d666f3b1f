"""Files of the store: written whole, private, and temporaries that tell whose they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procache.store import files
from procache.store.layout import Layout


def name_of(path: bytes) -> bytes:
    """The last part of a path."""
    return os.path.basename(path)


def test_a_file_is_written_whole_and_private(layout: Layout) -> None:
    old = os.umask(0)
    try:
        files.write(layout, layout.runs + b"/x", b"content" * 1000)
    finally:
        os.umask(old)
    assert os.stat(layout.runs + b"/x").st_mode & 0o777 == 0o600
    assert Path(os.fsdecode(layout.runs + b"/x")).read_bytes() == b"content" * 1000
    assert os.listdir(layout.tmp) == []


def test_a_folder_that_is_missing_is_made(layout: Layout) -> None:
    files.write(layout, layout.records + b"/ab/abc", b"content")
    assert os.stat(layout.records + b"/ab").st_mode & 0o777 == 0o700


def test_a_write_that_fails_leaves_no_temporary(layout: Layout) -> None:
    os.mkdir(layout.runs + b"/x")
    with pytest.raises(IsADirectoryError):
        files.write(layout, layout.runs + b"/x", b"content")
    assert os.listdir(layout.tmp) == []


def test_temporaries_have_names_of_their_own(layout: Layout) -> None:
    assert len({files.temporary(layout) for _ in range(100)}) == 100


def test_temporaries_of_the_living_are_not_abandoned(layout: Layout) -> None:
    assert not files.abandoned(name_of(files.temporary(layout)), 1000.0, 1000.0)


def test_temporaries_of_the_dead_are(layout: Layout) -> None:
    code = "import sys; from procache.store import files, layout; print(files.temporary(layout.Layout(b'/c')).decode())"
    environment = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert files.abandoned(name_of(done.stdout.strip().encode()), 1000.0, 1000.0)


def test_temporaries_of_what_has_ended_and_was_not_waited_for_are(layout: Layout) -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    name = name_of(files.temporary(layout)).replace(b"-%d-" % os.getpid(), b"-%d-" % pid)
    try:
        assert files.abandoned(name, 1000.0, 1000.0)
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize("name", [b"w-00000000-1-abc", b"damaged-x00", b"w", b"w--", b"", b"w-00000000-x-y"])
def test_what_is_not_known_to_be_dead_is_given_a_day(name: bytes) -> None:
    assert not files.abandoned(name, 1000.0, 1000.0 + files.LONG_AGO - 1)
    assert files.abandoned(name, 1000.0, 1000.0 + files.LONG_AGO + 1)


def test_a_time_in_the_future_is_not_long_ago() -> None:
    assert not files.abandoned(b"damaged-x00", 5000.0, 1000.0)
