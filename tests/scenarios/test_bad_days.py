"""Bad days of the store: the command's own result is unharmed, and one line says what was not cached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from .lab import Lab
from .results import Run

#: A small result, one that goes to the writer by the pipe, one that is copied aside, and much stream output.
SMALL = "steps cat in > small"
JOBS = f"{SMALL}; sh -c 'blob 100000 > medium'; sh -c 'blob 600000 > large'; sh -c 'blob 6000000'"
Mount = Callable[[str], None]


@pytest.fixture
def mount(lab: Lab) -> Iterator[Mount]:
    """Mounts a tmpfs with such options over the cache folder."""
    if os.geteuid():
        pytest.skip("only root may mount")
    lab.cache.mkdir(mode=0o700)

    def mounted(options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "none", lab.cache], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"no mounting here: {done.stderr.decode()}")

    yield mounted
    subprocess.run(["umount", "-l", lab.cache], check=False, capture_output=True)


def one_line(run: Run, why: str, results: str = r"\d+ results?") -> None:
    """Nothing but one line on stderr, and that says why something was not stored."""
    assert re.fullmatch(rf"procache: {results} (was|were) not stored: {why}\n", run.err.decode()), run.err


def unharmed(lab: Lab, command: str, around: str | None = None) -> Run:
    """Run natively and under procache; all but stderr must be the same."""
    native = lab.native(command, around=around)
    run = lab.run(command, around=around)
    assert (run.status, run.out, run.after.entries) == (native.status, native.out, native.after.entries)
    assert native.err == b""
    return run


@pytest.mark.parametrize("limit", ["size=400k", "size=6m", "nr_inodes=20"])
def test_a_store_that_is_full(lab: Lab, mount: Mount, limit: str) -> None:
    mount(limit)
    lab.write("in", "1\n")
    one_line(unharmed(lab, JOBS), "No space left on device")
    assert os.listdir(lab.cache / "v2" / "tmp") == []
    subprocess.run(["mount", "-o", "remount,size=100m,nr_inodes=10000", lab.cache], check=True)
    lab.remove("small", "medium", "large")
    assert unharmed(lab, JOBS).err == b""
    lab.remove("small", "medium", "large")
    run = unharmed(lab, JOBS)
    assert run.err == b""
    assert run.root.outcome == "hit"


def test_a_full_store_can_be_made_smaller(lab: Lab, mount: Mount) -> None:
    mount("size=1m")
    lab.write("in", "1\n")
    assert unharmed(lab, f"{SMALL}; sh -c 'blob 100000 > medium'").err == b""
    with open(lab.cache / "rest", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    done = lab.raw(["gc", "--max-size", "0"])
    assert (done.status, done.err) == (0, b"")
    assert done.out.endswith(b"there remain 0 record files, 0 blobs, 1 journal: 4.0 KiB\n"), done.out


def test_a_store_that_is_read_only(lab: Lab, mount: Mount) -> None:
    mount("size=100m")
    lab.write("in", "1\n")
    assert unharmed(lab, JOBS).err == b""
    subprocess.run(["mount", "-o", "remount,ro", lab.cache], check=True)
    lab.remove("small", "medium", "large")
    hit = lab.run(JOBS)
    assert (hit.err, len(hit.out)) == (b"", 6000000), "hits work, and say nothing"
    assert sorted(os.listdir(lab.work)) == ["in", "large", "medium", "small"]
    told = lab.run(JOBS, options=["-v"]).err.decode().splitlines()
    assert [line for line in told if "Read-only file system" in line] == told[:1]
    lab.write("in", "2\n")
    one_line(unharmed(lab, JOBS), "Read-only file system", "2 results")


def test_an_empty_store_that_is_read_only(lab: Lab, mount: Mount) -> None:
    mount("ro")
    lab.write("in", "1\n")
    run = unharmed(lab, SMALL)
    assert re.fullmatch(
        r"procache: cannot use the cache folder .*: Read-only file system; .*\(the command runs without the cache\)\n",
        run.err.decode(),
    )


def test_a_store_that_is_deleted_meanwhile(lab: Lab) -> None:
    lab.write("in", "1\n")
    run = unharmed(lab, f"sh -c 'rm -rf {lab.cache}'; {JOBS}")
    one_line(run, "No such file or directory")
    assert not lab.cache.exists()
    assert unharmed(lab, JOBS).err == b""


def test_a_store_whose_permissions_are_lost_half_way(lab: Lab) -> None:
    around = None
    if not os.geteuid():
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere, and there is no setpriv to change that")
        around = 'exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"'
    lab.write("in", "1\n")
    run = unharmed(lab, f"sh -c 'chmod -f 0 {lab.cache}/v2 || :'; {JOBS}", around)
    (lab.cache / "v2").chmod(0o700)
    one_line(run, "Permission denied")


def test_a_limit_on_the_size_of_files(lab: Lab) -> None:
    lab.write("in", "1\n")
    run = unharmed(lab, f"{SMALL}; sh -c 'blob 300000'", 'ulimit -f 200; exec "$@"')
    one_line(run, "File too large")
    lab.remove("small")
    assert unharmed(lab, f"{SMALL}; sh -c 'blob 300000'").root.outcome == "miss"


@pytest.mark.parametrize("most", [11, 12, 14, 16, 20, 24, 32, 64])
def test_a_limit_on_open_files(lab: Lab, most: int) -> None:
    """A shell needs 11 to redirect; procache may have to say that it cannot work."""
    lab.write("in", "1\n")
    for _ in range(2):
        run = unharmed(lab, JOBS, f'ulimit -n {most}; exec "$@"')
        assert run.err.count(b"\n") <= 1, run.err
        lab.remove("small", "medium", "large")


def test_a_store_from_the_future(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both(JOBS)
    for path in lab.cache.rglob("*"):
        os.utime(path, (2**32, 2**32))
    lab.remove("small", "medium", "large")
    assert lab.both(JOBS).root.outcome == "hit"
    lab.write("in", "2\n")
    lab.both(JOBS)
    lab.remove("small", "medium", "large")
    assert lab.both(JOBS).root.outcome == "hit"
