"""Programs that start programs: exec chains, searches along PATH, scripts, interpreters, libraries."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .cycle import cycle
from .lab import Lab, steps


@pytest.mark.parametrize(
    "chain",
    [
        "env X=1 steps cat in",
        "nice -n 1 steps cat in",
        "sh -c 'exec steps cat in'",
        "nohup steps cat in 2> /dev/null",
        "env Y=2 nice -n 1 env X=1 steps cat in",
        "timeout 60 steps cat in",
        "setsid -w steps cat in",
        "echo x | xargs steps cat in say",
    ],
)
def test_exec_chains(lab: Lab, chain: str) -> None:
    lab.write("in", "1\n")
    cycle(lab, f"{chain}; steps say after", job="steps cat", change=lambda: lab.rewrite("in", "2\n"), names="in")


@pytest.mark.parametrize("chain", ["env X=1", "nice -n 1", "sh -c 'exec \"$@\"' sh", "env env env"])
def test_an_exec_chain_as_the_command(lab: Lab, chain: str) -> None:
    lab.write("in", "1\n")
    around = f'exec "$@" {chain} steps cat in open out wct write x'
    cycle(lab, ["env"], around=around, change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_programs_of_one_name_in_two_folders(lab: Lab) -> None:
    lab.script("a/tool", "#!/bin/sh\necho of a\n")
    lab.script("b/tool", "#!/bin/sh\necho of b\n")
    result = cycle(lab, "a/tool; b/tool > out", change=lambda: lab.script("a/tool", "#!/bin/sh\necho OF A\n"))
    seen = [(execution.argv[0], execution.outcome) for execution in result.changed.of("tool")]
    assert seen == [(b"a/tool", "miss"), (b"b/tool", "hit")]


def test_one_program_under_two_names(lab: Lab) -> None:
    lab.script("tool", '#!/bin/sh\necho "$0"\n')
    lab.path("link").symlink_to("tool")
    cycle(lab, "./tool; ./link; ./tool", change=lambda: lab.script("tool", '#!/bin/sh\necho "$0!"\n'))
    for name in ("one", "two", "one"):
        lab.both(["bash", "-c", f"exec -a {name} sh -c 'echo $0'"])


def test_a_parent_captures_its_childs_stdout(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = 'x=$(steps cat in); echo "got $x" > out; y=$(steps cat in say $x); echo "$y"'
    cycle(lab, script, job="steps", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_python_captures_its_childs_stdout(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = (
        "import subprocess as s, sys\n"
        "p = s.run(['steps', 'cat', 'in', 'complain', 'x', 'exit', '3'], stdout=s.PIPE, stderr=s.PIPE)\n"
        "print(p, file=open('out', 'w'))\n"
    )
    lab.write("driver.py", script)
    python = ["python3", "-I", "-S", "driver.py"]
    result = cycle(lab, python, change=lambda: lab.rewrite("in", "2\n"), again=True)
    assert result.changed.outcomes("steps") == ["miss"]
    lab.write("driver.py", script + "print('changed')\n")
    run = lab.both(python)
    assert (run.root.outcome, run.outcomes("steps")) == ("miss", ["hit"])


def test_a_program_that_appears_earlier_on_the_path(lab: Lab) -> None:
    lab.script("late/tool", "#!/bin/sh\necho late\n")
    lab.path("early").mkdir()
    lab.env["PATH"] = f"{lab.path('early')}:{lab.path('late')}:{lab.env['PATH']}"
    cycle(lab, "tool; echo $?", job="tool", change=lambda: lab.script("early/tool", "#!/bin/sh\necho early\n"))


def test_the_command_itself_appears_earlier_on_the_path(lab: Lab) -> None:
    lab.script("late/tool", "#!/bin/sh\necho late\n")
    lab.env["PATH"] = f"{lab.path('early')}:{lab.path('late')}:{lab.env['PATH']}"
    cycle(lab, ["tool"], change=lambda: lab.script("early/tool", "#!/bin/sh\necho early\n"))


def test_a_program_that_was_missing_appears(lab: Lab) -> None:
    lab.write("in", "1\n")
    cycle(lab, "./tool 2> /dev/null || cat in", change=lambda: lab.script("tool", "#!/bin/sh\necho here\n"))


def test_a_program_that_may_not_be_executed_becomes_executable(lab: Lab) -> None:
    lab.write("tool", "#!/bin/sh\necho here\n", 0o644)
    cycle(lab, "./tool 2> /dev/null || echo no", change=lambda: lab.path("tool").chmod(0o755))


@pytest.mark.parametrize("cmd", [["./tool"], "./tool; echo $?"])
def test_a_script_is_edited(lab: Lab, cmd: str | list[str]) -> None:
    lab.script("tool", "#!/bin/sh\ncat in\n")
    lab.write("in", "1\n")
    cycle(lab, cmd, job="tool", change=lambda: lab.rewrite("tool", "#!/bin/sh\nwc <in\n"), names="tool")


def test_an_interpreter_is_replaced(lab: Lab) -> None:
    interpreter = lab.path("interpreter")
    shutil.copy("/usr/bin/cat", interpreter)
    lab.script("tool", f"#!{interpreter} -\nline 1\nline 2\n")
    lab.script("outer", f"#!{lab.path('tool')}\n")

    def replace() -> None:
        interpreter.unlink()
        shutil.copy("/usr/bin/tac", interpreter)

    cycle(lab, "./tool < outer; ./outer < tool", change=replace, names="interpreter")


def test_an_interpreter_on_the_path_is_replaced(lab: Lab) -> None:
    lab.env["PATH"] = f"{lab.path('bin')}:{lab.env['PATH']}"
    lab.path("bin").mkdir()
    lab.script("tool", "#!/usr/bin/env cat\nline 1\nline 2\n")
    cycle(lab, ["./tool"], change=lambda: lab.script("bin/cat", "#!/bin/sh\necho mine\n"))


def _library(lab: Lab, folder: str, value: int) -> None:
    lab.write("source/value.c", f"int value(void) {{ return {value}; }}\n")
    lab.path(folder).mkdir(exist_ok=True)
    target = lab.path(f"{folder}/libvalue.so")
    target.unlink(missing_ok=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, lab.path("source/value.c")], check=True)


@pytest.mark.parametrize("changed", ["second", "first"])
def test_a_shared_library_is_replaced_or_found_earlier(lab: Lab, changed: str) -> None:
    _library(lab, "second", 1)
    main = lab.write("source/main.c", "int value(void); int main(void) { return value(); }\n")
    search = f"-L{lab.path('second')}"
    subprocess.run(["gcc", "-o", lab.path("program"), main, search, "-lvalue"], check=True)
    lab.env["LD_LIBRARY_PATH"] = f"{lab.path('first')}:{lab.path('second')}"
    result = cycle(lab, "./program; echo $?", job="program", change=lambda: _library(lab, changed, 2))
    assert result.changed.out == b"2\n"


def test_a_preloaded_library_is_replaced(lab: Lab) -> None:
    source = 'int puts(const char *); __attribute__((constructor)) void f(void) { puts("%s"); }\n'

    def build(text: str) -> None:
        lab.path("p.so").unlink(missing_ok=True)
        code = (source % text).encode()
        subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-", "-o", lab.path("p.so")], input=code, check=True)

    build("one")
    cycle(lab, f"LD_PRELOAD={lab.path('p.so')} steps say x", job="steps", change=lambda: build("two"))


def test_the_executable_is_replaced(lab: Lab, programs: Path) -> None:
    shutil.copy(programs / "steps", lab.path("tool"))
    lab.write("in", "1\n")
    cycle(lab, "./tool 1; ./tool 1", job="tool", change=lambda: shutil.copy("/usr/bin/echo", lab.path("tool")))


@pytest.mark.parametrize(
    "way",
    [
        "fork",
        "vfork",
        "posix_spawn",
        "clone",
        "clone3",
        "untraced",
        "thread",
        "execveat",
        "fexecve",
        "memory",
    ],
)
def test_ways_to_start_a_program(lab: Lab, programs: Path, way: str) -> None:
    lab.write("in", "1\n")
    lab.path("steps").symlink_to(programs / "steps")
    path = lab.path("steps") if way != "execveat" else programs / "steps"
    script = f"spawn {way} {path} cat in open out wct write x exit 3; steps cat out"
    free = way == "memory"  # a program from memory cannot be named by a path: its execution may be uncacheable
    cycle(lab, script, hit=None if free else True, job="steps cat in", change=lambda: lab.rewrite("in", "2\n"))


def test_a_hit_as_the_command_twice_in_a_row(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = steps("cat in open out wct write x")
    outcomes = [lab.both(cmd).root.outcome for _ in range(3)]
    assert outcomes == ["miss", "hit", "hit"]
    lab.rewrite("in", "2\n")
    assert [lab.both(cmd).root.outcome for _ in range(3)] == ["miss", "hit", "hit"]
    lab.rewrite("in", "1\n")
    assert lab.both(cmd).root.outcome == "hit", "several variants are kept"
