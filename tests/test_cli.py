"""The command line: what it takes, and what it says to what it cannot mean."""

from __future__ import annotations

import pytest

from procache import cli


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command line."""
    return (cli.main(list(words)), *capsys.readouterr())


@pytest.mark.parametrize("words", ["--help", "help", "run -h", "run -q --help", "run --help x"])
def test_help_is_given_wherever_it_is_asked_for(capsys: pytest.CaptureFixture[str], words: str) -> None:
    assert said(capsys, *words.split()) == (0, cli.USAGE, "")


def test_help_behind_the_command_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.parse_run(["--", "ls", "--help"]).command == [b"ls", b"--help"]
    assert not cli.parse_run(["ls", "--help"]).help


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("ls", "a command is run with `procache run -- COMMAND`"),
        ("lgo", "did you mean log?"),
        ("ru -- ls", "did you mean run?"),
        ("--cache-dir x log", "those of a verb stand behind it"),
        ("run --refesh -- ls", "did you mean --refresh?"),
        ("run -q", "run needs a command"),
        ("check ls", "procache check -- COMMAND"),
        ("explain ls -l", "a command stands after `--`"),
        ("explain ls x", "a command stands after `--`"),
        ("log -n -1", "is no number of runs"),
    ],
)
def test_what_cannot_be_meant_gets_a_hint(capsys: pytest.CaptureFixture[str], words: str, hint: str) -> None:
    status, out, err = said(capsys, *words.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert hint in err


def test_bytes_that_are_not_utf_8_are_shown_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'x\\xff'" in said(capsys, "x\udcff")[2]
