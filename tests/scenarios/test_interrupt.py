"""A run that is cut off: what was finished is kept, nothing half done is trusted, nobody is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from .lab import PREFIX, Lab, same, wait_for, words
from .results import How
from .survivors import gone

#: procache that is killed when it has staged what it is about to put in place.
DYING = """\
import os, sys
from procache.cli import main
from procache.replay.apply import Replay
Replay.commit = lambda self: os.kill(os.getpid(), 9)
sys.exit(main(sys.argv[1:]))
"""
DRIVER = "job 1; job 2; hang {marker}; echo $?; job 3"


@pytest.fixture(autouse=True)
def jobs(lab: Lab) -> None:
    """Inputs for three jobs."""
    for number in "123":
        lab.write(f"in/{number}", f"input {number}\n")
    lab.path("out").mkdir()


def half_way(lab: Lab, marker: str, prefix: list[str]) -> subprocess.Popen[bytes]:
    """Start the driver and wait until two jobs are done and the third program hangs."""
    process = lab.start([*prefix, *words(DRIVER.format(marker=marker))], How())
    wait_for(lab.path("ready"))
    return process


def interrupted(lab: Lab, marker: str, prefix: list[str], number: int, whole_group: bool) -> tuple[int, bytes]:
    """The status and the stdout of a driver that gets a signal half way."""
    process = half_way(lab, marker, prefix)
    if whole_group:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_the_whole_group(lab: Lab, marker: str, number: int) -> None:
    saved = lab.save()
    native = interrupted(lab, marker, [], number, whole_group=True)
    lab.restore(saved)
    seen = interrupted(lab, marker, [*PREFIX, "run", "--"], number, whole_group=True)
    assert seen == native
    assert seen[0] == -number
    assert gone(marker)
    _the_finished_jobs_are_hits(lab, marker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_procache_alone_ends_its_command(lab: Lab, marker: str, number: int) -> None:
    status, _ = interrupted(lab, marker, [*PREFIX, "run", "--"], number, whole_group=False)
    assert status == -number
    assert gone(marker)
    _the_finished_jobs_are_hits(lab, marker)


def test_kill_9_of_procache_takes_its_command_along(lab: Lab, marker: str) -> None:
    status, _ = interrupted(lab, marker, [*PREFIX, "run", "--"], signal.SIGKILL, whole_group=False)
    assert status == -signal.SIGKILL
    assert gone(marker), "a tracee survived"
    _the_finished_jobs_are_hits(lab, marker)


def test_what_a_killed_run_left_in_the_store_is_not_trusted(lab: Lab, marker: str) -> None:
    """Everything unfinished in the folder for temporaries is damaged; the next run must not care."""
    interrupted(lab, marker, [*PREFIX, "run", "--"], signal.SIGKILL, whole_group=False)
    assert gone(marker)
    temporary = lab.cache / "v2" / "tmp"
    for path in temporary.glob("*"):
        path.write_bytes(b"damaged")
    (temporary / "leftover").write_bytes(b"a stranger")
    _the_finished_jobs_are_hits(lab, marker)


@pytest.mark.parametrize("script", ["job 1; job 2", "job 1; job 2 # of which the two are known"])
def test_what_a_killed_replay_left_goes_with_the_next_gc(lab: Lab, script: str) -> None:
    lab.run("job 1; job 2")
    lab.remove("out")
    lab.path("out").mkdir()
    status = lab.start([sys.executable, "-c", DYING, "run", "--", *words(script)], How()).wait(timeout=20)
    assert status == -signal.SIGKILL
    left = os.listdir(lab.path("out"))
    assert left
    assert all(name.startswith(".procache-") for name in left)
    subprocess.run([*PREFIX, "gc"], env=lab.env, check=True, stdout=subprocess.DEVNULL)
    assert os.listdir(lab.path("out")) == []
    assert list((lab.cache / "v2" / "tmp").iterdir()) == []
    lab.both(script)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_catches_the_signal_goes_on(lab: Lab, marker: str, number: int) -> None:
    script = f"trap 'echo caught' {int(number)}; hang {marker}; echo $?; steps say more; exit 4"

    def signalled(prefix: list[str]) -> tuple[int, bytes]:
        process = lab.start([*prefix, *words(script)], How())
        wait_for(lab.path("ready"))
        os.killpg(process.pid, number)
        out, _ = process.communicate(timeout=20)
        return process.returncode, out

    saved = lab.save()
    native = signalled([])
    lab.restore(saved)
    assert signalled([*PREFIX, "run", "--"]) == native == (4, b"caught\n%d\nmore\n" % (128 + number))


def _the_finished_jobs_are_hits(lab: Lab, marker: str) -> None:
    assert lab.path("out/2").read_text() == "INPUT 2\n"
    lab.remove("out", "ready")
    lab.path("out").mkdir()
    lab.write("go")
    native = lab.native(DRIVER.format(marker=marker))
    run = lab.run(DRIVER.format(marker=marker))
    same(native, run)
    assert run.outcomes("job 1") + run.outcomes("job 2") == ["hit", "hit"]
    assert run.outcomes("job 3") == ["miss"]
    assert lab.both(DRIVER.format(marker=marker)).root.outcome == "hit"
