"""Eviction: what was not used for longest goes, as much as is needed, and nothing that somebody is about to use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from common.filling import DAY, blob_path, has_blob, has_record, key_of, put, record

from procache.store import choice, files, gc, locks, pins, scan, tally, usage
from procache.store.choice import Limits
from procache.store.layout import Layout

from .conftest import at_once


def content_of(number: int) -> bytes:
    """What cannot be compressed, two blocks long."""
    return b"%05d" % number + os.urandom(8000)


def fill(layout: Layout, number: int, step: float = 3600.0) -> list[bytes]:
    """So many records with a blob each, the first one used last; returns the contents."""
    contents = [content_of(at) for at in range(number)]
    for at, content in enumerate(contents):
        put(layout, key_of(at), record(content), content, age=at * step)
    return contents


def size_of(layout: Layout) -> int:
    """Bytes of records, blobs and journals."""
    return sum(entry.size for entry in scan.entries(layout))


def journal(layout: Layout, name: str, age: float = 0.0) -> Path:
    """A journal that was written so long ago."""
    path = Path(os.fsdecode(layout.runs)) / f"{name}.journal"
    path.write_bytes(b"x" * 100)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_within_its_limits_nothing_goes(layout: Layout) -> None:
    fill(layout, 5)
    figures = gc.collect(layout, Limits(size_of(layout), 0, 30 * DAY))
    assert all(gone.files == 0 for gone in figures.removed.values())
    assert figures.remains(scan.RECORD)[0] == figures.remains(scan.BLOB)[0] == 5


def test_what_was_not_used_for_longest_goes_first(layout: Layout) -> None:
    contents = fill(layout, 10)
    whole = size_of(layout)
    figures = gc.collect(layout, Limits(whole - 1, whole // 2))
    assert size_of(layout) == figures.size <= whole // 2
    kept = [has_record(layout, key_of(at)) and has_blob(layout, contents[at]) for at in range(10)]
    assert kept == [True] * 5 + [False] * 5


def test_within_a_minute_no_more_goes_than_is_needed(layout: Layout) -> None:
    fill(layout, 40, step=0.5)
    whole = size_of(layout)
    figures = gc.collect(layout, Limits(whole * 3 // 4, whole * 3 // 4))
    assert whole * 3 // 4 - 8192 <= figures.size <= whole * 3 // 4
    assert not has_record(layout, key_of(39))
    assert has_record(layout, key_of(0))


def test_nothing_at_all_may_remain(layout: Layout) -> None:
    fill(layout, 3)
    assert gc.collect(layout, Limits(0)).size == 0
    assert list(scan.entries(layout)) == []


def test_what_is_too_old_goes_whatever_the_size(layout: Layout) -> None:
    contents = fill(layout, 4, step=DAY)
    figures = gc.collect(layout, Limits(age=1.5 * DAY))
    assert (figures.removed[scan.RECORD].files, figures.removed[scan.BLOB].files) == (2, 2)
    assert [has_blob(layout, content) for content in contents] == [True, True, False, False]


def test_a_dry_run_says_the_same_and_removes_nothing(layout: Layout) -> None:
    fill(layout, 10, step=DAY)
    (Path(os.fsdecode(layout.tmp)) / "damaged-x").write_bytes(b"?")
    os.utime(layout.tmp + b"/damaged-x", (1e9, 1e9))
    whole = size_of(layout)
    limits = Limits(whole // 2, whole // 2, 8.5 * DAY)
    dry = gc.collect(layout, limits, dry=True)
    assert size_of(layout) == whole
    assert tally.read(layout).measured == 0
    real = gc.collect(layout, limits)
    for kind in gc.KINDS:
        assert (dry.removed[kind].files, dry.removed[kind].bytes) == (
            real.removed[kind].files,
            real.removed[kind].bytes,
        )
    assert real.removed[gc.DAMAGED].files == 1
    assert dry.size == real.size


def test_what_is_used_between_looking_and_removing_stays(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = fill(layout, 2, step=DAY)
    path = blob_path(layout, contents[1])
    decide = choice.Choice.decide

    def used_meanwhile(self: choice.Choice, before: dict[str, choice.Sum]) -> None:
        decide(self, before)
        os.utime(path)

    monkeypatch.setattr(choice.Choice, "decide", used_meanwhile)
    gc.collect(layout, Limits(age=0.5 * DAY))
    assert has_blob(layout, contents[1])
    assert not has_record(layout, key_of(1))


def test_what_is_used_while_a_batch_waits_stays(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = fill(layout, 2, step=DAY)
    path = blob_path(layout, contents[1])

    def used_meanwhile(fd: int, how: int, patience: float = 0.0) -> bool:
        if patience == gc._PATIENCE:  # that of a batch
            os.utime(path)
        return True

    monkeypatch.setattr(locks, "hold", used_meanwhile)
    gc.collect(layout, Limits(age=0.5 * DAY))
    assert has_blob(layout, contents[1])
    assert not has_record(layout, key_of(1))


def test_locks_that_dead_processes_left_go(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(layout, 1)
    folder = Path(os.fsdecode(layout.record(key_of(0)))).parent
    left = [folder / ".held", folder / ".held-0123456789abcdef"]
    for path in left:
        path.touch()
    gc.collect(layout, Limits())
    assert all(path.exists() for path in left), "somebody may have just made them"
    later = time.time() + 90
    monkeypatch.setattr(time, "time", lambda: later)
    gc.collect(layout, Limits())
    assert not any(path.exists() for path in left)
    assert has_record(layout, key_of(0))
    assert (folder / ".lock").exists()


def test_who_uses_blobs_is_waited_for(layout: Layout) -> None:
    contents = fill(layout, 2, step=DAY)
    told, tell = os.pipe()

    def reader() -> None:
        using = locks.using(layout)
        os.write(tell, b"1")
        time.sleep(0.3)
        assert has_blob(layout, contents[1])
        os.close(using)

    def collector() -> None:
        os.read(told, 1)
        gc.collect(layout, Limits(age=0.5 * DAY))
        assert not has_blob(layout, contents[1])

    at_once(reader, collector)
    os.close(told)
    os.close(tell)


def test_a_reader_that_was_stopped_is_not_waited_for_for_ever(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = fill(layout, 2, step=DAY)
    monkeypatch.setattr(gc, "_PATIENCE", 0.01)
    using = locks.using(layout)
    gc.collect(layout, Limits(age=0.5 * DAY))
    os.close(using)
    assert not has_blob(layout, contents[1])


def test_there_is_one_at_a_time(layout: Layout) -> None:
    with gc.Alone(layout), pytest.raises(gc.Busy):
        gc.collect(layout, Limits(0))


def test_two_at_once_without_locks_do_no_harm(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(layout, 10)

    def refuse(fd: int, how: int) -> None:
        raise OSError(38, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    at_once(*[lambda: gc.collect(layout, Limits(0)) and None] * 3)
    assert list(scan.entries(layout)) == []


def test_a_time_that_a_wrong_clock_gave_is_put_right(layout: Layout) -> None:
    contents = fill(layout, 2)
    path = blob_path(layout, contents[0])
    os.utime(path, (time.time() + 300 * DAY,) * 2)
    gc.collect(layout, Limits())
    assert abs(os.stat(path).st_mtime - time.time()) < 60


def test_the_size_that_was_measured_is_known_to_the_next_run(layout: Layout) -> None:
    fill(layout, 4)
    usage.append(layout, (1, 0, 4, 0), added=10**6)
    gc.collect(layout, Limits(0))
    sums = tally.read(layout)
    assert (sums.size, sums.added, sums.runs, sums.miss) == (0, 0, 1, 4)
    assert sums.evicted > time.time() - 60


def test_where_no_blob_went_no_eviction_is_told(layout: Layout) -> None:
    fill(layout, 2)
    gc.collect(layout, Limits())
    assert tally.read(layout).evicted == 0.0


# -- journals -----------------------------------------------------------------------------------------------


def test_old_journals_go_save_the_last(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "KEPT_RUNS", 2)
    paths = [journal(layout, f"2026010{at}T000000.000000-999999999", age=(9 - at) * DAY) for at in range(9)]
    gc.collect(layout, Limits(journal_age=0.5 * DAY))
    assert [path.exists() for path in paths] == [False] * 7 + [True] * 2


def test_large_journals_do_not_take_the_room_of_results(layout: Layout) -> None:
    contents = fill(layout, 3)
    paths = [journal(layout, f"2026010{at}T000000.000000-999999999", age=(9 - at) * DAY) for at in range(9)]
    for path in paths:
        path.write_bytes(b"x" * 20000)
        os.utime(path, (time.time() - DAY,) * 2)
    gc.collect(layout, Limits(100000, 80000))
    assert all(has_blob(layout, content) for content in contents)
    assert [path.exists() for path in paths] == [False] * 7 + [True] * 2


def test_the_journal_of_a_run_that_goes_on_stays(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "KEPT_RUNS", 0)
    path = journal(layout, f"20260101T000000.000000-{os.getpid()}", age=1.0)
    os.utime(path, (time.time() + 1, time.time() + 1))  # a process that began before it
    gone = journal(layout, "20260101T000000.000000-1", age=400 * DAY)  # process 1 began later
    gc.collect(layout, Limits(0))
    assert (path.exists(), gone.exists()) == (True, False)


# -- temporaries ------------------------------------------------------------------------------------------------


def test_temporaries_of_the_dead_go_and_those_of_the_living_stay(layout: Layout) -> None:
    living = files.temporary(layout)
    Path(os.fsdecode(living)).write_bytes(b"1")
    dead = living.replace(b"-%d-" % os.getpid(), b"-999999999-")
    Path(os.fsdecode(dead)).write_bytes(b"1" * 5000)
    figures = gc.collect(layout, Limits())
    assert os.listdir(layout.tmp) == [os.path.basename(living)]
    assert (figures.removed[gc.TEMPORARY].files, figures.removed[gc.TEMPORARY].bytes) == (1, 8192)


def test_what_a_clear_that_was_killed_has_left_goes_after_a_day(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Path(os.fsdecode(layout.top)) / ".cleared-1" / "records"
    left.mkdir(parents=True)
    (left / "x").touch()
    gc.collect(layout, Limits())
    assert left.exists()
    monkeypatch.setattr(files, "LONG_AGO", -1.0)
    gc.collect(layout, Limits(), dry=True)
    assert left.exists()
    gc.collect(layout, Limits())
    assert os.listdir(layout.top) == [b"v2"]


def test_the_memo_of_a_host_that_is_gone_does_not_stay(layout: Layout) -> None:
    os.mkdir(layout.memo)
    for name, age in ((b"/x-here-0", 29 * DAY), (b"/x-gone-0", 31 * DAY)):
        Path(os.fsdecode(layout.memo + name)).touch()
        os.utime(layout.memo + name, (time.time() - age,) * 2)
    gc.collect(layout, Limits(), dry=True)
    assert len(os.listdir(layout.memo)) == 2
    gc.collect(layout, Limits())
    assert os.listdir(layout.memo) == [b"x-here-0"]


def test_what_was_set_aside_stays_for_a_week(layout: Layout) -> None:
    for name, age in ((b"/damaged-new", 6 * DAY), (b"/damaged-old", 8 * DAY)):
        Path(os.fsdecode(layout.tmp + name)).write_bytes(b"?")
        os.utime(layout.tmp + name, (time.time() - age,) * 2)
    gc.collect(layout, Limits())
    assert os.listdir(layout.tmp) == [b"damaged-new"]


# -- pins ----------------------------------------------------------------------------------------------------------


def test_what_is_pinned_stays_with_all_that_is_below_it(layout: Layout) -> None:
    contents = fill(layout, 4, step=DAY)
    put(layout, key_of(10), record(b"root" * 3000, children=(key_of(2),)), b"root" * 3000, age=9 * DAY)
    name = "20260101T000000.000000-999999999"
    path, other = journal(layout, name), journal(layout, name + "9")
    pins.add(layout, name, [key_of(10)])
    gc.collect(layout, Limits(0))
    assert has_record(layout, key_of(10)) and has_blob(layout, b"root" * 3000)
    assert [has_blob(layout, content) for content in contents] == [False, False, True, False]
    assert [has_record(layout, key_of(at)) for at in range(4)] == [False, False, True, False]
    assert path.exists() and other.exists()  # one of the last hundred
    assert pins.remove(layout, name)
    gc.collect(layout, Limits(0))
    assert not has_record(layout, key_of(10))


def test_pins_are_listed_and_removed_once(layout: Layout) -> None:
    assert pins.pinned(layout) == []
    pins.add(layout, "b", [key_of(1), key_of(1)])
    pins.add(layout, "c", [])
    assert pins.pinned(layout) == ["c", "b"]
    assert pins.keys_of(layout, "b") == [key_of(1)]
    assert (pins.remove(layout, "b"), pins.remove(layout, "b")) == (True, False)


def test_what_is_pinned_during_an_eviction_stays(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = fill(layout, 3, step=DAY)
    decide = choice.Choice.decide

    def pinned_meanwhile(self: choice.Choice, before: dict[str, choice.Sum]) -> None:
        decide(self, before)
        pins.add(layout, "20260101T000000.000000-999999999", [key_of(1)])

    monkeypatch.setattr(choice.Choice, "decide", pinned_meanwhile)
    gc.collect(layout, Limits(0))
    assert [has_record(layout, key_of(at)) for at in range(3)] == [False, True, False]
    assert [has_blob(layout, content) for content in contents] == [False, True, False]


def test_with_a_pin_that_cannot_be_read_nothing_goes(layout: Layout) -> None:
    fill(layout, 2)
    os.makedirs(layout.pins + b"/x")
    with pytest.raises(OSError):
        gc.collect(layout, Limits(0))
    assert has_record(layout, key_of(1))


def test_what_came_and_went_between_two_looks_is_no_debt() -> None:
    figures = gc.Figures()
    figures.before[scan.RECORD].add(10)
    for size in (10, 20):
        figures.removed[scan.RECORD].add(size)
    assert figures.remains(scan.RECORD) == (0, 0)
    assert figures.size == 0
