"""A limit on waiting for what outlives the command: procache ends before it, and it goes on as without procache."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .lab import PREFIX, Lab, wait_for, words
from .results import How
from .survivors import gone
from .terminal import interrupted_by
from .test_terminal import stop_and_go

FOREVER = 60  # seconds that no test takes


@pytest.fixture(autouse=True)
def limited(lab: Lab) -> None:
    """Nobody is waited for."""
    lab.env["PROCACHE_FOLLOW_DAEMONS"] = "0"


def test_a_daemon_goes_on_and_procache_does_not_wait(lab: Lab) -> None:
    lab.env["PROCACHE_FOLLOW_DAEMONS"] = "0.01"
    for _ in range(2):
        run = lab.run("daemon out; echo next; exit 3")
        assert (run.status, run.out) == (3, b"left behind\nnext\n")
        assert not lab.path("out").exists()
        assert run.root.outcome == "uncacheable"
        assert "left-behind" in run.root.codes()
        wait_for(lab.path("out"))
        assert lab.path("out").read_text() == "by the daemon\n"
        lab.remove("out")


def test_a_daemon_that_is_quick_enough_is_followed(lab: Lab) -> None:
    lab.env["PROCACHE_FOLLOW_DAEMONS"] = str(FOREVER)
    for outcome in ("miss", "hit"):
        started = time.monotonic()
        run = lab.run("daemon out; echo next")
        assert (run.root.outcome, lab.path("out").read_text()) == (outcome, "by the daemon\n")
        assert time.monotonic() - started < FOREVER
        lab.remove("out")


def test_what_goes_on_can_start_programs_and_write(lab: Lab, marker: str) -> None:
    work = "sleep 0.3; cat in > out; ls > list; mkdir d; sh -c 'echo last > d/last'"
    lab.write("in", "text\n")
    run = lab.run(["sh", "-c", f"(: {marker}; {work}) > /dev/null 2>&1 < /dev/null & echo first"])
    assert (run.status, run.out) == (0, b"first\n")
    wait_for(lab.path("d/last"))
    assert lab.path("out").read_text() == "text\n"
    assert gone(marker)
    assert lab.run("echo later").root.outcome == "miss"


def test_a_reader_of_the_output_sees_its_end(lab: Lab, marker: str) -> None:
    """What stays behind holds neither the output nor a further descriptor open."""
    lab.env["PROCACHE_FOLLOW_DAEMONS"] = "0.01"
    around = '{ "$@" 3>&1 >&2 | cat; }; echo > over'
    script = f"(sleep {FOREVER}; : {marker}) > /dev/null 2>&1 3>&- < /dev/null & echo one >&3"
    run = lab.run(["sh", "-c", script], around=around)
    assert run.out == b"one\n"
    assert lab.path("over").exists()


@pytest.mark.parametrize("command", ["exit 7", "kill -TERM $$", "kill -9 $$", "no-such-program", "sort -c in"])
def test_how_a_command_ends_is_the_same(lab: Lab, command: str) -> None:
    lab.write("in", "b\na\n")
    lab.both(command)
    lab.both(command)


def test_a_command_that_is_not_there(lab: Lab) -> None:
    assert lab.raw(["run", "--", "no-such-program"]).status == 127
    lab.write("bad", "#!/no/such/interpreter\n", 0o755)
    said = lab.raw(["run", "--", "./bad"])
    assert (said.status, said.err) == (127, b"procache: ./bad: no such file or directory\n")


def test_a_hit_needs_no_tracer(lab: Lab) -> None:
    lab.both("echo x")
    assert lab.run("echo x").root.outcome == "hit"


def test_a_signal_that_is_sent_to_procache_reaches_the_command(lab: Lab, marker: str) -> None:
    script = f"trap 'echo caught; exit 5' TERM; echo > ready; while :; do sleep 0.05; done # {marker}"
    process = lab.start([*PREFIX, "run", "--", "sh", "-c", script], How())
    wait_for(lab.path("ready"))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=FOREVER)
    assert (process.returncode, out) == (5, b"caught\n")
    assert gone(marker)


@pytest.mark.parametrize("followed", ["0", "inf"])
def test_a_signal_to_the_whole_group_is_had_once(lab: Lab, followed: str) -> None:
    """The command has it from the sender: neither process of procache is to send it again."""
    lab.env["PROCACHE_FOLLOW_DAEMONS"] = followed
    script = "trap 'echo caught' TERM; echo > ready; for _ in 1 2 3 4 5 6 7 8 9 0; do sleep 0.1; done; exit 5"
    process = lab.start([*PREFIX, "run", "--", "sh", "-c", script], How())
    wait_for(lab.path("ready"))
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=FOREVER)
    assert (process.returncode, out) == (5, b"caught\n")


def test_a_killed_procache_takes_the_command_along(lab: Lab, marker: str) -> None:
    process = lab.start([*PREFIX, "run", "--", "sh", "-c", f"echo > ready; sleep {FOREVER}; : {marker}"], How())
    wait_for(lab.path("ready"))
    process.kill()
    process.communicate(timeout=FOREVER)
    assert gone(marker)


@pytest.mark.parametrize("script", ["exec hang {}", "(hang {}; exit 7) & wait $!"])
def test_stopping_and_going_on(lab: Lab, marker: str, script: str) -> None:
    saved = lab.save()
    native = stop_and_go(lab, words(script.format(marker)), marker)
    lab.restore(saved)
    assert stop_and_go(lab, [*PREFIX, "run", "-q", "--", *words(script.format(marker))], marker) == native
    assert native[:4] == ["stopped", "all stopped"] * 2


@pytest.mark.parametrize("key, event", [(b"\x03", "ended -2"), (b"\x1c", "ended -3")])
def test_a_key_that_ends_the_command(lab: Lab, marker: str, key: bytes, event: str) -> None:
    assert interrupted_by(lab, [*PREFIX, "run", "-q", "--", "hang", marker], key) == event
    assert gone(marker)
