"""The file of totals: many processes append at once, somebody puts it in order, nothing is lost or counted twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procache.store import locks, tally, usage
from procache.store.layout import Layout

from .conftest import at_once


def counts(layout: Layout) -> tuple[int, int, int, int]:
    """Runs, hits, misses, uncacheable."""
    sums = tally.read(layout)
    return sums.runs, sums.hit, sums.miss, sums.uncacheable


def test_what_was_never_written_is_zero(layout: Layout) -> None:
    assert counts(layout) == (0, 0, 0, 0)
    assert (tally.read(layout).entries, tally.read(layout).measured) == (0, 0.0)


def test_entries_add_up(layout: Layout) -> None:
    usage.append(layout, (1, 2, 3, 4), 1.5, 1000)
    length = usage.append(layout, (1, 1, 0, 0), 0.25, damaged=2)
    sums = tally.read(layout)
    assert counts(layout) == (2, 3, 3, 4)
    assert (sums.saved, sums.added, sums.damaged) == (1.75, 1000, 2)
    assert length == 2 * usage.SIZE == os.stat(layout.usage).st_size
    assert os.stat(layout.usage).st_mode & 0o777 == 0o600


def test_many_processes_append_while_it_is_put_in_order(layout: Layout) -> None:
    def append() -> None:
        for _ in range(200):
            assert usage.append(layout, (1, 2, 0, 1), 0.5, 10)

    def settle() -> None:
        for _ in range(100):
            tally.settle(layout, 0, tally.end(layout), evicted=False)

    at_once(*[append] * 6, settle)
    assert counts(layout) == (1200, 2400, 0, 1200)
    assert tally.read(layout).saved == 600.0
    assert tally.read(layout).lost == 0


def test_what_is_added_during_a_measurement_counts_after_it(layout: Layout) -> None:
    usage.append(layout, usage.NO_RUN, added=1000)
    since = tally.end(layout)
    usage.append(layout, usage.NO_RUN, added=50)
    tally.settle(layout, 700, since, evicted=True)
    sums = tally.read(layout)
    assert (sums.size, sums.added, sums.evicting) == (700, 50, False)
    assert sums.evicted == sums.measured > 0


def test_putting_it_in_order_changes_no_sum(layout: Layout) -> None:
    tally.settle(layout, 300, 0, evicted=True)
    for number in range(50):
        usage.append(layout, (1, number, 1, 0), 0.125, number, damaged=number % 2)
    tally.begin_eviction(layout)
    before = tally.read(layout)
    tally.compact(layout)
    after = tally.read(layout)
    assert after.entries < 6
    for name in ("runs", "hit", "miss", "saved", "damaged", "size", "added", "measured", "evicted", "evicting"):
        assert getattr(before, name) == getattr(after, name), name


def test_an_eviction_that_began_and_did_not_end_is_known(layout: Layout) -> None:
    tally.begin_eviction(layout)
    assert tally.read(layout).evicting
    tally.settle(layout, 0, 0, evicted=False)
    assert not tally.read(layout).evicting


@pytest.mark.parametrize("cut", range(1, usage.SIZE))
def test_a_torn_entry_costs_itself_only(layout: Layout, cut: int) -> None:
    usage.append(layout, (1, 1, 1, 1))
    with open(layout.usage, "ab") as file:
        file.write(usage.pack(usage.ADD, 5.0, (100, 100, 100, 100))[:cut])
    usage.append(layout, (1, 1, 1, 1))
    assert counts(layout) == (2, 2, 2, 2)
    assert tally.read(layout).lost == cut


@pytest.mark.parametrize("at", range(usage.SIZE))
def test_a_flipped_byte_is_found(layout: Layout, at: int) -> None:
    usage.append(layout, (1, 1, 1, 1), 2.0, 3, 4)
    usage.append(layout, (1, 1, 1, 1), 2.0, 3, 4)
    path = Path(os.fsdecode(layout.usage))
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    assert tally.read(layout).entries == 1


def test_a_store_that_cannot_be_written_to_costs_nothing_but_the_entry(layout: Layout) -> None:
    os.mkdir(layout.usage)
    assert usage.append(layout, (1, 1, 1, 1)) == 0
    assert counts(layout) == (0, 0, 0, 0)


def test_a_lock_that_is_not_let_go_is_not_waited_for(layout: Layout) -> None:
    usage.append(layout, (1, 0, 0, 0))
    held = os.open(layout.usage, os.O_RDWR)
    assert locks.hold(held, locks.EXCLUSIVE)
    assert usage.append(layout, (1, 0, 0, 0))
    os.close(held)
    assert counts(layout) == (2, 0, 0, 0)


def test_without_locks_it_works_as_well(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(38, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    usage.append(layout, (1, 2, 3, 4))
    tally.settle(layout, 10, tally.end(layout), evicted=False)
    usage.append(layout, (1, 2, 3, 4), added=5)
    assert counts(layout) == (2, 4, 6, 8)
    assert (tally.read(layout).size, tally.read(layout).added) == (10, 5)


def test_a_new_store_is_taken_for_seen_to_and_an_old_one_is_not(layout: Layout) -> None:
    assert not usage.neglected(layout)
    assert not usage.neglected(layout)
    os.utime(layout.gc, (1e9, 1e9))
    assert usage.neglected(layout)


def test_a_store_that_cannot_be_read_any_more_is_not_seen_to(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: bytes) -> os.stat_result:
        raise PermissionError(13, "made to fail")

    monkeypatch.setattr(os, "stat", refuse)
    assert not usage.neglected(layout)
