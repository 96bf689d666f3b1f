"""Commands and their keys, and the closed list of reasons with its words."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from procache.model import aspects, effects
from procache.model.command import EnvTable
from procache.model.policy import Policy
from procache.model.reasons import MISSES, TAINTS, WORDS, printable, reason, sentence

from .machine import command

PACKAGE = Path(__file__).resolve().parents[2] / "procache"

OTHERS: dict[str, dict[str, Any]] = {
    "arguments": {"argv": (b"prog", b"x")},
    "the name it was called by": {"argv": (b"other",)},
    "an empty argument": {"argv": (b"/bin/prog", b"")},
    "working folder": {"cwd": b"/tmp"},
    "environment": {"env": EnvTable((b"A=1",), b"other")},
    "stdin": {"streams": (b"pipe", b"pipe", b"pipe")},
    "stderr": {"streams": (b"null", b"pipe", b"terminal")},
    "inherited state": {"hidden": (b"0077",)},
    "attributes": {"attributes": b"y"},
}


def test_every_field_is_part_of_the_key() -> None:
    keys = {command().key, command(b"/usr/bin/prog").key, *(command(**fields).key for fields in OTHERS.values())}
    assert len(keys) == 2 + len(OTHERS)


def test_equal_commands_have_equal_keys() -> None:
    assert command().key == command().key


def test_fields_cannot_run_into_each_other() -> None:
    splits = [(b"p", b"a b"), (b"p", b"a", b"b"), (b"p", b"a", b"b", b""), (b"p", b"", b"a", b"b"), (b"p a", b"b")]
    assert len({command(argv=argv).key for argv in splits}) == len(splits)
    moved = [
        command(streams=(b"a", b"b", b"c"), hidden=(b"d",), argv=(b"e",)),
        command(streams=(b"a", b"b"), hidden=(b"c", b"d"), argv=(b"e",)),
        command(streams=(b"a", b"b", b"c"), hidden=(b"d", b"e"), argv=()),
    ]
    assert len({one.key for one in moved}) == 3


def test_the_program_is_the_base_name() -> None:
    assert command(b"/usr/bin/make").program == b"make"


def test_values_of_the_environment_are_not_among_the_stored_fields() -> None:
    env = EnvTable((b"PASSWORD=sesame",), b"digest")
    assert b"sesame" not in repr((command(env=env).fields(), env.names())).encode()
    assert env.names()[0][0] == b"PASSWORD"


# -- reasons ---------------------------------------------------------------------------------------


def used() -> set[str]:
    """Every code that the source gives to a function that makes or passes on a reason."""
    found = set()
    for path in set(PACKAGE.rglob("*.py")) - {PACKAGE / "model" / "reasons.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                found |= {
                    word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
                }
            if isinstance(node, ast.Dict):
                found |= {
                    key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
    return found


def test_every_reason_in_the_list_is_used() -> None:
    assert set(WORDS) - used() == set()


def test_no_code_is_both_a_miss_and_a_taint() -> None:
    assert not set(MISSES) & set(TAINTS)


def test_a_misspelt_code_fails_where_it_is_made() -> None:
    with pytest.raises(KeyError):
        reason("fact-difers")


@pytest.mark.parametrize("code", WORDS)
def test_every_reason_has_words(code: str) -> None:
    fields = {"path": b"/some/\xff", "aspect": "content", "recorded": (1, b"x"), "current": None, "detail": "D"}
    text = sentence(reason(code, **fields))
    assert text == text.strip()
    assert "{" not in text
    assert ("/some/" in text) == ("{path}" in WORDS[code])
    assert sentence({"code": code}), "fields may be missing in an old journal"


@pytest.mark.parametrize("why", [{}, {"code": "of a later version", "detail": 5}, {"code": None}])
def test_a_reason_that_is_not_known_has_words_too(why: dict[str, Any]) -> None:
    assert isinstance(sentence(why), str)


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"/a", "/a"), (b"\xff", "\\udcff"), ((1, b"x"), "(1, x)"), (None, "nothing"), (5, "5"), ([], "()")],
)
def test_values_as_text(value: object, text: str) -> None:
    assert printable(value) == text


def test_vocabularies_have_names_for_every_number() -> None:
    for module in (aspects, effects):
        numbers = {value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}
        assert set(module.NAMES) <= numbers
        assert len(set(module.NAMES.values())) == len(module.NAMES)


def test_the_order_of_the_environment_counts_for_one_name_only() -> None:
    counted = Policy().counted
    assert counted((b"A=2", b"B=1", b"A=1")) == counted((b"B=1", b"A=2", b"A=1"))
    assert counted((b"A=2", b"A=1")) != counted((b"A=1", b"A=2"))
