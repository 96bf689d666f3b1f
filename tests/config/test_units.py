"""Sizes and ages as people write them."""

from __future__ import annotations

import pytest

from procache.config import units
from procache.config.settings import SETTINGS, Wrong, built_in, policy_of
from procache.model.policy import Policy

SIZES = {
    "0": 0,
    "17": 17,
    "12B": 12,
    "500M": 500 << 20,
    "10G": 10 << 30,
    "1.5k": 1536,
    "2 TiB": 2 << 40,
    "3gb": 3 << 30,
    " 4KB ": 4096,
}


@pytest.mark.parametrize(("text", "size"), SIZES.items())
def test_sizes(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1X", "1 2", "1GG", "ten", "1e9", "inf", "nan", "1..2", "5GiBs"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as 500M or 10G, not "):
        units.parse_size(text)


AGES = {"0s": 0, "90s": 90, "5m": 300, "12h": 43200, "1.5d": 129600, "30D": 2592000, "2w": 1209600}


@pytest.mark.parametrize(("text", "age"), AGES.items())
def test_ages(text: str, age: float) -> None:
    assert units.parse_age(text) == age


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1y", "1d2h", "infd", "1_0d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="an age such as 12h or 30d, not "):
        units.parse_age(text)


@pytest.mark.parametrize("name", ["max_size", "max_age", "max_journal_age"])
def test_a_limit_is_text_or_none(name: str) -> None:
    check = SETTINGS[name].kind.check
    assert check("none", "", "/") == "none"
    for raw in (5, True, ["5G"], "much"):
        with pytest.raises(Wrong, match="as text, or 'none'; not"):
            check(raw, "", "/")


def test_what_is_built_in_is_what_a_run_without_settings_has() -> None:
    made, plain = policy_of(built_in()), Policy()
    for name in ("max_size", "max_age", "max_journal_age"):
        assert getattr(made, name) == getattr(plain, name)


def test_limits_become_numbers() -> None:
    made = policy_of({**built_in(), "max_size": "1K", "max_age": "2h", "max_journal_age": "none"})
    assert (made.max_size, made.max_age, made.max_journal_age) == (1024, 7200.0, 0.0)
