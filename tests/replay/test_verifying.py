"""Choosing what is verified, and where two contents differ."""

from __future__ import annotations

import pytest
from model.fake import FakeWorld
from model.hands import FakeHands
from model.machine import Machine
from model.records import make_record

from procache.model.policy import Policy
from procache.verify import Verify, chosen, first_difference


def share(percent: float, *, resume: bool = False) -> float:
    """How many of many hits are chosen."""
    policy = Policy()
    policy.verify, policy.resume = percent, resume
    return sum(chosen(policy) for _ in range(2000)) / 2000


def test_so_many_of_a_hundred_are_chosen() -> None:
    assert [share(0), share(100), share(100, resume=True)] == [0, 1, 0]
    assert 0.05 < share(10) < 0.2
    assert 0.8 < share(90) < 0.95


def test_below_what_is_verified_everything_is() -> None:
    world = FakeWorld()
    machine = Machine(world, FakeHands(world))
    verify = Verify(Policy(), None, None, None, None)  # type: ignore[arg-type]
    top = machine.start()
    inner = machine.start(machine.start(top))
    assert not verify.chooses(inner)
    top.expected = make_record()
    assert verify.chooses(inner)


SAME = [b"", b"abc", b"abc" * 1000]


@pytest.mark.parametrize("content", SAME)
@pytest.mark.parametrize("pieces", [1, 2, 7, 5000])
def test_equal_contents_in_other_pieces(content: bytes, pieces: int) -> None:
    cut = [content[at : at + pieces] for at in range(0, len(content), pieces)]
    assert first_difference(iter([content] if content else []), iter(cut)) is None


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_first_byte_that_differs(size: int) -> None:
    old = b"x" * 50
    for at in (0, 1, 24, 49):
        new = old[:at] + b"y" + old[at + 1 :]
        cut = (new[start : start + size] for start in range(0, 50, size))
        assert first_difference(iter([old[:7], old[7:]]), cut) == f"byte {at} differs (recorded 0x78, now 0x79)"


def test_one_that_ends_before_the_other() -> None:
    assert first_difference(iter([b"ab", b"c"]), iter([b"ab"])) == "from byte 2 on there is nothing any more"
    assert first_difference(iter([b"ab"]), iter([b"ab", b"c"])) == "from byte 2 on there is more than recorded"
