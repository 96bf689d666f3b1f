"""`procache gc`, `pin` and `unpin`: what they delete and keep, what they say, and what they refuse."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from common.filling import DAY, has_blob, has_record, key_of, put, record

from procache import digests
from procache.store import gc, pins
from procache.store.layout import Layout

from .builder import RUN_ID, Journal, store
from .conftest import Ask


@pytest.fixture
def layout(cache: Path) -> Layout:
    """An empty store in the cache folder of the test."""
    store(cache)
    return Layout(os.fsencode(cache))


def filled(layout: Layout, number: int = 4) -> list[bytes]:
    """Records of which each was last used a day before the one before it; returns the contents of their blobs."""
    contents = [os.urandom(8000) for _ in range(number)]
    for at, content in enumerate(contents):
        put(layout, key_of(at), record(content, cwd=b"/work/%d" % at), content, age=at * DAY)
    return contents


def left(layout: Layout, number: int = 4) -> list[int]:
    """Which of these records are left."""
    return [at for at in range(number) if has_record(layout, key_of(at))]


def test_without_options_the_settings_decide(layout: Layout, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(layout)
    said = ask("gc")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == ["nothing to delete", "there remain 4 record files, 4 blobs, 0 journals: 48.0 KiB"]
    monkeypatch.setenv("PROCACHE_MAX_AGE", "36h")
    assert ask("gc").out.startswith("deleted 2 record files, 2 blobs: 24.0 KiB\n")
    monkeypatch.setenv("PROCACHE_MAX_SIZE", "20K")
    assert ask("gc").out.splitlines()[1] == "there remain 1 record file, 1 blob, 0 journals: 12.0 KiB"
    assert left(layout) == [0]


def test_down_to_a_size(layout: Layout, ask: Ask) -> None:
    filled(layout)
    told = ask("gc", "--max-size", "25K", "--json").json
    assert told["removed"]["records"] == {"count": 2, "bytes": 8192}
    assert told["removed"]["blobs"] == {"count": 2, "bytes": 16384}
    assert told["remains"]["blobs"] == {"count": 2, "bytes": 16384}
    assert (told["freed"], told["bytes"], told["dry_run"]) == (24576, 24576, False)
    assert left(layout) == [0, 1]


def test_by_age(layout: Layout, ask: Ask) -> None:
    filled(layout)
    assert ask("gc", "--older-than", "1.5d").status == 0
    assert left(layout) == [0, 1]


def test_a_dry_run_deletes_nothing(layout: Layout, ask: Ask) -> None:
    filled(layout)
    said = ask("gc", "--max-size", "0", "--dry-run")
    assert said.out.splitlines() == [
        "would delete 4 record files, 4 blobs: 48.0 KiB",
        "would leave 0 record files, 0 blobs, 0 journals: 0 B",
    ]
    assert left(layout) == [0, 1, 2, 3]


WRONG = {
    "size": (["gc", "--max-size", "much"], "a size such as 500M or 10G, not 'much'"),
    "age": (["gc", "--older-than", "5"], "an age such as 12h or 30d, not '5'"),
    "both": (["gc", "--project", ".", "--max-size", "5G"], "it does not go with --max-size"),
    "no run": (["pin"], "pin takes a RUN or --list"),
    "a run and a list": (["pin", RUN_ID, "--list"], "pin takes a RUN or --list"),
    "nothing to unpin": (["unpin"], "required: RUN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant(layout: Layout, ask: Ask, name: str) -> None:
    words, why = WRONG[name]
    said = ask(*words)
    assert (said.status, said.out) == (2, "")
    assert why in said.err


def test_where_there_is_no_store(ask: Ask, cache: Path) -> None:
    said = ask("gc")
    assert (said.status, said.err) == (125, f"procache: there is no store in {cache}\n")
    assert not cache.exists()


def test_while_another_deletes(layout: Layout, ask: Ask) -> None:
    with gc.Alone(layout):
        said = ask("gc", "--max-size", "0")
    assert (said.status, said.out) == (0, "")
    assert "somebody else is deleting" in said.err


# -- of one project ----------------------------------------------------------------------------------------------


def test_of_a_project_all_goes_but_what_others_need(layout: Layout, ask: Ask, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "mine2"
    mine.mkdir()
    here, there = os.fsencode(mine), os.fsencode(theirs)
    put(layout, key_of(0), record(b"own" * 999, b"shared" * 999, cwd=here), b"own" * 999, b"shared" * 999, age=60)
    put(layout, key_of(1), record(stream=b"stream" * 999, cwd=here + b"/deep/er"), b"stream" * 999, age=60)
    put(layout, key_of(2), record(b"shared" * 999, cwd=there), b"shared" * 999, age=60)
    put(layout, key_of(3), record(b"else" * 999, cwd=b"/elsewhere"), b"else" * 999, age=60)
    link = tmp_path / "link"
    link.symlink_to(mine)
    dry = ask("gc", "--project", str(link), "--dry-run", "--json").json
    assert left(layout) == [0, 1, 2, 3]
    told = ask("gc", "--project", str(link), "--json").json
    assert (dry["removed"], dry["remains"]) == (told["removed"], told["remains"])
    assert (told["removed"]["records"]["count"], told["removed"]["blobs"]["count"]) == (2, 2)
    assert left(layout) == [2, 3]
    assert [has_blob(layout, word * 999) for word in (b"own", b"stream", b"shared", b"else")] == [0, 0, 1, 1]


def test_of_a_project_what_was_used_lately_may_stay(layout: Layout, ask: Ask) -> None:
    filled(layout)
    assert ask("gc", "--project", "/work", "--older-than", "36h").status == 0
    assert left(layout) == [0, 1]


def test_of_a_project_what_is_pinned_stays(layout: Layout, ask: Ask, cache: Path) -> None:
    filled(layout)
    pins.add(layout, RUN_ID, [key_of(1)])
    assert ask("gc", "--project", "/").status == 0
    assert left(layout) == [1]


# -- pins --------------------------------------------------------------------------------------------------------------


def journal(cache: Path, *keys: bytes) -> None:
    """The journal of a run with these commands."""
    made = Journal()
    for number, key in enumerate(keys):
        made.ran(number, None, "job", key=digests.hexadecimal(key).decode())
    made.end().save(cache)


def test_a_pinned_run_is_kept_until_it_is_unpinned(layout: Layout, ask: Ask, cache: Path) -> None:
    filled(layout)
    journal(cache, key_of(3), key_of(2))
    assert ask("pin", "last").out == f"pinned {RUN_ID}: 2 commands, and what is below them\n"
    assert ask("pin", "--list").out == f"{RUN_ID}\n"
    assert ask("pin", "--list", "--json").json == [RUN_ID]
    ask("gc", "--max-size", "0")
    assert left(layout) == [2, 3]
    assert ask("unpin", RUN_ID[:8]).out == f"unpinned {RUN_ID}\n"
    assert ask("pin", "--list").out == "no run is pinned\n"
    ask("gc", "--max-size", "0")
    assert left(layout) == []


def test_a_run_that_is_not_known_cannot_be_pinned(layout: Layout, ask: Ask, cache: Path) -> None:
    journal(cache, key_of(0))
    said = ask("pin", "2031")
    assert (said.status, said.out) == (2, "")
    assert "no run 2031" in said.err.replace("'", "")
    assert pins.pinned(layout) == []


def test_a_run_that_is_not_pinned_cannot_be_unpinned(layout: Layout, ask: Ask, cache: Path) -> None:
    said = ask("unpin", RUN_ID)
    assert (said.status, said.err) == (
        2,
        f"procache: '{RUN_ID}' names no pinned run, or several; pinned are: none\n",
    )


def test_a_run_that_goes_on_cannot_be_pinned(layout: Layout, ask: Ask, cache: Path) -> None:
    running = Journal(pid=os.getpid(), host=socket.gethostname(), started=time.time())
    running.ran(0, None, "sh").save(cache)
    said = ask("pin", RUN_ID)
    assert (said.status, "still going" in said.err) == (2, True)
