"""`--resume`: work whose results are there counts as done; without it a second run is a second run."""

from __future__ import annotations

import pytest

from .lab import Lab, same
from .results import Run

JOB = "steps cat in/$n open out/$n wcx write done cat out/$n"
DRIVER = f"mkdir out || exit 1; for n in 1 2 3; do {JOB}; done"


@pytest.fixture
def done(lab: Lab) -> Run:
    """The first run of jobs that refuse to overwrite, in a folder that their driver makes."""
    for number in "123":
        lab.write(f"in/{number}", f"input {number}\n")
    lab.rewrite("in/1", "input 1\n")
    return lab.both(DRIVER)


def test_without_resume_a_second_run_fails_as_it_does_natively(lab: Lab, done: Run) -> None:
    assert done.status == 0
    run = lab.both(DRIVER)
    assert (run.status, run.root.outcome) == (1, "miss")
    assert lab.both(DRIVER).root.outcome == "hit", "the failure is a result like any other"


def test_with_resume_the_whole_is_done(lab: Lab, done: Run) -> None:
    for _ in range(2):
        run = lab.run(DRIVER, resume=True)
        same(done, run)
        assert run.root.outcome == "hit"


def test_with_resume_each_job_is_done(lab: Lab, done: Run) -> None:
    run = lab.run(DRIVER + " # another driver", resume=True)
    same(done, run)
    assert run.root.outcome == "miss"
    assert run.outcomes("mkdir") + run.outcomes("steps") == ["hit"] * 4


def test_with_resume_a_changed_job_is_not_done(lab: Lab, done: Run) -> None:
    lab.write("in/2", "another input 2\n")
    lab.remove("out/2")
    run = lab.run(DRIVER, resume=True)
    assert run.status == 0
    assert (run.root.outcome, run.outcomes("mkdir"), run.outcomes("steps")) == (
        "miss",
        ["hit"],
        ["hit", "miss", "hit"],
    )
    assert run.out == b"input 1\ndoneanother input 2\ndoneinput 3\ndone"
    again = lab.run(DRIVER, resume=True)
    same(run, again)
    assert again.root.outcome == "hit"


def test_with_resume_a_missing_output_is_put_back(lab: Lab, done: Run) -> None:
    lab.remove("out/2")
    run = lab.run(DRIVER, resume=True)
    same(done, run)
    assert run.ran("steps") == []


@pytest.mark.parametrize("text", ["DONE", "longer than done", ""])
def test_with_resume_a_damaged_output_is_repaired_or_refused(lab: Lab, done: Run, text: str) -> None:
    """The driver made the folder and all in it, and may put it right; the job alone finds a strange file."""
    lab.write("out/2", text)
    run = lab.run(DRIVER + " # another driver", resume=True)
    assert run.outcomes("steps") == ["hit", "miss", "hit"]
    assert b"open out/2: EEXIST" in run.out
    assert lab.path("out/2").read_text() == text
    run = lab.run(DRIVER, resume=True)
    if run.root.outcome == "hit":
        same(done, run)
    else:
        assert run.outcomes("steps") == ["hit", "miss", "hit"]


def test_with_resume_an_output_of_another_mode_is_not_trusted(lab: Lab, done: Run) -> None:
    lab.path("out/2").chmod(0o600)
    assert lab.run(DRIVER + " # another driver", resume=True).outcomes("steps") == ["hit", "miss", "hit"]


def test_with_resume_a_removed_input_stays_removed(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = "steps cat in open out wct write x unlink in"
    first = lab.both(cmd)
    second = lab.run(cmd, resume=True)
    same(first, second)
    assert second.root.outcome == "hit"
    natively_failing = lab.both(cmd)
    assert b"cat in: ENOENT" in natively_failing.out


def test_with_resume_an_overwritten_input_counts_as_done(lab: Lab) -> None:
    lab.write("data", "0123\n")
    cmd = ["steps", "open", "data", "b", "read", "2", "pwrite", "0", "XY", "cat", "data"]
    first = lab.both(cmd)
    run = lab.run(cmd, resume=True)
    same(first, run)
    assert run.root.outcome == "hit"
    lab.write("data", "XZ23\n")  # neither the state before nor the state after
    changed = lab.run(cmd, resume=True)
    assert (changed.root.outcome, lab.path("data").read_text()) == ("miss", "XY23\n")
