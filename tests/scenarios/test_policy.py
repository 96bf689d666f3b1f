"""Settings: what each does, and that a record made under another policy is never a wrong result."""

from __future__ import annotations

import json

import pytest

from .lab import Lab, same, steps
from .results import Run


def settle(lab: Lab, text: str) -> None:
    """Write the project's settings."""
    lab.write("procache.toml", text)


def codes(run: Run) -> set[str]:
    return run.root.codes()


# -- variables -------------------------------------------------------------------------------------------


def test_an_ignored_variable_does_not_count_and_is_handed_on(lab: Lab) -> None:
    settle(lab, "ignored_env = ['...', 'COLOUR', 'TONE_*']\n")
    lab.env.update(COLOUR="red", TONE_A="1")
    assert lab.both(steps("env COLOUR")).out == b"COLOUR=red\n"
    lab.env.update(COLOUR="blue", TONE_B="2")
    run = lab.run(steps("env COLOUR"))
    assert (run.root.outcome, run.out) == ("hit", b"COLOUR=red\n")
    lab.env["MAKELEVEL"] = "7"
    assert lab.run(steps("env COLOUR")).root.outcome == "hit", "the built-in list goes on"


@pytest.mark.parametrize("level", ["command", "child"])
def test_a_variable_that_counts_again(lab: Lab, level: str) -> None:
    """What was recorded with the variable set must not stand for what happens without it."""
    cmd = steps("env COLOUR") if level == "command" else "steps env COLOUR > out"
    settle(lab, "ignored_env = ['...', 'COLOUR']\n")
    lab.env["COLOUR"] = "red"
    lab.both(cmd)
    settle(lab, "")
    del lab.env["COLOUR"]
    assert lab.both(cmd).root.outcome == "miss"
    lab.env["COLOUR"] = "blue"
    assert lab.both(cmd).root.outcome == "miss"


def test_a_parent_recorded_over_a_child_that_was_skipped_by_leave(lab: Lab) -> None:
    """The child's result was recorded with another value: a parent that contains it is bound to that policy."""
    settle(lab, "ignored_env = ['...', 'COLOUR']\n")
    lab.run("COLOUR=red steps env COLOUR > out")
    over = lab.run("COLOUR=blue steps env COLOUR > out")
    assert (over.outcomes("steps"), lab.path("out").read_text()) == (["hit"], "COLOUR=red\n")
    settle(lab, "")
    assert lab.both("COLOUR=blue steps env COLOUR > out").root.outcome == "miss"


# -- programs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cmd", [steps("cat data"), "steps cat data > out"], ids=["command", "child"])
def test_a_program_for_which_times_count_now(lab: Lab, cmd: object) -> None:
    lab.write("data", "x\n")
    lab.both(cmd)  # type: ignore[arg-type]
    assert lab.run(cmd).root.outcome == "hit"  # type: ignore[arg-type]
    settle(lab, "mtime_sensitive = ['...', 'steps']\n")
    run = lab.both(cmd)  # type: ignore[arg-type]
    assert (run.root.outcome, codes(run)) == ("miss", {"policy-differs"})
    assert lab.run(cmd).root.outcome == "hit"  # type: ignore[arg-type]
    settle(lab, "")
    assert lab.run(cmd).root.outcome == "hit", "the stricter rule's record is good under the laxer one"  # type: ignore[arg-type]


def test_a_program_whose_times_count_runs_when_one_changes(lab: Lab) -> None:
    settle(lab, "mtime_sensitive = ['steps']\n")
    lab.write("data", "x\n")
    lab.both(steps("cat data"))
    lab.write("data", "x\n")
    assert lab.both(steps("cat data")).root.outcome == "miss"


@pytest.mark.parametrize("cmd", [steps("cat data"), "steps cat data > out"], ids=["command", "child"])
def test_a_program_that_is_never_cached_now(lab: Lab, cmd: object) -> None:
    lab.write("data", "x\n")
    lab.both(cmd)  # type: ignore[arg-type]
    settle(lab, "never_cached = ['...', 'steps']\n")
    for _ in range(2):
        assert lab.both(cmd).root.outcome == "uncacheable"  # type: ignore[arg-type]
    settle(lab, "")
    assert lab.run(cmd).root.outcome == "hit"  # type: ignore[arg-type]


