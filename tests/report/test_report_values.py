"""Values and texts in words that a person can use, and that no terminal obeys."""

from __future__ import annotations

import shlex
import subprocess
import time

import pytest

from procache.report import text, values

from .builder import differs

DIGEST = b"x" + bytes(range(0xA0, 0xB0))
OTHER = b"x" + bytes(range(0xC0, 0xD0))
STATE = [0o100644, 1000, 1000, 1234, 1, 1_800_000_000_123_456_789, DIGEST, [1, 2, 3]]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def changed(**fields: object) -> list[object]:
    """STATE with other fields, as a look at the file now gives it."""
    names = ("mode", "uid", "gid", "size", "nlink", "mtime", "digest")
    return [fields.get(name, value) for name, value in zip(names, STATE, strict=False)]


def test_of_two_states_only_what_differs_is_told() -> None:
    assert values.pair("content", STATE, changed(size=2_000_000, digest=OTHER)) == (
        "1.2 KiB, content a0a1a2a3a4a5",
        "1.9 MiB, content c0c1c2c3c4c5",
    )
    assert values.pair("meta", STATE, changed(mode=0o100750)) == ("file rw-r--r--", "file rwxr-x---")
    assert values.pair("meta", STATE, changed(uid=0)) == ("uid 1000", "uid 0")


def test_a_content_that_was_not_looked_at_is_not_a_difference() -> None:
    assert values.pair("content", STATE, changed(size=9, digest=b"")) == ("1.2 KiB", "9 B")


def test_times_are_local_iso() -> None:
    now = changed(mtime=1_800_000_001_000_000_000)
    assert values.pair("meta", STATE, now) == (
        "changed 2027-01-15T08:00:00.123456",
        "changed 2027-01-15T08:00:01.000000",
    )


def test_what_looks_alike_in_words_is_told_exactly() -> None:
    first, second = values.pair("content", changed(size=123_456_789), changed(size=123_456_790))
    assert first != second


@pytest.mark.parametrize(
    ("aspect", "value", "words"),
    [
        ("absent", 2, "absent (ENOENT: No such file or directory)"),
        ("content", "ENOENT", "absent (ENOENT: No such file or directory)"),
        ("type", 0o040000, "folder"),
        ("owner", [0o040750, 0, 5], "folder rwxr-x---, uid 0, gid 5"),
        ("writable", None, "absent"),
        ("writable", "not a regular file", "not a regular file"),
        ("target", b"../x\n", "../x\\n"),
        ("target", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("listing", DIGEST, "a0a1a2a3a4a5"),
        ("xattr", b"", "none"),
        ("fs", 0xEF53, "0xef53"),
        ("stream", [0, DIGEST], "a0a1a2a3a4a5 from byte 0"),
        ("environment", b"HOME=/root", "HOME=/root"),
        ("", "file, 12 bytes, 0123456789abcdef0123456789abcdef", "file, 12 bytes, 0123456789ab"),
        ("", {"size": 3, b"k": None}, "size 3, k nothing"),
        ("", True, "True"),
        ("", 1.5, "1.5"),
        ("", [1, "a", b"b"], "(1, a, b)"),
    ],
)
def test_values_in_words(aspect: str, value: object, words: str) -> None:
    assert values.words(aspect, value) == words


@pytest.mark.parametrize("value", [-1, 2**70, [], [2**70, 1, 1], [True, None, 3], {}, b"\xff" * 17, object, [[[]]]])
def test_no_value_is_too_odd(value: object) -> None:
    for aspect in (*values.ASPECTS, "", "unheard of"):
        assert isinstance(values.words(aspect, value), str)
        assert isinstance(values.explain(differs("/x", aspect, value, STATE)), str)


def test_a_reason_is_a_sentence_without_control_characters() -> None:
    why = differs("/work/a\x1b[31m\n", "absent", 2, STATE)
    sentence = values.explain(why)
    assert sentence.isprintable()
    assert sentence.startswith("/work/a\\x1b[31m\\n: existence differs (recorded absent (ENOENT")


def test_an_unknown_reason_is_still_told() -> None:
    assert "brand-new" in values.explain({"code": "brand-new", "path": b"/x"})
    assert isinstance(values.explain({}), str)


@pytest.mark.parametrize("argument", [b"plain", b"two words", b"it's", b"", b"a\nb", b"\xff'\\\x1b", "é".encode()])
def test_a_shown_argument_can_be_pasted_into_bash(argument: bytes) -> None:
    shown = text.argument(argument)
    assert shown.isprintable()
    echoed = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True)
    assert echoed.stdout == argument


def test_a_command_is_quoted_as_a_shell_takes_it() -> None:
    assert shlex.split(text.command([b"sh", b"-c", b"sort in > out; wc out"])) == [
        "sh",
        "-c",
        "sort in > out; wc out",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *(
            (None, "-"),
            (0.0, "0 ms"),
            (0.0001, "<1 ms"),
            (0.0072, "7 ms"),
            (0.41, "0.41 s"),
            (0.0994, "99 ms"),
        ),
        *((9.999, "10.0 s"), (99.94, "99.9 s"), (99.96, "1m40s"), (185, "3m05s"), (7800, "2h10m")),
    ],
)
def test_durations(value: float | None, words: str) -> None:
    assert text.seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(812, "812 B"), (1023, "1023 B"), (1234, "1.2 KiB"), (1 << 20, "1.0 MiB")]
)
def test_sizes(value: int, words: str) -> None:
    assert text.size(value) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (7, "7"), (-9, "SIGKILL"), (-64, "SIGRTMAX"), (-99, "signal 99")]
)
def test_statuses(number: int, words: str) -> None:
    assert text.status(number) == words
