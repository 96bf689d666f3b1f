"""The command and its surroundings: what names an execution, and what does not."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

from .cycle import cycle
from .lab import Lab, steps

ALONE = 'exec "$@"'


@pytest.mark.parametrize("level", ["command", "child"])
def test_an_environment_variable(lab: Lab, level: str) -> None:
    cmd = steps("env COLOUR") if level == "command" else "steps env COLOUR > out"
    job = None if level == "command" else "steps"
    for value in ("blue", ""):
        lab.env["COLOUR"] = "red" + value
        cycle(lab, cmd, job=job, change=partial(lab.env.update, COLOUR=value))
    del lab.env["COLOUR"]
    assert lab.both(cmd).root.outcome == "miss"


def test_the_order_of_the_environment_is_nothing(lab: Lab) -> None:
    lab.env.update(ONE="1", TWO="2")
    assert lab.both(steps("env ONE")).root.outcome == "miss"
    lab.env = dict(reversed(lab.env.items()))
    assert lab.both(steps("env ONE")).root.outcome == "hit"


def test_variables_that_mean_nothing(lab: Lab) -> None:
    assert lab.both(steps("say x")).root.outcome == "miss"
    for name in (
        "_",
        "OLDPWD",
        "SHLVL",
        "MAKELEVEL",
        "PARALLEL_SEQ",
        "SLURM_JOB_ID",
        "WINDOWID",
    ):
        for value in ("1", "2"):
            lab.env[name] = value
            assert lab.run(steps("say x")).root.outcome == "hit", name


def test_a_program_gets_the_variables_that_mean_nothing(lab: Lab) -> None:
    lab.env.update(MAKELEVEL="3", SLURM_JOB_ID="77", PROCACHE_TEST_NOTHING="x")
    assert lab.both(["env"]).root.outcome == "miss"


def test_a_variable_that_the_parent_sets(lab: Lab) -> None:
    lab.write("in", "red\n")
    cycle(lab, "COLOUR=$(cat in) steps env COLOUR", job="steps", change=lambda: lab.rewrite("in", "tan\n"))


@pytest.mark.parametrize("level", ["command", "child"])
def test_an_argument(lab: Lab, level: str) -> None:
    cmds = (steps("say x"), steps("say y")) if level == "command" else ("steps say x > out", "steps say y > out")
    cycle(lab, cmds[0], then={"cmd": cmds[1]}, job=None if level == "command" else "steps")


def test_arguments_are_never_confused(lab: Lab) -> None:
    lists = [["a b"], ["a", "b"], ["a", "", "b"], ["a\nb"], ["a\x1fb"], ["ab"], ["ab", ""]]
    for outcome in ("miss", "hit"):
        for arguments in lists:
            assert lab.both(["printf", "%s.", *arguments]).root.outcome == outcome, arguments


def test_the_working_folder(lab: Lab) -> None:
    lab.write("a/in", "1\n")
    lab.write("b/in", "2\n")
    cycle(lab, steps("cat in cwd"), cwd="a", then={"cwd": "b"})
    cycle(lab, "cd a; steps cat in", job="steps", then={"cmd": "cd b; steps cat in"})


def test_chdir_in_parent_and_child(lab: Lab) -> None:
    lab.write("a/b/in", "1\n")
    script = "cd a; steps cat b/in chdir b open out wct write x; cd b; steps cat out cwd; (cd /; steps cwd)"
    cycle(lab, f"{script}; cat in", job="cat", change=lambda: lab.rewrite("a/b/in", "2\n"), again=True)


def test_a_working_folder_behind_a_symlink(lab: Lab) -> None:
    lab.write("a/in", "1\n")
    lab.write("b/in", "2\n")
    lab.path("here").symlink_to("a")

    def retarget() -> None:
        lab.remove("here")
        lab.path("here").symlink_to("b")

    cycle(lab, "cd here; steps cat in cwd", job="steps", change=retarget)


HIDDEN = {
    "umask": ('umask 022; exec "$@"', 'umask 077; exec "$@"'),
    "number of files": ('ulimit -n 200; exec "$@"', 'ulimit -n 201; exec "$@"'),
    "stack": (ALONE, 'ulimit -s 4000; exec "$@"'),
    "niceness": (ALONE, 'exec nice -n 3 "$@"'),
    "ignored signal": (ALONE, 'trap "" HUP; exec "$@"'),
    "affinity": (ALONE, 'exec taskset 1 "$@"'),
    "a closed stdin": (ALONE, 'exec "$@" <&-'),
    "personality": (ALONE, 'exec setarch -R "$@"'),
}


@pytest.mark.parametrize("state", HIDDEN)
def test_hidden_state_of_the_command(lab: Lab, state: str) -> None:
    """What a program inherits without seeing it in its arguments is part of the command."""
    first, then = HIDDEN[state]
    cycle(lab, ["sh", "-c", "state; echo x > out"], around=first, then={"around": then})


@pytest.mark.parametrize("state", ["umask", "number of files", "stack", "niceness", "ignored signal"])
def test_hidden_state_set_by_the_parent(lab: Lab, state: str) -> None:
    first, then = (text.replace('"$@"', "steps say x open out wct sh state") for text in HIDDEN[state])
    cycle(lab, f"({first})", job="steps", then={"cmd": f"({then})"})


def test_affinity_is_told_as_the_kernel_tells_it(lab: Lab) -> None:
    lab.both(["affinity"])
    lab.both("affinity; (affinity; affinity); exec affinity")
    lab.both("taskset -c 0 affinity; affinity")


@pytest.mark.parametrize("change", ["prlimit --pid $$ --nofile=64:64", "renice -n 5 -p $$", "taskset -p 1 $$"])
def test_hidden_state_that_another_process_changes(lab: Lab, change: str) -> None:
    """What ran before it was changed is another command after it."""
    if not shutil.which(change.split()[0]):
        pytest.skip("there is no such tool")
    show = "sh -c 'ulimit -n; nice'; nproc"
    lab.both(f"{show}; {change} >/dev/null 2>&1; {show}")


def test_a_terminal_like_state_is_equal_natively_and_under_procache(lab: Lab) -> None:
    for around in (
        ALONE,
        'trap "" INT TERM HUP USR1; exec "$@"',
        'exec "$@" 9< /dev/null',
        'umask 0; exec nice "$@"',
    ):
        lab.both(["state"], around=around)
        lab.both("state; (state); exec state", around=around)


@pytest.mark.xfail(reason="Python ignores both at its start, so what procache inherited can no longer be told")
@pytest.mark.parametrize("name", ["PIPE", "XFSZ"])
def test_an_ignored_signal_that_python_ignores_too(lab: Lab, name: str) -> None:
    lab.both(["state"], around=f'trap "" {name}; exec "$@"')


def test_the_executable_named_in_another_way(lab: Lab) -> None:
    lab.script("tool", '#!/bin/sh\necho "$0"\n')
    for name in ("./tool", str(lab.path("tool")), f"../{lab.work.name}/tool"):
        assert lab.both([name]).root.outcome == "miss"
        assert lab.both([name]).root.outcome == "hit"
