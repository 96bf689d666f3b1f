"""The scenarios can fail: a cacher that looks at arguments and folder only is caught by each kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from . import lab as module
from .cycle import cycle
from .lab import Lab, same, steps

WRONG = Path(__file__).parents[1] / "common" / "wrong_cacher.py"


@pytest.fixture
def wrong(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab in which the wrong cacher stands in for procache."""
    monkeypatch.setattr(module, "PREFIX", [sys.executable, str(WRONG)])
    lab.write("in", "1\n")
    return lab


CAUGHT: dict[str, tuple[str, Callable[[Lab], object]]] = {
    "content": ("cat in", lambda lab: lab.rewrite("in", "2\n")),
    "listing": ("ls .", lambda lab: lab.write("new")),
    "missing file": ("access none", lambda lab: lab.write("none")),
    "environment": ("env COLOUR", lambda lab: lab.env.update(COLOUR="red")),
    "mode": ("stat in", lambda lab: lab.path("in").chmod(0o600)),
    "output": ("cat in open out wct write x cat in", lambda lab: lab.rewrite("in", "3\n")),
}


@pytest.mark.parametrize("kind", CAUGHT)
def test_a_stale_hit_is_caught(wrong: Lab, kind: str) -> None:
    text, change = CAUGHT[kind]
    with pytest.raises(AssertionError, match="not the same as a native run"):
        cycle(wrong, steps(text), change=lambda: change(wrong))


def test_a_missing_effect_is_caught(wrong: Lab) -> None:
    with pytest.raises(AssertionError, match="not the same as a native run"):
        cycle(wrong, steps("unlink in"), change=lambda: wrong.rewrite("in", "2\n"))


def test_a_change_without_influence_is_a_mistake_of_the_test(wrong: Lab) -> None:
    with pytest.raises(AssertionError, match="the change has no influence"):
        cycle(wrong, steps("say x"), change=lambda: wrong.write("in", "2\n"))


def test_a_hit_that_is_forbidden_is_caught(wrong: Lab) -> None:
    with pytest.raises(AssertionError, match="expected uncacheable"):
        cycle(wrong, steps("cat in"), hit=False, change=lambda: wrong.rewrite("in", "2\n"))


def test_a_difference_is_told(lab: Lab) -> None:
    lab.write("in", "1\n")
    one, other = (
        lab.native(steps("cat in open x wct")),
        lab.native(steps("cat in say more open x wc chmod 600 x")),
    )
    with pytest.raises(AssertionError, match=r"(?s)out: expected .*more.*'x': expected Entry.*0o600"):
        same(one, other)


def test_the_folder_is_as_it_was_after_a_native_run(lab: Lab) -> None:
    lab.write("a/in", "1\n")
    lab.path("a/link").symlink_to("in")
    lab.path("a/hard").hardlink_to(lab.path("a/in"))
    before = lab._look()
    lab.native("rm a/link; echo x > a/in; mkdir b; chmod 700 a; mv a c")
    assert lab._look() == before
