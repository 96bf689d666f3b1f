"""Trees of executions: what is skipped below what runs, and how it counts for those above."""

from __future__ import annotations

import os

import pytest

from .cycle import cycle
from .lab import Lab
from .results import Run

JOBS = [str(number) for number in range(1, 9)]
LOOP = "for n in {}; do job $n || exit 1; done\n"
HALVES = (" ".join(JOBS[:4]), " ".join(JOBS[4:]))

#: Drivers of the same eight jobs, one shell, two levels and three levels above them.
DRIVERS = {
    1: {"driver": LOOP.format(" ".join(JOBS))},
    2: {"driver": "sh low1\nsh low2\n", "low1": LOOP.format(HALVES[0]), "low2": LOOP.format(HALVES[1])},
    3: {
        "driver": "sh mid1\nsh mid2\necho all\n",
        "mid1": "sh low1\n",
        "mid2": "sh low2\necho half\n",
        "low1": LOOP.format(HALVES[0]),
        "low2": LOOP.format(HALVES[1]),
    },
}


def prepare(lab: Lab, depth: int) -> list[str]:
    """Inputs, a folder for the outputs, and the driver; returns the command."""
    for number in JOBS:
        lab.write(f"in/{number}", f"input of {number}\n")
    lab.path("out").mkdir()
    for name, text in DRIVERS[depth].items():
        lab.write(name, text)
    return ["sh", "driver"]


def ran(run: Run) -> set[str]:
    """The numbers of the jobs that were not skipped."""
    return {os.fsdecode(execution.argv[1]) for execution in run.ran("job")}


@pytest.mark.parametrize("depth", DRIVERS)
def test_a_skipped_child_counts_for_its_ancestors(lab: Lab, depth: int) -> None:
    cmd = prepare(lab, depth)
    assert ran(lab.both(cmd)) == set(JOBS)

    lab.write("in/7", "another input of 7\n")
    run = lab.both(cmd)
    assert (run.root.outcome, ran(run)) == ("miss", {"7"})

    assert lab.both(cmd).root.outcome == "hit"

    lab.remove("out/3")
    assert lab.both(cmd).root.outcome == "hit"
    assert lab.path("out/3").read_text() == "INPUT OF 3\n"

    lab.write("in/3", "another input of 3\n")  # job 3 was only ever skipped under the present root record
    run = lab.both(cmd)
    assert (run.root.outcome, ran(run)) == ("miss", {"3"})
    assert lab.path("out/3").read_text() == "ANOTHER INPUT OF 3\n"


@pytest.mark.parametrize("depth", DRIVERS)
def test_every_change_of_a_mixed_run_is_noticed(lab: Lab, depth: int) -> None:
    """Several rounds, each with other jobs skipped: no record may lack what was skipped."""
    cmd = prepare(lab, depth)
    lab.both(cmd)
    for round, changed in enumerate(["1", "8", "5", "1", "4"]):
        lab.write(f"in/{changed}", f"round {round}\n")
        assert ran(lab.both(cmd)) == {changed}
        assert lab.both(cmd).root.outcome == "hit"
    for number in JOBS:
        lab.write(f"in/{number}", f"input of {number}\n")
    run = lab.both(cmd)
    assert ran(run) == set(), "the first state is still known"


@pytest.mark.parametrize("depth", DRIVERS)
def test_outputs_of_skipped_jobs_come_back(lab: Lab, depth: int) -> None:
    cmd = prepare(lab, depth)
    lab.both(cmd)
    lab.write("in/2", "changed\n")
    lab.remove(*(f"out/{number}" for number in JOBS))
    run = lab.both(cmd)
    assert ran(run) == {"2"}
    lab.remove("out")
    assert b"No such file" in lab.both(cmd).err, "the folder is not procache's to make"


def test_a_skipped_tree_tells_how_much_it_holds(lab: Lab) -> None:
    cmd = prepare(lab, 3)
    first = lab.both(cmd)
    assert len(first.executions) == 5 + len(JOBS)
    warm = lab.both(cmd)
    assert (len(warm.executions), warm.root.nested) == (1, 5 + len(JOBS))
    lab.write("in/7", "changed\n")
    run = lab.both(cmd)
    sizes = [execution.nested if execution.outcome == "hit" else 1 for execution in run.executions]
    assert sum(sizes) == 5 + len(JOBS)
    assert [execution.outcome for execution in run.of("sh mid1")] == ["hit"]
    assert run.of("sh low1") == []


