"""Two executions at once: in one run, in two runs, and with somebody else in the folder."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from common import journal

from .cycle import cycle
from .lab import PREFIX, Lab, steps, words
from .results import Command, How


def test_one_after_the_other_writes_the_same_file(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps cat in > out; steps cat in say two >> out; steps open out wa write three; steps cat in > out2"
    cycle(lab, script, job="steps cat", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_one_after_the_other_replaces_the_same_file(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps cat in > out; steps say two > new; mv new out; steps cat out; rm out; steps cat in > out"
    cycle(lab, script, job="steps cat in", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_two_at_once_write_the_same_file(lab: Lab) -> None:
    """Both overlap for half a second, and write to different places: the result is certain."""
    lab.write("shared", "........")
    fresh = lab.save()
    one = "steps open shared w sleep 250 pwrite 0 A sleep 250"
    two = "steps open shared w sleep 250 pwrite 4 B sleep 250"
    for text in ("", "# again"):
        lab.restore(fresh)
        run = lab.both(f"{one} & {two} & wait {text}")
        assert lab.path("shared").read_text() == "A...B..."
        assert run.outcomes("steps") == ["uncacheable"] * 2
        assert all("conflict" in execution.codes() for execution in run.of("steps")), run.of("steps")


def test_two_at_once_append_to_the_same_file(lab: Lab) -> None:
    fresh = lab.save()
    one = "steps sleep 100 say x sleep 400"
    for text in ("", "# again"):
        lab.restore(fresh)
        lab.both(f"{one} >> log & {one} >> log & wait {text}")
    assert lab.path("log").read_text() == "x\nx\n"


def test_an_input_that_somebody_else_changes_meanwhile(lab: Lab) -> None:
    """What was read is not what is there at the end: the result belongs to no state that can be named."""
    lab.write("in", "1\n")
    cmd = steps("cat in sleep 300 say end")
    process = lab.start([*PREFIX, "run", "--", *cmd], How())
    assert process.stdout and process.stdout.readline() == b"1\n"
    lab.write("in", "2\n")
    process.communicate(timeout=60)
    for content in ("2\n", "1\n", "2\n"):
        lab.write("in", content)
        assert lab.both(cmd).out == f"{content}end\n".encode()


#: What a part of a command makes, and what another hand does to it when that part has ended and the command goes on.
HANDS = {
    "a redirected output is overwritten": ("steps say mine > out", "echo theirs > out"),
    "an output of a child is overwritten": ("steps open out wct write mine", "echo theirs > out"),
    "of several children": ("{ steps say one; steps say two; } > out", "echo theirs > out"),
    "appended to": ("steps say mine > out", "echo theirs >> out"),
    "with its time put back": ("steps say mine > out", "touch -r out old; echo THEM > out; touch -r old out"),
    "replaced": ("steps say mine > out", "echo theirs > new; mv new out"),
    "removed": ("steps say mine > out", "rm out"),
    "given another mode": ("steps say mine > out", "chmod 711 out"),
    "given another name": ("steps say mine > out", "ln out other"),
    "a link is set anew": ("ln -s one link", "ln -sf two link"),
    "what was removed is there again": ("rm in", "echo again > in"),
    "what was renamed is there again": ("mv in moved", "echo again > in"),
    "a folder is removed": ("mkdir d", "rmdir d"),
    "in a folder that was renamed": ("mkdir d; steps say mine > d/out; mv d e", "echo theirs > e/out"),
    "overwritten, then used": ("steps say mine > out; {}; steps cat out; rm out", "echo theirs > out"),
    "overwritten, then written over": (
        "steps say mine > out; {}; steps cat out; steps say mine > out",
        "echo x > out",
    ),
    "of a process that ended before its parent": ("sh -c '(steps say mine > out); {}; steps say end'", "echo x > out"),
}
#: Times of files go by ticks (s).
TICKS = 0.03
PAUSE = "steps say ready; steps fd 0 read 1"


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("what", HANDS)
def test_what_another_hand_changes_when_its_makers_have_ended(lab: Lab, what: str, again: bool) -> None:
    """Whether they ran or were skipped."""
    made, hand = HANDS[what]
    made = made.replace("{}", PAUSE) if "{}" in made else f"{made}; {PAUSE}"
    lab.write("in", "input\n")
    fresh = lab.save()
    if again:
        lab.run(f"{made}; true", stdin=b"")
        lab.restore(fresh)
    process = _begin(lab, ["sh", "-c", made])
    time.sleep(TICKS)
    subprocess.run(["sh", "-c", hand], cwd=lab.work, check=True)
    process.communicate(timeout=60)
    outcome, codes = _of(lab, ["sh", "-c", made])
    assert outcome == "uncacheable" and codes & {"changed-outside", "child", "hard-link"}, codes
    lab.restore(fresh)
    lab.both(["sh", "-c", made], stdin=b"")


#: Nothing of this is another hand's: later times are due to the command itself.
OWN = {
    "a further name goes": "steps say x > out; ln out other; rm out",
    "a further name comes": "steps say x > out; steps sleep 30; ln out other",
    "the folder gets more names": "mkdir d; steps sleep 30; steps say x > d/out",
    "a file is moved, and moved again": "steps say x > one; mv one two; steps sleep 30; mv two three",
    "a descriptor is kept": "exec 5> out; (steps say x >&5); steps sleep 30; echo y >&5; steps say z >&5",
    "a file is moved that is kept open": "exec 5> one; mv one out; steps sleep 30; echo y >&5; steps sleep 30",
    "a folder is moved with a file that is kept open": "mkdir d; exec 5> d/out; mv d e; steps sleep 30; echo y >&5",
    "names change places that are kept open": "exec 5> a 6> b; steps exchange a b sleep 30; echo y >&5; echo z >&6",
    "a job in the background writes last": "(steps sleep 60 say late) > out & steps sleep 20; wait",
    "a grandchild keeps it": "sh -c '(steps sleep 50 say late) & steps say early; wait' > out; steps sleep 30",
    "it is mapped": "steps open out bct ftruncate 4096; steps open out b mapwrite x; steps sleep 30",
    "it is written, removed and written": "steps say x > out; rm out; steps sleep 30; steps say y > out",
    "a time is set": "steps say x > out; steps sleep 30; touch -d 2001-01-01 out; steps sleep 30",
    "the names change places": "steps say x > a; steps say y > b; steps sleep 30 exchange a b; steps sleep 30",
    "a folder with all it holds goes": "mkdir -p d/e; steps say x > d/e/f; steps sleep 30; rm -r d; mkdir d",
}


@pytest.mark.parametrize("what", OWN)
def test_what_the_command_does_later_is_its_own(lab: Lab, what: str) -> None:
    fresh = lab.save()
    assert lab.both(OWN[what]).root.outcome == "miss"
    lab.restore(fresh)
    assert lab.both(OWN[what]).root.outcome == "hit"
    lab.restore(fresh)
    assert lab.both(f"{OWN[what]}; true").root.outcome == "miss"
    lab.restore(fresh)
    assert lab.both(f"{OWN[what]}; true").root.outcome == "hit"


@pytest.mark.xfail(reason="a change by another hand after the last close is still taken for the command's own")
def test_an_output_that_somebody_else_changes_meanwhile(lab: Lab) -> None:
    cmd = steps("open out wct write mine close say ready sleep 300 say end")
    process = lab.start([*PREFIX, "run", "--", *cmd], How())
    assert process.stdout and process.stdout.readline() == b"ready\n"
    lab.write("out", "somebody else's\n")
    process.communicate(timeout=60)
    lab.remove("out")
    lab.both(cmd)
    assert lab.path("out").read_text() == "mine"


@pytest.mark.parametrize("before", [None, "1\n"])
@pytest.mark.parametrize("change", ["echo mine >> out", "rm -f out", "mv out moved", "chmod 600 out"])
def test_what_somebody_else_changes_between_a_look_and_a_change(lab: Lab, before: str | None, change: str) -> None:
    """What was looked at is of another state than what was changed, and at the end only that is there."""
    cmd = ["sh", "-c", f"[ -e out ] && steps cat out > seen; echo ready; read x; {change}"]
    if before is not None:
        lab.write("out", before)
    fresh = lab.save()
    process = _begin(lab, cmd)
    lab.write("out", "theirs, and longer\n")
    process.communicate(timeout=60)
    outcome, codes = _of(lab, cmd)
    assert outcome == "uncacheable" and codes & {"changed-outside", "child"}, codes
    lab.restore(fresh)
    lab.both(cmd, stdin=b"")


#: What another run of procache does to the file ``out``.
MEDDLERS = {
    "overwrites it": steps("open out wct write theirs"),
    "empties it": steps("open out wct"),
    "appends to it": steps("open out wca write theirs"),
    "writes to it by the shell": ["sh", "-c", "steps say theirs > out"],
    "replaces it": ["sh", "-c", "steps say theirs > new; mv new out"],
    "removes it": ["sh", "-c", ": > out; rm out"],
    "changes its mode": ["sh", "-c", ": >> out; chmod 711 out"],
}
#: Writes, says so, and goes on until its stdin ends.
WAITS, THIRD = (steps(f"open {name} wct write mine close say ready fd 0 read 1") for name in ("out", "third"))


@pytest.mark.parametrize("what", MEDDLERS)
@pytest.mark.parametrize("before", ["nothing", "all", "a part"])
def test_an_output_that_another_run_changes_meanwhile(lab: Lab, before: str, what: str) -> None:
    """Between the last write and the end: by a run that runs, that is a hit, or in which there is one."""
    other = MEDDLERS[what]
    if before != "nothing":
        lab.run(other)
        lab.path("out").unlink(missing_ok=True)
    one = _begin(lab, WAITS)
    run = lab.run(other if before != "a part" else ["sh", "-c", '"$@"; true', "sh", *other])
    if (before, what) == ("all", "empties it"):
        assert run.root.outcome == "hit"  # the others look at what is there, which is another thing now
    assert one.communicate(timeout=60)[0] == b""
    outcome, codes = _of(lab, WAITS)
    assert outcome == "uncacheable" and codes & {"other-run", "changed-outside"}, codes
    lab.path("out").unlink(missing_ok=True)
    lab.both(WAITS, stdin=b"")
    assert lab.path("out").read_text() == "mine"


def test_an_output_to_which_a_run_that_began_before_writes(lab: Lab) -> None:
    """It has the file open, and writes to it when the other run has written and goes on."""
    lab.write("out")
    before = _begin(lab, steps("open out wa say ready fd 0 read 1 fd 3 write theirs"))
    one = _begin(lab, WAITS)
    before.communicate(timeout=60)
    one.communicate(timeout=60)
    assert lab.path("out").read_text() == "minetheirs"
    assert _of(lab, WAITS) == ("uncacheable", {"other-run"})
    lab.both(WAITS, stdin=b"")
    assert lab.path("out").read_text() == "mine"


def test_an_output_that_a_run_wrote_which_has_ended(lab: Lab) -> None:
    """One after the other is no conflict, also while a third run goes on for all that time."""
    third = _begin(lab, THIRD)
    for number in (1, 2):
        run = lab.run(steps(f"open out wct write {number}"))
        assert run.root.outcome == "miss", run.root
    third.communicate(timeout=60)
    assert _of(lab, THIRD) == ("miss", {"no-record"})


def test_two_runs_at_once_share_a_store(lab: Lab) -> None:
    for side in ("left", "right"):
        lab.path(f"{side}/out").mkdir(parents=True)
        for number in range(8):
            lab.write(f"{side}/in/{number}", f"{side if number > 3 else 'both'} {number}\n")
    script = "for n in 0 1 2 3 4 5 6 7; do job $n; done"
    _all_at_once(lab, script, ["left", "right"])
    for side in ("left", "right"):
        assert lab.both(script, cwd=side).root.outcome == "hit"
        assert lab.both(f"{script} # again", cwd=side).outcomes("job") == ["hit"] * 8


def test_four_runs_at_once_store_the_same(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "for n in 0 1 2 3 4 5 6 7; do steps cat in say $n; done"
    _all_at_once(lab, script, ["."] * 4)
    assert lab.both(f"{script} # again").outcomes("steps") == ["hit"] * 8
    assert lab.both(script).root.outcome == "hit"


def _all_at_once(lab: Lab, script: str, folders: list[str]) -> None:
    running = [lab.start([*PREFIX, "run", "--", *words(script)], How(cwd=folder)) for folder in folders]
    for process in running:
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0


def _begin(lab: Lab, cmd: Command) -> subprocess.Popen[bytes]:
    """Start a run, and wait until it says that it is ready. It goes on until its stdin is closed."""
    known = journal.journals(lab.cache)
    process = lab.start([*PREFIX, "run", "--", *words(cmd)], How(stdin=b""))
    assert process.stdout and process.stdout.readline() == b"ready\n"
    while journal.journals(lab.cache) == known:  # its writer may be behind
        time.sleep(0.01)
    return process


def _of(lab: Lab, cmd: Command) -> tuple[str, set[str]]:
    """What became of the only command of this kind, and why."""
    runs = [journal.executions(path)[0] for path in journal.journals(lab.cache)]
    [one] = [run for run in runs if list(map(os.fsdecode, run.argv)) == cmd]
    return one.outcome, one.codes()
