"""What runs tell each other of the paths that they are about to change."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from procache.report import clear
from procache.store import claims, gc, hosts, sharing
from procache.store.claims import Claims
from procache.store.layout import Layout

EVER = 0


def names(layout: Layout) -> list[bytes]:
    """The files that are there."""
    return os.listdir(layout.claims)


def claimed(layout: Layout, *paths: bytes) -> Claims:
    """A run that claims these paths."""
    run = Claims(layout)
    run.add(*paths)
    return run


def killed(layout: Layout, *paths: bytes) -> None:
    """A run that claims these paths and is killed."""
    pid = os.fork()
    if not pid:
        claimed(layout, *paths)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_run_that_changes_nothing_leaves_no_trace(layout: Layout) -> None:
    run = Claims(layout)
    assert run.meddled([b"/a"], EVER) is None
    run.end()
    assert not os.path.exists(layout.claims)


def test_a_run_that_removes_the_store_adds_nothing_to_it(layout: Layout) -> None:
    run = claimed(layout, layout.tmp, layout.runs + b"/x.journal", layout.root)
    assert not os.path.exists(layout.claims)
    run.add(layout.root + b"-2")
    assert len(names(layout)) == 1
    run.end()


def test_runs_see_what_the_others_claim_before_and_after_they_looked(layout: Layout) -> None:
    one, two = claimed(layout, b"/a", b"/one"), claimed(layout, b"/two")
    assert two.meddled([b"/two", b"/b"], EVER) is None
    assert two.meddled([b"/two", b"/a"], EVER) == b"/a"
    one.add(b"/b")
    assert two.meddled([b"/two", b"/b"], EVER) == b"/b"
    assert one.meddled([b"/a", b"/one"], EVER) is None
    two.add(b"/one")
    assert one.meddled([b"/a", b"/one"], EVER) == b"/one"
    one.end()
    two.end()


def test_many_paths_are_all_seen(layout: Layout) -> None:
    one, two = claimed(layout, b"/one"), claimed(layout, b"/two")
    for number in range(3000):
        one.add(b"/path/%d" % number)
    assert [two.meddled([b"/path/%d" % number], EVER) for number in (0, 1499, 2999)] == [
        b"/path/0",
        b"/path/1499",
        b"/path/2999",
    ]
    assert two.meddled([b"/path/3000"], EVER) is None
    one.end()
    two.end()


def test_what_ended_before_is_of_no_concern(layout: Layout) -> None:
    one, two = claimed(layout, b"/a"), claimed(layout, b"/b")
    before = time.monotonic_ns()
    one.end()
    after = time.monotonic_ns()
    assert two.meddled([b"/a"], before) == b"/a"
    assert two.meddled([b"/a"], after) is None
    two.end()


def test_a_run_that_came_and_ended_between_two_looks_is_seen(layout: Layout) -> None:
    one = claimed(layout, b"/a")
    assert one.meddled([b"/a"], EVER) is None
    claimed(layout, b"/a").end()
    assert one.meddled([b"/a"], EVER) == b"/a"
    one.end()


def test_what_ended_before_a_run_began_to_change_things_is_of_no_concern(layout: Layout) -> None:
    third = claimed(layout, b"/third")
    claimed(layout, b"/a").end()
    assert len(names(layout)) == 2  # left to the third one
    assert claimed(layout, b"/a").meddled([b"/a"], EVER) is None
    assert third.meddled([b"/a"], EVER) == b"/a"
    third.end()


def test_the_last_one_removes_all_files(layout: Layout) -> None:
    one, two, three = (claimed(layout, b"/a") for _ in range(3))
    two.end()
    one.end()
    assert len(names(layout)) == 3
    three.end()
    assert names(layout) == []


def test_a_file_goes_with_the_last_run_that_had_begun_before_its_end(layout: Layout) -> None:
    one, two = claimed(layout, b"/a"), claimed(layout, b"/b")
    one.end()
    three = claimed(layout, b"/c")
    two.end()
    assert set(names(layout)) == {two.name, three.name}
    three.end()
    assert names(layout) == []


def test_a_run_that_is_killed_has_ended_when_that_is_seen(layout: Layout) -> None:
    one = claimed(layout, b"/b")
    killed(layout, b"/a")
    assert one.meddled([b"/a"], time.monotonic_ns()) == b"/a"
    assert one.meddled([b"/a"], time.monotonic_ns()) is None
    one.end()
    assert names(layout) == []


@pytest.mark.parametrize("by", ["the next run", "gc"])
def test_what_a_killed_run_left_is_removed(layout: Layout, by: str) -> None:
    killed(layout, b"/a")
    assert len(names(layout)) == 1
    if by == "gc":
        gc.sweep(layout, gc.Figures(), time.time(), False)
    else:
        run = claimed(layout, b"/a")
        assert run.meddled([b"/a"], EVER) is None
        run.end()
    assert names(layout) == []


def test_a_file_that_was_never_finished_is_removed_after_a_minute(layout: Layout) -> None:
    claimed(layout, b"/a").end()
    for name, age in ((b".young", 10), (b".old", 100)):
        path = layout.claims + b"/" + name
        os.close(os.open(path, os.O_CREAT, 0o600))
        os.utime(path, (time.time() - age, time.time() - age))
    claims.tidy(layout)
    assert names(layout) == [b".young"]


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def flock(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_without_locks_a_run_is_there_until_it_says_that_it_has_ended(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    one, two = claimed(layout, b"/a"), claimed(layout, b"/b")
    assert two.meddled([b"/a"], time.monotonic_ns()) == b"/a"
    one.end()
    assert two.meddled([b"/a"], time.monotonic_ns()) is None
    two.end()
    assert names(layout) == []


def test_without_locks_what_a_killed_run_left_is_removed_after_a_day(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    killed(layout, b"/a")
    claims.tidy(layout)
    [name] = names(layout)
    os.utime(layout.claims + b"/" + name, (time.time() - 90000,) * 2)
    claims.tidy(layout)
    assert names(layout) == []


def test_the_clock_of_another_host_says_nothing_here(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run ended when that was seen here; its file is its own to remove, for a day."""
    here = hosts.own()
    monkeypatch.setattr(hosts, "own", lambda: b"another.")
    there = claimed(layout, b"/a")
    monkeypatch.setattr(hosts, "own", lambda: here)
    one = claimed(layout, b"/b")
    assert one.meddled([b"/a"], time.monotonic_ns()) == b"/a"
    os.pwrite(there.fd, (1).to_bytes(8, "little"), 16)
    os.close(there.fd)
    assert one.meddled([b"/a"], time.monotonic_ns()) == b"/a"
    assert one.meddled([b"/a"], time.monotonic_ns()) is None
    one.end()
    assert names(layout) == [there.name]