def test_a_program_of_the_built_in_list_can_be_taken_out(lab: Lab) -> None:
    lab.script("time", "#!/bin/sh\necho mine\n")
    lab.both(["./time"])
    settle(lab, "never_cached = ['...', '!time']\n")
    lab.both(["./time"])
    assert lab.run(["./time"]).root.outcome == "hit"


def test_a_program_that_is_never_skipped(lab: Lab) -> None:
    settle(lab, "never_skipped = ['...', 'steps']\n")
    lab.both("steps say x; true")
    assert lab.run("steps say x; true").root.outcome == "hit", "what contains it"
    assert lab.both(steps("say x")).root.outcome == "uncacheable"
    assert lab.both(steps("say x")).root.outcome == "uncacheable"


# -- paths ----------------------------------------------------------------------------------------------------


def test_an_ignored_path_is_no_input(lab: Lab) -> None:
    settle(lab, "ignored_paths = ['log']\n")
    lab.write("log/one", "1\n")
    cmd = "cat log/one 2> /dev/null > out; true"
    lab.both(cmd)
    lab.write("log/one", "22\n")
    assert lab.run(cmd).root.outcome == "hit"
    lab.remove("log")
    assert lab.run(cmd).root.outcome == "hit"


@pytest.mark.parametrize("path", ["/proc/loadavg", "/proc/uptime"])
def test_an_ignored_path_may_change_by_itself(lab: Lab, path: str) -> None:
    assert lab.run(["cat", path]).root.outcome == "uncacheable"
    settle(lab, f"ignored_paths = ['{path}']\n")
    first = lab.run(["cat", path])
    assert first.root.outcome == "miss"
    again = lab.run(["cat", path])
    assert (again.root.outcome, again.out) == ("hit", first.out)
    settle(lab, "")
    assert lab.run(["cat", path]).root.outcome == "uncacheable"


def test_an_ignored_path_is_no_output(lab: Lab) -> None:
    settle(lab, "ignored_paths = ['*.log']\n")
    cmd = "echo a line >> run.log; echo done > out"
    lab.write("run.log", "before\n")
    lab.both(cmd)
    lab.write("run.log", "by hand\n")
    lab.remove("out")
    assert lab.run(cmd).root.outcome == "hit"
    assert (lab.path("run.log").read_text(), lab.path("out").read_text()) == ("by hand\n", "done\n")


@pytest.mark.parametrize("level", ["command", "child", "skipped child"])
def test_a_path_that_counts_again(lab: Lab, level: str) -> None:
    cmd = steps("cat log") if level == "command" else "steps cat log > out"
    settle(lab, "ignored_paths = ['log']\n")
    lab.write("log", "1\n")
    if level == "skipped child":
        lab.run("steps cat log > out; true")
        lab.write("log", "2\n")
    assert lab.run(cmd).of("steps")[0].outcome == ("hit" if level == "skipped child" else "miss")
    settle(lab, "")
    lab.write("log", "3\n")
    run = lab.both(cmd)
    assert (run.root.outcome, codes(run)) == ("miss", {"policy-differs"})


def test_an_output_that_counts_again_is_made_again(lab: Lab) -> None:
    settle(lab, "ignored_paths = ['log']\n")
    lab.both(steps("open log wct write text"))
    lab.remove("log")
    settle(lab, "")
    assert lab.both(steps("open log wct write text")).root.outcome == "miss"


def test_a_path_that_is_ignored_now(lab: Lab) -> None:
    lab.write("noise", "1\n")
    lab.write("in", "a\n")
    cmd = "cat noise in > out"
    lab.both(cmd)
    settle(lab, "ignored_paths = ['noise']\n")
    lab.write("noise", "2\n")
    assert lab.run(cmd).root.outcome == "hit"
    lab.write("in", "b\n")
    assert lab.both(cmd).root.outcome == "miss"


