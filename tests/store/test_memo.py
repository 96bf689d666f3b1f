"""The hash memo: digests by identity, in memory and on disk. It may forget, and never tells a wrong digest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from procache import digests
from procache.model.aspects import ChangedWhileReading
from procache.store import memofile
from procache.world.states import GRAIN_NS, Memo

from .conftest import at_once

LONG_AGO = 10**18


def old_file(path: Path, content: bytes = b"content") -> os.stat_result:
    """A file that is old enough to be recognised, once its change time is, too."""
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    settle()
    return path.lstat()


def settle() -> None:
    """Let the clock pass the grain in which a second change could hide."""
    time.sleep(GRAIN_NS / 1e9 * 1.5)


def saved(path: Path, *stats: os.stat_result) -> Memo:
    """A memo with entries for these files, saved."""
    memo = Memo()
    for st in stats:
        key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        memo.remember(key, digests.of_bytes(b"%d" % st.st_ino), st)
    memofile.append(os.fsencode(path), memo)
    return memo


def loaded(path: Path) -> Memo:
    """A memo read from disk."""
    memo = Memo()
    memofile.load(os.fsencode(path), memo)
    return memo


def test_a_file_is_read_once(tmp_path: Path) -> None:
    st, memo, name = old_file(tmp_path / "f"), Memo(), os.fsencode(tmp_path / "f")
    assert memo.peek(st) == b""
    assert memo.digest(name, st) == memo.digest(name, st) == memo.peek(st) == digests.of_bytes(b"content")
    assert memo.hashed == 1


def test_a_young_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"one")
    os.utime(tmp_path / "f", ns=(2 * 10**18, 2 * 10**18))  # in the future, for as long as this is run
    memo, name = Memo(), os.fsencode(tmp_path / "f")
    memo.digest(name, (tmp_path / "f").lstat())
    assert memo.peek((tmp_path / "f").lstat()) == b""
    assert memo.fresh == []


@pytest.mark.parametrize("change", ["content", "mode", "time", "replaced"])
def test_a_changed_file_is_not_recognised(tmp_path: Path, change: str) -> None:
    path, memo = tmp_path / "f", Memo()
    st = old_file(path)
    memo.digest(os.fsencode(path), st)
    if change == "content":
        path.write_bytes(b"CONTENT")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    elif change == "mode":
        path.chmod(0o600)
    elif change == "time":
        os.utime(path, ns=(5, 5))
    else:
        old_file(tmp_path / "g", b"CONTENT")
        os.replace(tmp_path / "g", path)
    assert memo.peek(path.lstat()) == b""


def test_a_file_that_is_no_longer_what_was_seen_has_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "f"
    st = old_file(path)
    path.write_bytes(b"longer content")
    with pytest.raises(ChangedWhileReading):
        Memo().digest(os.fsencode(path), st)


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    st = old_file(tmp_path / "f")
    (tmp_path / "link").symlink_to("f")
    with pytest.raises(OSError, match="symbolic links"):
        Memo().digest(os.fsencode(tmp_path / "link"), st)


# -- on disk ---------------------------------------------------------------------------------------


def test_entries_come_back(tmp_path: Path) -> None:
    stats = [old_file(tmp_path / name) for name in "abc"]
    saved(tmp_path / "memo", *stats[:2])
    saved(tmp_path / "memo", stats[2])
    memo = loaded(tmp_path / "memo")
    assert [memo.peek(st) for st in stats] == [digests.of_bytes(b"%d" % st.st_ino) for st in stats]
    assert memo.fresh == [], "what was loaded is not saved again"


def test_what_was_saved_is_not_saved_twice(tmp_path: Path) -> None:
    memo = saved(tmp_path / "memo", old_file(tmp_path / "a"))
    size = (tmp_path / "memo").stat().st_size
    memofile.append(os.fsencode(tmp_path / "memo"), memo)
    assert (tmp_path / "memo").stat().st_size == size


def test_a_memo_is_read_at_first_need(tmp_path: Path) -> None:
    calls: list[Memo] = []
    memo = Memo(calls.append)
    assert calls == []
    memo.peek(tmp_path.lstat())
    memo.peek(tmp_path.lstat())
    assert calls == [memo]


def test_no_memo_is_an_empty_one(tmp_path: Path) -> None:
    assert loaded(tmp_path / "none").known == {}
    assert loaded(tmp_path).known == {}


def test_a_torn_tail_is_ignored_and_then_dropped(tmp_path: Path) -> None:
    stats = [old_file(tmp_path / name) for name in "ab"]
    saved(tmp_path / "memo", stats[0])
    with (tmp_path / "memo").open("ab") as file:
        file.write(b"torn")
    assert loaded(tmp_path / "memo").peek(stats[0])
    saved(tmp_path / "memo", stats[1])
    memo = loaded(tmp_path / "memo")
    assert memo.peek(stats[1]) == digests.of_bytes(b"%d" % stats[1].st_ino)
    assert memo.peek(stats[0]) in (b"", digests.of_bytes(b"%d" % stats[0].st_ino))


def test_garbage_names_no_file(tmp_path: Path) -> None:
    st = old_file(tmp_path / "a")
    (tmp_path / "memo").write_bytes(bytes(range(256)) * 100)
    assert loaded(tmp_path / "memo").peek(st) == b""


def test_a_memo_beyond_its_limit_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = [old_file(tmp_path / name) for name in "abc"]
    saved(tmp_path / "memo", stats[0])
    monkeypatch.setattr(memofile, "LIMIT", 2 * (tmp_path / "memo").stat().st_size)
    saved(tmp_path / "memo", stats[1])
    saved(tmp_path / "memo", stats[2])
    assert [bool(loaded(tmp_path / "memo").peek(st)) for st in stats] == [False, False, True]


def test_a_memo_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    st = old_file(tmp_path / "a")
    saved(tmp_path / "a" / "memo", st)
    saved(tmp_path, st)


def test_processes_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    stats = [old_file(tmp_path / name) for name in "abcdefgh"]
    at_once(*(lambda st=st: [saved(tmp_path / "memo", st) for _ in range(20)] for st in stats))
    memo = loaded(tmp_path / "memo")
    assert [memo.peek(st) for st in stats] == [digests.of_bytes(b"%d" % st.st_ino) for st in stats]
