"""Which arguments are shown as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from procache.model import redaction
from procache.model.redaction import shown

CASES = {
    "curl --password=x https://h": "curl --password=*** https://h",
    "curl --password x https://h": "curl --password *** https://h",
    "tool -token x": "tool -token ***",
    "tool --db-password=x --Api_Key y": "tool --db-password=*** --Api_Key ***",
    "env AWS_SECRET_ACCESS_KEY=x PATH=z make": "env AWS_SECRET_ACCESS_KEY=*** PATH=z make",
    "tool --token --verbose x": "tool --token --verbose x",
    "tool --token": "tool --token",
    "tool --tokenizer=fast --key=3 password": "tool --tokenizer=fast --key=3 password",
    "tool --password=": "tool --password=***",
    "tool a=b --x=--password=y": "tool a=b --x=--password=y",
}


@pytest.mark.parametrize("line", CASES)
def test_values_of_such_options_are_hidden(line: str) -> None:
    assert b" ".join(shown(line.encode().split(b" "))).decode() == CASES[line]


def test_the_words_of_a_script_are_looked_at_too() -> None:
    script = b"curl --token x > out; DB_PASSWORD=y psql"
    assert shown([b"sh", b"-c", script]) == (b"sh", b"-c", b"curl --token *** > out; DB_PASSWORD=*** psql")


SCRIPTS = {
    b"set -e\nexport PASSWORD=x\nmake": b"set -e\nexport PASSWORD=***\nmake",
    b"curl --token\tx": b"curl --token\t***",
    b"curl --token  x": b"curl --token  ***",
    b"mysql --password='one two' db": b"mysql --password=*** db",
    b'mysql --password "one two" db': b"mysql --password *** db",
    b"cd d;TOKEN=x make": b"cd d;TOKEN=*** make",
    b"(TOKEN=x make)": b"(TOKEN=*** make)",
    b"sh -c 'TOKEN=x make'": b"sh -c 'TOKEN=***",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_cut_as_a_shell_does(script: bytes) -> None:
    assert shown([b"sh", b"-c", script]) == (b"sh", b"-c", SCRIPTS[script])


def test_arguments_without_secrets_are_as_they_were() -> None:
    argv = (b"", b"a  b", b" ", b"\xff=\xff", b"-", b"--", b"=x", b"a\nb c")
    assert shown(argv) == argv


@pytest.fixture
def restored() -> Iterator[None]:
    """The names of before are used again."""
    yield
    redaction.use(redaction.DEFAULT)


def test_other_names(restored: None) -> None:
    redaction.use(frozenset((b"pin",)))
    assert shown([b"x", b"--pin", b"1", b"--password", b"y"]) == (b"x", b"--pin", b"***", b"--password", b"y")
