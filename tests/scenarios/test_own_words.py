"""What procache says of itself costs the command nothing; a report that cannot be written says so."""

from __future__ import annotations

import signal

import pytest

from .lab import Lab

NOWHERE = ("2>&-", "2>/dev/full")
REPORTS = ("log", "show", "explain", "stats --json", "config show", "verify", "--help", "--version")


@pytest.mark.parametrize("stderr", NOWHERE)
def test_a_summary_that_cannot_be_written_is_lost(lab: Lab, stderr: str) -> None:
    lab.write("in", "b\na\n")
    for _ in range(2):
        run = lab.run(["sort", "in"], options=["-v"], around=f'"$@" {stderr}')
        assert (run.status, run.out, run.err) == (0, b"a\nb\n", b"")


@pytest.mark.parametrize("stderr", NOWHERE)
def test_the_command_runs_where_nothing_can_be_said_of_the_cache(lab: Lab, stderr: str) -> None:
    lab.write("plain")
    lab.env["PROCACHE_DIR"] = str(lab.path("plain"))
    run = lab.raw(["run", "--", "echo", "hi"], around=f'"$@" {stderr}')
    assert (run.status, run.out) == (0, b"hi\n")


def test_a_signal_is_passed_on_where_stdout_is_closed(lab: Lab) -> None:
    run = lab.run("kill -9 $$", around='"$@" >&-; exit $?')
    assert (run.status, run.err.count(b"Traceback")) == (128 + signal.SIGKILL, 0)


@pytest.mark.parametrize("verb", REPORTS)
@pytest.mark.parametrize(("stdout", "why"), [(">&-", b"no standard output"), (">/dev/full", b"No space left")])
def test_a_report_that_cannot_be_written_says_so(lab: Lab, verb: str, stdout: str, why: bytes) -> None:
    lab.run(["true"])
    said = lab.raw(verb.split(), around=f'"$@" {stdout}')
    assert said.status == 125
    assert said.err.startswith(b"procache: ") and said.err.count(b"\n") == 1 and why in said.err


@pytest.mark.parametrize(("verb", "status"), [("verify", 0), ("log", 0), ("clear", 2)])
def test_verbs_work_without_stdin_and_stderr(lab: Lab, verb: str, status: int) -> None:
    lab.run(["true"])
    said = lab.raw([verb], around='"$@" <&- 2>&-')
    assert (said.status, said.err) == (status, b"")


def test_a_command_that_cannot_be_executed_ends_its_run(lab: Lab) -> None:
    lab.script("lost", "#!/no/such/interpreter\n")
    assert lab.run(["./lost"]).status == 127
    assert lab.raw(["log"]).out.splitlines()[1].split()[3] == b"127"


def test_the_trace_log_tells_of_hits(lab: Lab) -> None:
    log = ["--log-file", str(lab.root / "log")]
    lab.write("in", "x\n")
    for script in ("sort in; echo 1", "sort in; echo 1", "sort in; echo 2"):
        lab.run(script, options=log)
    told = [line.split("event=")[1].split()[0] for line in (lab.root / "log").read_text().splitlines()]
    assert told == ["'miss'", "'miss'", "'hit'", "'hit'", "'miss'"]


def test_a_hit_needs_its_trace_log_too(lab: Lab) -> None:
    lab.run(["echo", "hi"])
    run = lab.run(["echo", "hi"], options=["--log-file", str(lab.path("none/log"))])
    assert (run.status, run.out) == (2, b"")
    assert b"cannot write the log file" in run.err
