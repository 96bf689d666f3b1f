"""Threads, forks, daemons, signals: whatever a command is made of, it behaves and is seen whole."""

from __future__ import annotations

import pytest

from .cycle import cycle
from .lab import Lab, steps


def test_threads(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.path("t").mkdir()
    cycle(lab, ["threads", "40"], change=lambda: lab.rewrite("in", "2\n"), again=True)
    cycle(lab, "threads 41 > out", job="threads", change=lambda: lab.rewrite("in", "3\n"))


@pytest.mark.parametrize("how", ["thread", "fork", "thread fork thread"])
def test_hmmers_way_a_thread_in_the_child_writes_a_file_that_the_parent_made(lab: Lab, how: str) -> None:
    lab.write("in", "1\n")
    named = f"steps say header > out; steps {how} open out wa write body cat in"
    cycle(lab, named, job="steps cat", change=lambda: lab.rewrite("in", "2\n"))
    given = f"exec 4> given; echo header >&4; steps {how} cat in fd 1 write body >&4; cat given"
    cycle(lab, given, job="steps", change=lambda: lab.rewrite("in", "3\n"))


def test_a_thread_that_outlives_the_others(lab: Lab) -> None:
    lab.write("in", "1\n")
    cycle(lab, steps("thread thread cat in exit 3"), change=lambda: lab.rewrite("in", "2\n"))


def test_forks_belong_to_the_execution(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "(cat in > a) & (read x < in; echo $x > b) & wait; echo done"
    result = cycle(lab, script, change=lambda: lab.rewrite("in", "2\n"), again=True)
    assert [execution.argv[0] for execution in result.first.executions] == [b"sh", b"cat"]


def test_background_children_in_parallel(lab: Lab) -> None:
    lab.path("out").mkdir()
    for number in range(10):
        lab.write(f"in/{number}", f"{number}\n")
    script = "for n in 0 1 2 3 4 5 6 7 8 9; do job $n > log$n & done; wait; cat log?"
    cycle(lab, script, job="job 3", change=lambda: lab.rewrite("in/3", "x\n"))


def test_a_daemon_is_waited_for(lab: Lab) -> None:
    """Natively the command ends at once and the daemon writes later; procache ends after it."""
    native = lab.native("daemon out; echo next", until="out")
    for outcome in ("miss", "hit"):
        run = lab.run("daemon out; echo next")
        assert (run.status, run.out, run.after.entries) == (native.status, native.out, native.after.entries)
        assert run.root.outcome == outcome
        lab.remove("out")


def test_an_orphan_is_waited_for(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "(steps sleep 200 cat in open out wct write late > log) & steps say first"
    native = lab.native(script, until="out")
    run = lab.run(script)
    assert (run.out, run.after.entries) == (native.out, native.after.entries)
    lab.remove("out", "log")
    warm = lab.run(script)
    assert (warm.out, warm.after.entries, warm.root.outcome) == (native.out, native.after.entries, "hit")


@pytest.mark.parametrize(
    "script",
    [
        "kill -9 $$ & wait; steps say never",
        "steps kill 15; echo $?; steps kill 9; echo $?",
        "trap 'echo caught' USR1; kill -USR1 $$; steps say after",
        "(kill -TERM 0) & wait",
        "sleep 100 & kill $!; wait $!; echo $?",
        "(trap '' TERM; steps kill 15 say survived); echo $?",
        "steps kill 19 & for i in 1 2 3 4 5 6 7; do sleep 0.05; kill -CONT $! 2> log; done; wait $!; echo $?",
    ],
)
def test_signals_inside_the_command(lab: Lab, script: str) -> None:
    lab.both(script)
    lab.both(script)


def test_a_signal_to_a_child_that_has_ended(lab: Lab) -> None:
    """As Python's multiprocessing sends it: it changes nothing, inside or outside."""
    lab.write("in", "1\n")
    child = "pid = os.fork() or os._exit(0); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)"
    script = f"import os; {child}; os.kill(pid, 15); os.wait(); print(open('in').read())"
    cycle(lab, ["python3", "-c", script], change=lambda: lab.rewrite("in", "2\n"))


def test_timeout_ends_a_program(lab: Lab) -> None:
    for _ in range(2):
        run = lab.both("timeout -s KILL 0.3 sleep 100; echo $?; timeout 0.3 sleep 100; echo $?")
        assert run.out == b"137\n124\n"
        assert set(run.outcomes("sleep")) <= {"uncacheable"}


def test_exit_with_threads_that_still_run(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "import threading, time, os\n" + (
        "for _ in range(5): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
        "print(open('in').read()); import sys; sys.stdout.flush(); os._exit(9)\n"
    )
    lab.write("script.py", script)
    cycle(lab, ["python3", "-I", "-S", "script.py"], change=lambda: lab.rewrite("in", "2\n"))


@pytest.mark.parametrize(
    "driver",
    [
        "seq 6 | xargs -P2 -n1 job",
        "make -s -j2 -f jobs.mk",
        "parallel -j2 job ::: 1 2 3 4 5 6",
        "python3 -I -S driver.py",
        "busybox sh -c 'for n in 1 2 3 4 5 6; do job $n; done'",
        "bash -c 'for n in {1..6}; do job $n; done'",
    ],
)
def test_drivers(lab: Lab, driver: str) -> None:
    """The same jobs under the drivers that people use: each can skip the five that did not change."""
    tool = driver.split("|")[-1].split()[0]
    if lab.native(f"command -v {tool}").status != 0:
        pytest.skip(f"{tool} is not installed")
    lab.path("out").mkdir()
    for number in range(1, 7):
        lab.write(f"in/{number}", f"input {number}\n")
    rules = "".join(f"out/{n}: in/{n}\n\tjob {n} > /dev/null\n" for n in range(1, 7))
    lab.write("jobs.mk", "all: " + " ".join(f"out/{n}" for n in range(1, 7)) + "\n" + rules)
    lab.write(
        "driver.py",
        "import subprocess\nfor n in range(1, 7): subprocess.run(['job', str(n)], check=True)\n",
    )
    run_all = f"{driver} > log.tmp; sort log.tmp; rm log.tmp"
    lab.both(run_all)
    lab.write("in/3", "another input\n")
    lab.remove("out")
    lab.path("out").mkdir()
    run = lab.both(run_all)
    assert {execution.argv[1] for execution in run.ran("job")} == {b"3"}, run.executions
