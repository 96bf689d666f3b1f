"""Digests: two algorithms side by side, each named by its first letter."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procache import digests

thorough = settings(deadline=None, derandomize=True, database=None)

#: Of no bytes at all: the xxHash and BLAKE3 test vectors.
OF_NOTHING = {
    "xxh3": b"x99aa06d3014798d86001c324468d497f",
    "blake3": b"baf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
}
SIZES = [0, 1, 1000, digests.ONE_READ - 1, digests.ONE_READ, digests.ONE_READ + 1, 2 * digests.ONE_READ + 7]


@pytest.fixture(params=digests.NAMES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each algorithm in turn; in the end the usual one."""
    digests.use(request.param)
    yield request.param
    digests.use("xxh3")


def test_both_are_what_others_call_by_their_names(name: str) -> None:
    assert digests.hexadecimal(digests.of_bytes(b"")) == OF_NOTHING[name]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_has_the_digest_of_its_bytes(name: str, tmp_path: Path, size: int) -> None:
    content = (b"%d " % size * size)[:size]
    (tmp_path / "f").write_bytes(content)
    with (tmp_path / "f").open("rb") as file:
        digest = digests.of_descriptor(file.fileno())
        assert file.tell() == 0
        assert digests.descriptor_fits(digest, file.fileno())
    assert digest == digests.of_bytes(content)
    running = digests.Running()
    running.update(content[:5])
    running.update(content[5:])
    assert running.digest() == digest


@pytest.mark.parametrize(
    "filled",
    [
        [],
        [(0, 5)],
        [(3 << 20, 10)],
        [((9 << 20) - 3, 3)],
        [(0, 3 << 20), (5 << 20, 1 << 20), (8 << 20, 7)],
        [(2 << 20, 4096), (2 << 21, 5000)],
    ],
)
def test_holes_are_zeros_for_a_digest(name: str, tmp_path: Path, filled: list[tuple[int, int]]) -> None:
    content = bytearray(9 << 20)
    with (tmp_path / "f").open("w+b") as file:
        file.truncate(len(content))
        for start, size in filled:
            content[start : start + size] = os.urandom(size)
            os.pwrite(file.fileno(), content[start : start + size], start)
        assert digests.of_descriptor(file.fileno()) == digests.of_bytes(bytes(content))
        assert file.tell() == 0


def test_a_file_that_does_not_tell_its_size_is_read_to_its_end(tmp_path: Path) -> None:
    with open("/proc/kallsyms", "rb") as file:
        content = file.read()
        if len(content) <= 2 * digests.ONE_READ:
            pytest.skip("a short list of kernel symbols")
        assert digests.of_descriptor(file.fileno()) == digests.of_bytes(content)


def test_those_of_the_other_algorithm_are_checked_all_the_same(name: str) -> None:
    digest = digests.of_bytes(b"content")
    for other in digests.NAMES:
        digests.use(other)
        assert digests.fits(digest, b"content")
        assert not digests.fits(digest, b"CONTENT")
    assert len(digest) == digests.LENGTHS[name[:1].encode()]


def test_an_algorithm_that_nobody_knows_is_refused() -> None:
    with pytest.raises(digests.Unknown, match="no algorithm"):
        digests.fits(b"y" + bytes(16), b"content")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_known", {b"x": digests.XXH3})
    monkeypatch.setitem(sys.modules, "blake3", None)
    with pytest.raises(digests.Unknown, match=r"procache\[blake3\]"):
        digests.use("blake3")
    assert digests.of_bytes(b"")[:1] == b"x"


@thorough
@given(st.sampled_from(sorted(digests.LENGTHS)), st.binary(max_size=40))
def test_a_digest_comes_back_from_its_name(letter: bytes, rest: bytes) -> None:
    digest = letter + rest
    known = len(digest) == digests.LENGTHS[letter]
    assert digests.is_digest(digest) == known
    assert digests.parsed(digests.hexadecimal(digest)) == (digest if known else None)


@thorough
@given(st.binary(max_size=70))
def test_any_other_name_is_none_of_a_digest(name: bytes) -> None:
    found = digests.parsed(name)
    assert found is None or digests.hexadecimal(found) == name


@pytest.mark.parametrize("name", [b"", b"x", b"x" + b"0" * 31, b"x" + b"A" * 32, b"x" + b" 0" * 16, b"b" + b"0" * 32])
def test_what_only_looks_like_the_name_of_a_digest(name: bytes) -> None:
    assert digests.parsed(name) is None


def test_what_is_no_bytes_is_no_digest() -> None:
    assert not digests.is_digest("x" * 17)
    assert not digests.is_digest(None)
    assert digests.is_digest(b"x" + os.urandom(16))