def test_the_number_of_links_that_a_skipped_child_asks_for(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both("stat -c %h in")
    script = "cat in; stat -c %h in"
    assert lab.both(script).outcomes("stat") == ["hit"]
    os.link(lab.path("in"), lab.path("other"))
    assert lab.both(script).root.outcome != "hit"


def test_a_child_that_reads_what_a_skipped_sibling_wrote(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps cat in > a; steps cat a > b; steps cat b say end"
    cycle(lab, script, job="steps cat in", change=lambda: lab.rewrite("in", "2\n"), again=True)
    lab.rewrite("in", "1\n")
    assert lab.both(script + " # again").outcomes("steps") == ["hit", "hit", "hit"]


def test_a_parent_that_reads_what_its_skipped_child_wrote(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps cat in > a; read x < a; echo got $x > b; . ./b.sh; steps cat b > c"
    lab.write("b.sh", "echo sourced\n")
    cycle(lab, script, job="steps", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_a_parent_over_its_own_outputs_hits(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps cat in > out; cat out out > two; sort two > three; steps cat three open out wct write x"
    cycle(lab, script, job="steps cat in", change=lambda: lab.rewrite("in", "2\n"), again=True)
    lab.write("out", "something else")
    assert lab.both(script).root.outcome == "hit"


@pytest.mark.parametrize("level", ["sh", "sh in sh", "sh that knows PWD"])
def test_outputs_in_the_working_folder_that_are_deleted(lab: Lab, level: str) -> None:
    """That the time of the folder changes with them is no reason to run again."""
    lab.write("in", "1\n")
    script = "steps cat in > out; cat out > two"
    if level == "sh in sh":
        script = f"sh -c '{script}; true'; steps say end"
    if level == "sh that knows PWD":
        lab.env["PWD"] = str(lab.work)
    done = lab.both(script)
    for removed in (["out"], ["two", "out"]):
        lab.remove(*removed)
        run = lab.both(script)
        assert (run.root.outcome, run.after.entries) == ("hit", done.after.entries)


def test_a_driver_that_cleans_up_before_it_starts(lab: Lab) -> None:
    """Its second run starts from another state; from the third run on it is a hit."""
    lab.write("in", "1\n")
    script = "rm -f last; steps cat in > scratch; mv scratch last"
    assert [lab.both(script).root.outcome for _ in range(3)] == ["miss", "miss", "hit"]
    lab.rewrite("in", "2\n")
    assert [lab.both(script).root.outcome for _ in range(3)] == ["miss", "miss", "hit"]


def test_a_driver_that_makes_its_own_folder(lab: Lab) -> None:
    prepare(lab, 1)
    lab.path("out").rmdir()
    lab.write("driver", "mkdir -p out\n" + DRIVERS[1]["driver"])
    cmd = ["sh", "driver"]
    assert ran(lab.both(cmd)) == set(JOBS)
    second = lab.both(cmd)
    assert (second.root.outcome, second.outcomes("job")) == ("miss", ["hit"] * len(JOBS))
    assert lab.both(cmd).root.outcome == "hit"
    lab.remove("out")
    assert lab.both(cmd).root.outcome == "hit"


def test_three_hundred_children(lab: Lab) -> None:
    numbers = [str(number) for number in range(300)]
    for number in numbers:
        lab.write(f"in/{number}", f"input {number}\n")
    lab.path("out").mkdir()
    cmd = "n=0; while [ $n -lt 300 ]; do job $n; n=$((n+1)); done > log"
    assert len(ran(lab.both(cmd))) == 300
    lab.rewrite("in/123", "other 123\n")
    run = lab.both(cmd)
    assert (ran(run), run.outcomes("job").count("hit")) == ({"123"}, 299)
    lab.remove("out/5", "log")
    warm = lab.both(cmd)
    assert (warm.root.outcome, warm.root.nested) == ("hit", 301)


def test_two_hundred_levels(lab: Lab) -> None:
    lab.write("in", "1\n")
    result = cycle(lab, ["deep", "200", "in"], change=lambda: lab.rewrite("in", "2\n"), again=True)
    assert (result.first.status, len(result.first.executions)) == (3, 201)
    assert all(execution.outcome == "miss" for execution in result.changed.executions)
    run = lab.both(["deep", "201", "in"])
    assert (run.root.outcome, run.outcomes("deep 200")) == ("miss", ["hit"])
    assert run.of("deep 200")[0].nested == 201


def test_what_a_run_has_recorded_it_runs_again_as_natively(lab: Lab) -> None:
    """Two samples of one program are two samples; what was recorded by an earlier run is skipped."""
    lab.write("in", "1\n")
    draw = "python3 -c 'import os; print(os.urandom(8).hex())'"
    first = lab.run(f"{draw}; {draw}; steps cat in; steps cat in; echo 1")
    assert len(set(first.out.split()[:2])) == 2
    assert first.outcomes("python3") == first.outcomes("steps") == ["miss"] * 2
    assert "same-run" in first.of("steps")[1].codes()
    again = lab.run(f"{draw}; steps cat in; steps cat in; echo 2")
    assert again.outcomes("python3") == ["hit"]
    assert again.outcomes("steps") == ["hit"] * 2
