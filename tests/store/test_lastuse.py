"""A hit makes what it uses young again, all the way down, at most once an hour."""

from __future__ import annotations

import os
import time

import pytest
from common.filling import DAY, blob_path, key_of, put, record

from procache.store import lastuse, records, usage
from procache.store.layout import Layout


def age(path: bytes) -> float:
    """Seconds since a file was last used."""
    return time.time() - os.stat(path).st_mtime


def test_a_use_is_told_to_the_hour(layout: Layout) -> None:
    path = layout.runs + b"/x"
    assert not usage.is_old(path)
    os.close(os.open(path, os.O_CREAT))
    for seconds, old in ((0, False), (3500, False), (3700, True), (-3500, False), (-3700, True)):
        os.utime(path, (time.time() - seconds,) * 2)
        assert usage.is_old(path) is old


def test_a_record_its_blobs_and_all_below_it_are_renewed(layout: Layout) -> None:
    top, middle, leaf, other = b"top" * 999, b"middle" * 999, b"leaf" * 999, b"other" * 999
    put(layout, key_of(3), record(stream=leaf), leaf, age=DAY)
    put(layout, key_of(2), record(middle, children=(key_of(3),)), middle, age=DAY)
    put(layout, key_of(1), record(top, children=(key_of(2), key_of(9))), top, age=DAY)
    put(layout, key_of(4), record(other), other, age=DAY)
    lastuse.renew(layout, key_of(1), next(records.load(layout, key_of(1))))
    assert all(age(layout.record(key_of(number))) < 60 for number in (1, 2, 3))
    assert all(age(blob_path(layout, content)) < 60 for content in (top, middle, leaf))
    assert age(layout.record(key_of(4))) > 3600 < age(blob_path(layout, other))


def test_what_is_below_a_child_that_was_used_lately_is_not_looked_at(layout: Layout) -> None:
    put(layout, key_of(3), record(b"leaf" * 999), b"leaf" * 999, age=DAY)
    put(layout, key_of(2), record(children=(key_of(3),)))
    put(layout, key_of(1), record(children=(key_of(2),)), age=DAY)
    lastuse.renew(layout, key_of(1), next(records.load(layout, key_of(1))))
    assert age(layout.record(key_of(1))) < 60
    assert age(layout.record(key_of(3))) > 3600


def test_of_a_child_the_variant_counts_that_its_parent_contains(layout: Layout) -> None:
    old, new = b"old" * 999, b"new" * 999
    put(layout, key_of(2), record(old, stored=100.0, mark="old"), old, age=DAY)
    put(layout, key_of(2), record(new, stored=300.0, mark="new"), new, age=DAY)
    put(layout, key_of(1), record(children=(key_of(2),), stored=200.0), age=DAY)
    lastuse.renew(layout, key_of(1), next(records.load(layout, key_of(1))))
    assert age(blob_path(layout, old)) < 60
    assert age(blob_path(layout, new)) > 3600


def test_commands_that_contain_one_another_end(layout: Layout) -> None:
    put(layout, key_of(1), record(children=(key_of(2),)), age=DAY)
    put(layout, key_of(2), record(children=(key_of(1), key_of(2))), age=DAY)
    lastuse.renew(layout, key_of(1), next(records.load(layout, key_of(1))))
    assert age(layout.record(key_of(2))) < 60


def test_what_cannot_be_changed_stays_as_it_is(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    put(layout, key_of(1), record(b"x" * 999), b"x" * 999, age=DAY)
    found = next(records.load(layout, key_of(1)))

    def refuse(path: bytes) -> None:
        raise PermissionError(1, "not yours")

    monkeypatch.setattr("os.utime", refuse)
    lastuse.renew(layout, key_of(1), found)
    assert age(layout.record(key_of(1))) > 3600
