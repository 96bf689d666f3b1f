"""In a terminal: the keys that send signals, stopping and going on, and who is told that there is one."""

from __future__ import annotations

import pytest

from .lab import PREFIX, Lab, wait_for, words
from .survivors import all_stopped, gone
from .terminal import Terminal, interrupted_by, watch

QUIET = [*PREFIX, "run", "-q", "--"]


@pytest.mark.parametrize("key", [b"\x03", b"\x1c"], ids=["control-c", "control-backslash"])
@pytest.mark.parametrize("script", ["exec hang {}", "hang {}; echo $?"])
def test_a_key_that_ends_the_command(lab: Lab, marker: str, key: bytes, script: str) -> None:
    saved = lab.save()
    native = interrupted_by(lab, words(script.format(marker)), key)
    lab.restore(saved)
    assert interrupted_by(lab, [*QUIET, *words(script.format(marker))], key) == native
    assert native in ("ended -2", "ended -3")
    assert gone(marker)


def stop_and_go(lab: Lab, argv: list[str | bytes], marker: str) -> list[str]:
    """Control-Z, a look at the processes, on again, twice; then the command may end."""
    terminal = Terminal(lab, argv)
    wait_for(lab.path("ready"))
    events = []
    for _ in range(2):
        terminal.press(b"\x1a")
        events.append(terminal.event())
        events.append("all stopped" if all_stopped(marker) else "some are running")
        terminal.go_on()
    lab.write("go")
    events.append(terminal.event())
    terminal.close()
    return events


@pytest.mark.parametrize("script", ["exec hang {}", "hang {}; exit 6", "(hang {}; exit 7) & wait $!"])
def test_stopping_and_going_on(lab: Lab, marker: str, script: str) -> None:
    saved = lab.save()
    native = stop_and_go(lab, words(script.format(marker)), marker)
    lab.restore(saved)
    assert stop_and_go(lab, [*QUIET, *words(script.format(marker))], marker) == native
    assert native[:4] == ["stopped", "all stopped"] * 2


def test_a_terminal_is_seen_as_one(lab: Lab) -> None:
    """A result that was made for a pipe is not shown in a terminal, nor the other way round."""
    assert b"terminals 000" in lab.both(["state"]).out
    native = watch(lab, ["state"])
    assert b"terminals 111" in native[1]
    for _ in range(2):
        assert watch(lab, [*QUIET, "state"]) == native
    assert b"terminals 000" in lab.both(["state"]).out


def test_a_hit_is_shown_in_a_terminal(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = words("steps cat in complain err say out; exit 3")
    native = watch(lab, cmd)
    assert native[0] == "ended 3"
    for _ in range(2):
        assert watch(lab, [*QUIET, *cmd]) == native
    lab.rewrite("in", "2\n")
    assert watch(lab, [*QUIET, *cmd]) == watch(lab, cmd) != native


def test_a_terminal_that_is_read_is_never_an_input(lab: Lab) -> None:
    def typed(argv: list[str | bytes], text: bytes) -> tuple[str, bytes]:
        terminal = Terminal(lab, argv)
        terminal.press(text)
        event = terminal.event()
        return event, terminal.close()

    cmd = words("read x; echo got $x > out")
    for text in (b"one\n", b"two\n", b"two\n"):
        assert typed([*QUIET, *cmd], text)[0] == "ended 0"
        assert lab.path("out").read_bytes() == b"got " + text


def test_the_summary_is_shown_in_a_terminal(lab: Lab) -> None:
    for word in (b"1 run", b"1 hit"):
        event, shown = watch(lab, [*PREFIX, "run", "--", "true"])
        assert event == "ended 0"
        assert shown.startswith(b"procache: 1 execution") and word in shown