def test_an_output_that_is_ignored_now_is_not_put_back(lab: Lab) -> None:
    cmd = steps("open log wct write text")
    lab.both(cmd)
    lab.write("log", "mine\n")
    settle(lab, "ignored_paths = ['log']\n")
    assert lab.both(cmd).root.outcome == "miss"


def test_a_hard_link_to_an_ignored_path_is_not_recorded(lab: Lab) -> None:
    settle(lab, "ignored_paths = ['log']\n")
    cmd = steps("open log wct write text close link log out")
    lab.both(cmd)
    lab.remove("log", "out")
    assert lab.both(cmd).root.outcome == "uncacheable"


def test_a_file_that_leaves_an_ignored_path_is_an_output(lab: Lab) -> None:
    settle(lab, "ignored_paths = ['scratch']\n")
    lab.write("scratch/x")
    lab.both("echo text > scratch/new && mv scratch/new out")
    lab.remove("out")
    again = lab.run("echo text > scratch/new && mv scratch/new out")
    assert (again.root.outcome, lab.path("out").read_text()) == ("hit", "text\n")


@pytest.mark.parametrize("act", ["steps cat live/x", "steps open live/y wct write x", "ls live", "steps stat live/x"])
def test_who_uses_a_tainting_path_is_not_recorded(lab: Lab, act: str) -> None:
    lab.write("live/x", "1\n")
    lab.both(f"{act} > out; true")
    settle(lab, "tainting_paths = ['live']\n")
    for _ in range(2):
        run = lab.both(f"{act} > out; true")
        assert (run.root.outcome, run.of(act.split()[0])[0].outcome) == ("uncacheable", "uncacheable")
        assert "path-rule" in run.of(act.split()[0])[0].codes()


def test_a_tainting_path_does_not_concern_others(lab: Lab) -> None:
    settle(lab, "tainting_paths = ['live']\n")
    lab.write("in", "1\n")
    lab.both("cat in > out")
    assert lab.run("cat in > out").root.outcome == "hit"


# -- results ------------------------------------------------------------------------------------------------


def test_only_success(lab: Lab) -> None:
    lab.both(steps("say x exit 3"))
    assert lab.run(steps("say x exit 3")).root.outcome == "hit"
    settle(lab, "only_success = true\n")
    for _ in range(2):
        assert lab.both(steps("say x exit 3")).root.outcome == "uncacheable"
    lab.both(steps("say y"))
    assert lab.run(steps("say y")).root.outcome == "hit"


def test_what_is_short_is_not_stored(lab: Lab) -> None:
    settle(lab, "min_runtime = 1000\n")
    for _ in range(2):
        run = lab.both("steps say x > out")
        assert {execution.outcome for execution in run.executions} == {"miss"}
    assert codes(lab.run("steps say x > out")) == {"no-record", "too-short"}
    settle(lab, "")
    lab.both("steps say x > out")
    settle(lab, "min_runtime = 1000\n")
    assert lab.run("steps say x > out").root.outcome == "hit"


def test_work_that_is_done(lab: Lab) -> None:
    first = lab.both("mkdir out")
    lab.env["PROCACHE_ALREADY_DONE"] = "hit"
    again = lab.run("mkdir out")
    same(first, again)
    assert again.root.outcome == "hit"


# -- sources ------------------------------------------------------------------------------------------------


def test_a_wrong_setting_ends_procache_before_anything_runs(lab: Lab) -> None:
    settle(lab, "only_success = true\nnever_cache = ['x']\n")
    for verb in ("run", "check", "explain"):
        said = lab.raw([verb, "--", "touch", "out"])
        assert (said.status, said.out, lab.path("out").exists()) == (2, b"", False)
        where = f"{lab.path('procache.toml')}, line 2"
        assert said.err.decode() == f"procache: {where}: there is no key 'never_cache'; did you mean never_cached?\n"


