"""``procache store migrate``: what it says; what it does is in the tests of the store."""

from __future__ import annotations

import os
from pathlib import Path

from procache.store import migrate
from procache.store.layout import Layout

from .conftest import Ask


def old_store(cache: Path) -> None:
    """An empty store of format 1."""
    for name in ("records", "blobs/ab", "runs", "tmp"):
        (cache / "v1" / name).mkdir(parents=True)
    cache.chmod(0o700)
    (cache / "v1" / "blobs" / "ab" / ("xab" + "0" * 30)).write_bytes(b"content")
    (cache / "v1" / "runs" / "20270101T000000.000000-1.journal").write_bytes(b"")


def test_it_says_what_it_carried_over(cache: Path, ask: Ask) -> None:
    old_store(cache)
    said = ask("store", "migrate")
    assert (said.status, said.err) == (0, "")
    assert said.out == f"carried over to v2 in {cache}: 0 records, 1 blob, 1 run\n"
    assert os.listdir(cache) == ["v2"]


def test_it_says_so_as_json(cache: Path, ask: Ask) -> None:
    old_store(cache)
    assert ask("store", "migrate", "--json").json == {"records": 0, "blobs": 1, "runs": 1, "unreadable": 0}


def test_nothing_to_migrate_is_told(cache: Path, ask: Ask) -> None:
    said = ask("store", "migrate")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("procache: nothing to migrate: ")


def test_a_migration_that_fails_keeps_the_old_store(cache: Path, ask: Ask) -> None:
    old_store(cache)
    (cache / "v1" / "records").rmdir()
    said = ask("store", "migrate")
    assert said.status == 125
    assert said.err.startswith(f"procache: not everything in {cache} could be carried over: ")
    assert said.err.endswith("; the old store is kept\n")
    assert (cache / "v1" / "blobs" / "ab").is_dir()


def test_others_tell_of_an_older_store(cache: Path, ask: Ask) -> None:
    old_store(cache)
    told = "procache: there is a store of an older format too; `procache store migrate` carries it over\n"
    assert ask("stats").err.startswith(told)
    layout = Layout(os.fsencode(cache))
    layout.prepare()
    (cache / "v2" / "runs" / "20270101T000000.000000-1.journal").write_bytes(b"")
    assert ask("clear", "--yes").err == told
    assert migrate.there(layout)
