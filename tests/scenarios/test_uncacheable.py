"""What must never be skipped, nor what contains it; and what only seems to be of that kind."""

from __future__ import annotations

import socket

import pytest

from .lab import Lab, steps


def never_skipped(lab: Lab, script: str, job: str, code: str) -> None:
    """Run twice from one state: the job and the shell around it run both times, for the given reason."""
    lab.write("in", "1\n")
    fresh = lab.save()
    for _ in range(2):
        lab.restore(fresh)
        run = lab.both(f"{script}; steps cat in")
        assert run.outcomes(job) == ["uncacheable"], run.executions
        assert code in run.of(job)[0].codes(), run.of(job)
        assert run.root.outcome == "uncacheable"
        assert {"child", code} & run.root.codes(), run.root
    assert run.outcomes("steps cat") == ["hit"], "a sibling is not concerned"


@pytest.mark.parametrize(
    ("script", "job"),
    [
        ("date > /dev/null", "date"),
        ("x=$(mktemp); rm $x", "mktemp"),
        ("sh -c 'date +%Y'", "date"),
        ("env date +%Y > out", "date"),
    ],
)
def test_programs_whose_point_is_to_differ(lab: Lab, script: str, job: str) -> None:
    never_skipped(lab, script, job, "never-cache")


def test_the_ancestors_of_what_is_never_cached(lab: Lab) -> None:
    for _ in range(2):
        run = lab.both("sh -c 'sh -c \"date +%Y; true\"; true'; steps say x")
        assert {execution.outcome for execution in run.of("sh")} == {"uncacheable"}


def test_the_network(lab: Lab) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, and nobody listens: refused for certain
        port = bound.getsockname()[1]
        never_skipped(lab, f"steps connect {port} > out", "steps connect", "network")


def test_a_socket_that_somebody_listens_on(lab: Lab) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(lab.root / "server"))
        server.listen()
        never_skipped(lab, f"steps unixconnect {lab.root}/server > out", "steps unixconnect", "socket")


def test_a_socket_that_is_missing_is_only_a_missing_file(lab: Lab) -> None:
    cmd = steps("unixconnect /var/run/no/such/socket")
    assert b"ENOENT" in lab.both(cmd).out
    assert lab.both(cmd).root.outcome == "hit"


@pytest.mark.parametrize("cmd", ["ls -l", "id -un", "getent passwd root", "ls -ln /dev/null"])
def test_the_user_database_is_no_network(lab: Lab, cmd: str) -> None:
    """glibc tries the socket of nscd, which is not there."""
    lab.write("in", "1\n")
    assert lab.both(cmd.split()).root.outcome == "miss"
    assert lab.both(cmd.split()).root.outcome == "hit"


def test_ptrace(lab: Lab) -> None:
    never_skipped(lab, "steps ptrace > out", "steps ptrace", "ptrace")


def test_a_part_of_a_pipe(lab: Lab) -> None:
    """How much one read gives is chance where the writer has not ended."""
    lab.write("in", "c\na\nb\n")
    script = "cat in | (head -c 2 > out; cat > rest)"
    first = lab.both(script)
    assert first.outcomes("head") == ["uncacheable"]
    assert first.of("head")[0].codes() == {"pipe-unended"}
    assert first.outcomes("cat") == ["miss"] * 2
    assert lab.both(f"{script} # another text").outcomes("head") == ["uncacheable"]
    lab.rewrite("in", "c\na\nB\n")
    assert lab.both(script).root.outcome == "miss"


def test_a_pipe_from_the_outside_read_below_the_command(lab: Lab) -> None:
    for text in (b"1\n", b"2\n"):
        run = lab.both("steps say x; cat; true", stdin=text)
        assert run.outcomes("cat") == ["miss"]
    for text in (b"1\n", b"2\n"):
        lab.both("steps say x; cat; true", stdin=text)


def test_a_program_that_dies_by_a_signal(lab: Lab) -> None:
    for number in "12":
        run = lab.both(f"steps open out wct write x kill 9; echo $? {number}")
        assert run.outcomes("steps") == ["uncacheable"]
        assert "signal" in run.of("steps")[0].codes()


def test_harmless_devices(lab: Lab) -> None:
    """Harmless devices do not disturb; what they give is as it is natively, the first time and later."""
    zero, null, random = (
        "head -c 4 /dev/zero",
        "echo x > /dev/null; cat /dev/null",
        "head -c 4 /dev/urandom | wc -c",
    )
    for cmd in (zero, null, random):
        lab.both(cmd)
        lab.both(cmd)


def test_files_that_change_by_themselves(lab: Lab) -> None:
    for name in ("uptime", "loadavg"):
        outcomes = [lab.run(["cat", f"/proc/{name}"]).root.outcome for _ in range(2)]
        assert outcomes == ["uncacheable"] * 2, name


def test_stable_files_of_proc(lab: Lab) -> None:
    for name in ("/proc/version", "/proc/sys/kernel/hostname", "/proc/sys/kernel/pid_max"):
        assert lab.both(["cat", name]).root.outcome == "miss"
        assert lab.both(["cat", name]).root.outcome == "hit"


def test_a_file_that_cannot_be_made_now_may_be_made_later(lab: Lab) -> None:
    lab.write("in", "1\n")
    for _ in range(2):
        run = lab.both("ulimit -n 3; cat in > out")
        assert not lab.path("out").exists()
        assert run.root.outcome == "uncacheable"
        assert "failed-change" in run.root.codes(), run.root
    assert lab.both("cat in > out").root.outcome == "miss"