def test_an_option_names_a_file(lab: Lab) -> None:
    settle(lab, "min_runtime = 1000\n")
    lab.write("other.toml", "min_runtime = 0\n")
    for outcome in ("miss", "hit"):
        assert lab.run(steps("say x"), options=["--config", "other.toml"]).root.outcome == outcome
    lab.env["PROCACHE_CONFIG"] = "other.toml"
    assert lab.run(steps("say y")).root.outcome == "miss"
    assert lab.run(steps("say y")).root.outcome == "hit"


def test_a_run_below_a_run_does_not_care(lab: Lab) -> None:
    settle(lab, "")
    lab.write("below/procache.toml", "nonsense = 1\n")
    assert lab.both("cd below && pwd").status == 0


def test_settings_are_shown_with_their_origins(lab: Lab) -> None:
    settle(lab, "\nmin_runtime = 0.5\nnever_cached = ['...', 'x\"y']\n")
    lab.env["PROCACHE_ONLY_SUCCESS"] = "yes"
    shown = lab.raw(["config", "show", "--origin"]).out.decode().splitlines()
    assert "min_runtime = 0.5" in shown
    assert "only_success = true" in shown
    above = shown[shown.index("min_runtime = 0.5") - 1]
    assert above.endswith(f"({lab.path('procache.toml')}, line 2)")
    assert shown[shown.index("only_success = true") - 1].endswith("(variable PROCACHE_ONLY_SUCCESS)")
    assert shown[shown.index('already_done = "run"') - 1].endswith("(built in)")
    assert not any("(built in)" in line for line in lab.raw(["config", "show"]).out.decode().splitlines())
    told = json.loads(lab.raw(["config", "show", "--json"]).out)
    assert told["files"] == [str(lab.path("procache.toml"))]
    assert told["settings"]["min_runtime"]["value"] == 0.5
    assert told["settings"]["never_cached"]["value"][-1] == 'x"y'


def test_what_is_shown_can_be_read_again(lab: Lab) -> None:
    settle(lab, "never_cached = ['a\\\\b']\nignored_paths = ['x y']\nmin_runtime = 1234567.25\n")
    shown = lab.raw(["config", "show"]).out
    lab.write("again.toml", shown)
    lab.remove("procache.toml")
    assert lab.raw(["config", "show", "--config", "again.toml"]).out == shown


# -- check ----------------------------------------------------------------------------------------------------


def test_check_says_what_would_happen_and_runs_nothing(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = steps("cat in open out wct write x")
    asked = ["check", "--", *cmd]
    assert lab.raw(asked).status == 1
    assert not lab.path("out").exists()
    lab.run(cmd)
    said = lab.raw(asked)
    assert (said.status, said.out, said.executions) == (0, b"would be skipped now: a recorded result fits\n", [])
    lab.remove("out")
    assert lab.raw(asked).status == 0
    assert not lab.path("out").exists()
    lab.rewrite("in", "2\n")
    said = lab.raw(asked)
    assert (said.status, said.out) == (1, b"would run now: no recorded result fits\n")
    told = json.loads(lab.raw(["check", "--json", "--", *cmd]).out)
    assert told["outcome"] == "miss"
    assert "in" in str(told["variants"])
    assert lab.raw(["check", "--", "date"]).status == 1
    assert lab.raw(["check", "--", "strace"]).status == 1
    assert lab.raw(["check"]).status == 2
    assert lab.raw(["check", "--", "no-such-program"]).status == 127


def test_check_goes_by_the_policy(lab: Lab) -> None:
    lab.run("mkdir out")
    asked = ["check", "--", "sh", "-c", "mkdir out"]
    assert lab.raw(asked).status == 1
    assert lab.raw(["check", "--resume", *asked[1:]]).status == 0
    settle(lab, "already_done = 'hit'\n")
    assert lab.raw(asked).status == 0
    lab.write("strict.toml", "never_cached = ['mkdir']\n")
    assert lab.raw(["check", "--config", "strict.toml", "--", "sh", "-c", "mkdir out"]).status == 1