@pytest.mark.parametrize("call", ["open", "write", "rename"])
def test_a_store_that_cannot_be_written_to_keeps_nobody_from_running(
    layout: Layout, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = claimed(layout, b"/a")
    real = getattr(os, call)

    def failing(*args: object, **more: object) -> object:
        if call == "open" and not args[1] & os.O_CREAT:  # type: ignore[operator]
            return real(*args, **more)
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        run = claimed(layout, b"/a", b"/b")
        run.add(b"/c")
        assert run.meddled([b"/c", b"/a"], EVER) == b"/a"
        run.end()
    other.end()
    assert names(layout) == []


def test_a_store_that_becomes_full_makes_a_run_that_nobody_sees(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(layout, b"/a")

    def write(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        run.add(b"/b")
    assert names(layout) == []
    run.add(b"/c")
    run.end()


def test_a_torn_entry_is_read_when_it_is_whole(layout: Layout) -> None:
    one, two = claimed(layout, b"/a"), claimed(layout, b"/b")
    entry = claims._short(b"/c")
    os.write(one.fd, entry[:3])
    assert two.meddled([b"/c"], EVER) is None
    os.write(one.fd, entry[3:])
    assert two.meddled([b"/c"], EVER) == b"/c"
    one.end()
    two.end()


def test_what_is_no_file_of_a_run_does_no_harm(layout: Layout) -> None:
    run = claimed(layout, b"/a")
    os.symlink("/etc/passwd", layout.claims + b"/link")
    os.mkfifo(layout.claims + b"/fifo")
    os.mkdir(layout.claims + b"/folder")
    (Path(os.fsdecode(layout.claims)) / "short").write_bytes(b"abc")
    assert run.meddled([b"/a"], EVER) is None
    run.end()
    assert run.name not in names(layout)


def test_in_a_shared_store_the_group_may_look(tmp_path: Path) -> None:
    layout = Layout(os.fsencode(tmp_path / "store"))
    sharing.create(layout, os.getegid())
    os.rmdir(layout.claims)  # a store that an earlier version made has none
    run = claimed(layout, b"/a")
    assert stat.S_IMODE(os.stat(layout.claims).st_mode) == sharing.STICKY
    assert stat.S_IMODE(os.fstat(run.fd).st_mode) == sharing.JOURNAL
    run.end()


def test_what_a_run_claims_at_the_very_end_is_seen(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """It claims a path and ends between two reads of its file."""
    one, two = claimed(layout, b"/one"), claimed(layout, b"/two")
    assert two.meddled([b"/last"], EVER) is None
    plain = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        data = plain(fd, size, at)
        monkeypatch.undo()
        one.add(b"/last")
        one.end()
        return data

    monkeypatch.setattr(os, "pread", pread)
    assert two.meddled([b"/last"], EVER) == b"/last"
    two.end()


def test_who_goes_on_is_seen_when_the_store_was_cleared_meanwhile(layout: Layout) -> None:
    layout.prepare()
    one = claimed(layout, b"/before")
    clear.empty(layout)
    two = claimed(layout, b"/two")
    one.add(b"/after")
    assert two.meddled([b"/before"], EVER) == b"/before"
    assert two.meddled([b"/after"], EVER) == b"/after"
    assert one.meddled([b"/two"], EVER) == b"/two"
    two.end()
    one.end()
    assert names(layout) == []
