"""`procache run` ends as its command ends, and complains as a shell does."""

from __future__ import annotations

import signal

import pytest

from .lab import PREFIX, Lab, steps, words


@pytest.mark.parametrize(
    ("cmd", "status"),
    [(["true"], 0), (["false"], 1), ("exit 7", 7), ("exit 255", 255), ("echo out; echo err >&2; exit 3", 3)],
)
def test_an_exit_status_is_passed_on_and_replayed(lab: Lab, cmd: str | list[str], status: int) -> None:
    run = lab.both(cmd)
    assert (run.status, run.root.outcome, run.root.status) == (status, "miss", status)
    for _ in range(2):
        again = lab.both(cmd)
        assert (again.status, again.root.outcome, again.root.status) == (status, "hit", status)


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1, 40],
)
def test_death_by_a_signal_becomes_procaches_own_and_is_not_stored(lab: Lab, number: int) -> None:
    for _ in range(2):
        run = lab.both(f"echo before > out; kill -{int(number)} $$; echo after")
        assert run.status == -number
        assert (run.root.outcome, run.root.status) == ("uncacheable", -number)
        assert "signal" in run.root.codes()


def test_a_child_that_died_by_a_signal_is_never_skipped(lab: Lab) -> None:
    for round in "12":
        run = lab.both(f"steps say x kill 11; echo $? {round}")
        assert run.outcomes("steps") == ["uncacheable"]
        assert run.status == 0


def test_a_failing_command_is_replayed_with_its_outputs(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = steps("cat in open out wct write partial complain sorry exit 4")
    assert lab.both(cmd).status == 4
    lab.remove("out")
    assert lab.both(cmd).root.outcome == "hit"


def test_what_is_not_found_is_127(lab: Lab) -> None:
    run = lab.run(["nosuchcommand", "x"])
    assert run.status == 127
    assert b"nosuchcommand" in run.err and b"not found" in run.err
    assert run.out == b""


def test_a_missing_path_is_127(lab: Lab) -> None:
    run = lab.run(["./none/such"])
    assert run.status == 127
    assert b"./none/such" in run.err


def test_an_empty_name_is_127(lab: Lab) -> None:
    assert lab.run([""]).status == 127


def test_a_file_that_may_not_be_executed_is_126(lab: Lab) -> None:
    lab.write("plain", "#!/bin/sh\necho no\n", 0o644)
    run = lab.run(["./plain"])
    assert run.status == 126
    assert b"./plain" in run.err and b"ermission denied" in run.err
    lab.path("plain").chmod(0o755)
    assert lab.run(["./plain"]).out == b"no\n"


def test_a_folder_is_126(lab: Lab) -> None:
    lab.path("folder").mkdir()
    run = lab.run(["./folder"])
    assert run.status == 126
    assert b"./folder" in run.err


def test_a_missing_interpreter_fails_as_in_a_shell(lab: Lab) -> None:
    lab.script("script", "#!/no/such/interpreter\n")
    run = lab.run(["./script"])
    assert run.status in (126, 127)  # dash says 127, bash 126
    assert b"./script" in run.err


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "--"], ["run", "--nosuch", "true"], ["run", "--nosuch", "--", "true"], ["nosuch"]],
)
def test_wrong_use_is_2_and_runs_nothing(lab: Lab, arguments: list[str]) -> None:
    run = lab.raw(arguments)
    assert run.status == 2
    assert run.err.strip(), "nothing was said"
    assert run.executions == []


def test_options_after_the_command_are_the_commands_own(lab: Lab) -> None:
    run = lab.raw(["run", "echo", "--refresh", "-v", "--"])
    assert (run.status, run.out) == (0, b"--refresh -v --\n")


def test_procache_is_silent_unless_asked(lab: Lab) -> None:
    lab.both(["true"])
    loud = lab.run(["true"], options=["-v"])
    assert loud.err.startswith(b"procache: 1 execution")
    quiet = lab.run(["true"], options=["-q"])
    assert (quiet.err, quiet.root.outcome) == (b"", "hit")


def test_refresh_runs_again_and_no_store_keeps_nothing(lab: Lab) -> None:
    cmd = steps("say x")
    assert lab.run(cmd, options=["--no-store"]).root.outcome != "hit"
    assert lab.run(cmd).root.outcome == "miss"
    refreshed = lab.run(cmd, options=["--refresh"])
    assert refreshed.root.outcome == "miss" and "refresh" in refreshed.root.codes()
    assert lab.run(cmd, options=["--no-store"]).root.outcome == "hit"


def test_the_cache_folder_can_be_named(lab: Lab) -> None:
    other = lab.root / "other"
    for _ in range(2):
        run = lab.run(["true"], options=["--cache-dir", str(other)])
        assert run.status == 0
    assert not lab.cache.exists() and list((other / "v2" / "runs").iterdir())
    assert other.stat().st_mode & 0o077 == 0


def test_a_run_inside_a_run_is_one_run(lab: Lab) -> None:
    lab.write("in", "1\n")
    inner = [*PREFIX, "run", "--", *words("cat in > out; steps say done")]
    native = lab.native("cat in > out; steps say done")
    for outcome in ("miss", "hit"):
        run = lab.run(inner)
        assert (run.status, run.out, run.after.entries) == (native.status, native.out, native.after.entries)
        assert run.root.outcome == outcome
        lab.remove("out")
    lab.rewrite("in", "2\n")
    assert lab.run(inner).outcomes("cat") == ["miss"]
    assert lab.path("out").read_text() == "2\n"
