"""`--strict`: who reads the clock, random numbers or process ids is not recorded, and others are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import SOURCES
from .lab import Lab
from .results import Run

SEEN = {
    "clock": "the time",
    "monotonic": "the time",
    "coarse": "the time",
    "boottime": "the time",
    "time": "the time",
    "times": "the time",
    "gettimeofday": "the time",
    "getrandom": "random numbers",
    "getrandom-8": "random numbers",
    "getpid": "its process id",
    "gettid": "its process id",
    "getppid": "its parent's process id",
    "getpgrp": "its process group",
    "getpgid": "a process group",
    "getsid": "its session",
}
LET_PASS = ("cputime", "threadtime", "getrusage", "malloc-key", "sysinfo", "address", "ids", "hostname")


def strictly(lab: Lab, cmd: str | list[str], *options: str) -> Run:
    return lab.run(cmd, options=["--strict", *options])


@pytest.mark.parametrize("look", SEEN)
def test_who_looks_is_not_recorded(lab: Lab, look: str) -> None:
    assert lab.run(["world", look]).root.outcome == "miss", "without --strict it is ignored"
    for _ in range(2):
        run = strictly(lab, f"world {look} > out")
        assert [execution.outcome for execution in run.executions] == ["uncacheable"] * 2
        assert SEEN[look] in repr(run.of("world")[0].reasons)


def test_a_random_device_too(lab: Lab) -> None:
    lab.run(["world", "urandom"])
    assert lab.run(["world", "urandom"]).root.outcome == "hit"
    for _ in range(2):
        assert strictly(lab, ["world", "urandom"]).root.outcome == "uncacheable"


@pytest.mark.parametrize("look", LET_PASS)
def test_what_is_let_pass(lab: Lab, look: str) -> None:
    assert strictly(lab, f"world {look} > out").root.outcome == "miss"
    assert strictly(lab, f"world {look} > out").root.outcome == "hit"


def test_a_static_program_without_a_dynamic_linker(lab: Lab, tmp_path: Path) -> None:
    subprocess.run(["gcc", "-static", "-w", "-o", lab.path("still"), SOURCES / "world.c"], check=True)
    assert strictly(lab, ["./still", "clock"]).root.outcome == "uncacheable"
    assert strictly(lab, ["./still", "cputime"]).root.outcome == "miss"


def test_the_time_is_still_the_time(lab: Lab) -> None:
    """A program whose vDSO is hidden makes the call, and gets what it says."""
    before = int(lab.native(["world", "time"]).out)
    assert before <= int(strictly(lab, ["world", "time"]).out) <= before + 60


def test_many_arguments_and_variables_do_not_hide_it(lab: Lab) -> None:
    lab.env.update({f"VARIABLE_{number}": "x" * number for number in range(300)})
    words = ["world", *(["address"] * 300), "clock"]
    assert strictly(lab, words).root.outcome == "uncacheable"


def test_a_program_that_another_exec_starts(lab: Lab) -> None:
    assert strictly(lab, "exec world clock").root.outcome == "uncacheable"


def test_ordinary_programs_are_recorded(lab: Lab) -> None:
    lab.write("in", "b\na\n")
    cmd = "sort in > out; grep a in; sed p in; tr a b < in; cat in | head -n 1; cp in copy; ls; diff in in"
    run = strictly(lab, cmd)
    assert run.root.outcome == "miss"
    assert {execution.outcome for execution in run.executions if execution.argv[0] != b"head"} == {"miss"}
    lab.remove("out", "copy")
    assert strictly(lab, cmd).root.outcome == "hit"


def test_a_program_may_be_let_make_one_call(lab: Lab) -> None:
    """The compiler asks for the time at its start; when a program wants __TIME__, it asks by another call."""
    lab.write("x.c", "int main(void) { return 0; }\n")
    lab.write("y.c", "char *when = __TIME__;\n")
    assert strictly(lab, ["gcc", "-S", "x.c"]).root.outcome == "uncacheable"
    lab.remove("x.s")
    image = Path(lab.native(["sh", "-c", "readlink -f $(command -v gcc)"]).out.decode().strip()).name
    lab.env["PROCACHE_STRICT_EXEMPT"] = f"... {image}:clock_gettime cc1:gettimeofday {image}:getpid"
    assert strictly(lab, ["gcc", "-S", "x.c"]).root.outcome == "miss"
    lab.remove("x.s")
    assert strictly(lab, ["gcc", "-S", "x.c"]).root.outcome == "hit"
    assert strictly(lab, ["gcc", "-S", "y.c"]).root.outcome == "uncacheable"


TELLING = ("echo $$", "echo ${$}", 'echo "$PPID"', "x=$RANDOM", "echo $SECONDS; echo x", "time true", "true; times")


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("text", TELLING)
def test_a_shell_is_tainted_by_its_text(lab: Lab, shell: str, text: str) -> None:
    assert strictly(lab, [shell, "-c", text]).root.outcome == "uncacheable"
    lab.script("job", f"#!/bin/{shell}\n# a script\n{text}\n")
    run = strictly(lab, ["./job"])
    assert "in its script" in repr(run.root.reasons)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_is_not_tainted_by_its_start(lab: Lab, shell: str) -> None:
    lab.script("job", f"#!/bin/{shell}\nread x < /dev/null; echo some times; cd .\n")
    assert strictly(lab, ["./job"]).root.outcome == "uncacheable", "the word is there, if not as a command"
    lab.script("job", f"#!/bin/{shell}\nread x < /dev/null; echo something; cd .\n")
    assert strictly(lab, ["./job"]).root.outcome == "miss"
    assert strictly(lab, ["./job"]).root.outcome == "hit"


def test_check_and_explain_know_of_it(lab: Lab) -> None:
    lab.run("true")
    assert lab.raw(["check", "--", "sh", "-c", "true"]).status == 0
    assert lab.raw(["check", "--strict", "--", "sh", "-c", "true"]).status == 1
    assert b"another --strict" in lab.raw(["explain", "--strict", "--", "sh", "-c", "true"]).out
    strictly(lab, "true")
    assert lab.raw(["check", "--strict", "--", "sh", "-c", "true"]).status == 0


def test_a_record_that_was_made_without_it_is_not_used(lab: Lab) -> None:
    for cmd in ("cat /dev/null; world clock", "echo $$"):
        lab.run(cmd)
        assert lab.run(cmd).root.outcome == "hit"
        run = strictly(lab, cmd)
        assert run.root.outcome == "uncacheable"
        assert {execution.outcome for execution in run.executions} <= {"uncacheable", "miss"}


def test_a_parent_over_a_child_that_was_skipped(lab: Lab) -> None:
    """The child's record was made without --strict, and so the parent's was."""
    lab.run(["world", "hostname"])
    lab.run("world hostname; true # once more")
    assert strictly(lab, "world hostname; true # once more").root.outcome == "miss"


def test_exempt_programs_are_a_setting(lab: Lab) -> None:
    lab.write("procache.toml", "strict = true\nstrict_exempt = ['...', 'world']\n")
    lab.run(["world", "clock"])
    assert lab.run(["world", "clock"]).root.outcome == "hit"
    lab.write("procache.toml", "strict = true\n")
    assert lab.run(["world", "clock"]).root.outcome == "uncacheable"
    lab.write("procache.toml", "strict = true\nstrict_exempt = []\n")
    assert lab.run("true").root.outcome == "uncacheable", "sh asks for its process id"
