"""The hash memo: digests by identity, in memory and on disk. It may forget, and never tells a wrong digest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from procache import digests
from procache.model.aspects import ChangedWhileReading
from procache.store import hosts, memofile
from procache.store.layout import Layout
from procache.world import mounts
from procache.world.states import GRAIN_NS, Memo, same_file, state_of
from procache.world.view import World

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
        memo.remember(key, digests.of_bytes(b"%d" % st.st_ino), st, time.time_ns())
    memofile.save(os.fsencode(path), memo)
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


def test_what_was_young_when_reading_it_began_is_not_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change in the same tick, behind the reader, leaves the same times."""
    read = digests.of_descriptor

    def slow(fd: int) -> bytes:
        found = read(fd)
        settle()
        return found

    monkeypatch.setattr(digests, "of_descriptor", slow)
    path, world = tmp_path / "f", World()
    path.write_bytes(b"one")
    st = path.lstat()
    assert not same_file(world.file_state(os.fsencode(path), st), st)
    assert world.memo.peek(st) == b""


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
    memofile.save(os.fsencode(tmp_path / "memo"), memo)
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


@settings(deadline=None, derandomize=True, database=None)
@given(strategies.binary(max_size=300))
def test_any_bytes_name_no_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("memo") / "memo"
    path.write_bytes(data)
    assert loaded(path).known == {}


def test_a_flipped_bit_anywhere_tells_no_wrong_digest(tmp_path: Path) -> None:
    stats = [old_file(tmp_path / name) for name in "abc"]
    true = saved(tmp_path / "memo", *stats).known
    data = (tmp_path / "memo").read_bytes()
    for at in range(len(data)):
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << at % 8
        (tmp_path / "memo").write_bytes(spoilt)
        found = loaded(tmp_path / "memo").known
        assert found.items() < true.items(), at
        assert len(found) == 2, at


@pytest.mark.parametrize("name", digests.NAMES)
def test_each_algorithm_has_entries_of_its_own(tmp_path: Path, name: str) -> None:
    if name == "blake3":
        pytest.importorskip("blake3")
    digests.use(name)
    try:
        st = old_file(tmp_path / "a")
        saved(tmp_path / "memo", st, st)
        assert loaded(tmp_path / "memo").peek(st) == digests.of_bytes(b"%d" % st.st_ino)
        digests.use(next(other for other in digests.NAMES if other != name))
        assert loaded(tmp_path / "memo").peek(st) == b""
    finally:
        digests.use("xxh3")


@pytest.mark.parametrize("place", [3, 4], ids=["mtime", "ctime"])
def test_what_was_changed_in_the_future_is_not_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """The clock was ahead when the file was changed and read, and is right again."""
    ahead = time.time_ns() + 10**12
    key = [7, 8, 9, 10**18, 10**18]
    key[place] = ahead
    memo = Memo()
    memo.known[tuple(key)] = digests.of_bytes(b"then")  # type: ignore[index]
    memo.fresh.append(tuple(key))  # type: ignore[arg-type]
    memofile.save(os.fsencode(tmp_path / "memo"), memo)
    assert loaded(tmp_path / "memo").known == {}
    monkeypatch.setattr(time, "time_ns", lambda: ahead + 1)
    assert loaded(tmp_path / "memo").known == memo.known


def test_nor_is_it_by_what_a_record_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    st = old_file(tmp_path / "a")
    state = state_of(st, digests.of_bytes(b"content"))
    assert same_file(state, st)
    monkeypatch.setattr(time, "time_ns", lambda: st.st_ctime_ns - 1)
    assert not same_file(state, st)


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


# -- where -----------------------------------------------------------------------------------------


def mounted(monkeypatch: pytest.MonkeyPatch, kinds: dict[Path, bytes]) -> None:
    """Let folders lie on file systems of these kinds, and all else on a local disk."""
    by_name = {os.fsencode(path): kind for path, kind in kinds.items()}

    def kind_at(folder: bytes) -> bytes:
        return next((kind for path, kind in by_name.items() if folder.startswith(path)), b"ext4")

    monkeypatch.setattr(mounts, "kind_at", kind_at)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A store, and other folders for this host alone."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr(memofile, "OF_HOST", str(tmp_path / "vartmp"))
    (tmp_path / "runtime").mkdir()
    (tmp_path / "vartmp").mkdir()
    layout = Layout(os.fsencode(tmp_path / "cache"))
    layout.prepare()
    return layout


def place(layout: Layout, tmp_path: Path) -> str | None:
    """The folder of the memo, below the test's own."""
    path = memofile.path_of(layout)
    return None if path is None else os.path.relpath(os.path.dirname(os.fsdecode(path)), tmp_path)


def test_on_a_local_file_system_it_is_in_the_store(store: Layout, tmp_path: Path) -> None:
    assert place(store, tmp_path) == "cache/v2/memo"
    assert os.stat(store.memo).st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "kind", [b"nfs4", b"cifs", b"lustre", b"ceph", b"fuse.sshfs", b"fuse.s3fs", b"9p", mounts.UNKNOWN]
)
def test_on_one_of_the_network_it_is_on_this_host(
    store: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    mounted(monkeypatch, {tmp_path / "cache": kind})
    assert place(store, tmp_path) == "runtime/procache"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    own = f"vartmp/procache-{os.geteuid()}"
    assert place(store, tmp_path) == own
    assert (tmp_path / own).stat().st_mode & 0o777 == 0o700
    memo = Memo()
    st = old_file(tmp_path / "a")
    memo.digest(os.fsencode(tmp_path / "a"), st)
    memofile.append(store, memo)
    again = Memo()
    memofile.load(memofile.path_of(store), again)
    assert again.peek(st) == digests.of_bytes(b"content")
    mounted(monkeypatch, {tmp_path: kind})
    assert place(store, tmp_path) is None
    memo.fresh.extend(memo.known)
    memofile.append(store, memo)
    memofile.load(None, again)


@pytest.mark.parametrize("kind", [b"ext4", b"xfs", b"btrfs", b"overlay", b"tmpfs", b"fuse.fuse-overlayfs", b"fuseblk"])
def test_kinds_of_one_host(kind: bytes) -> None:
    assert not mounts.is_shared(kind)


def test_a_folder_that_others_may_write_to_is_not_used(
    store: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(monkeypatch, {tmp_path / "cache": b"nfs"})
    (tmp_path / "runtime" / "procache").symlink_to(tmp_path / "vartmp")
    own = tmp_path / "vartmp" / f"procache-{os.geteuid()}"
    own.mkdir()
    own.chmod(0o720)
    assert place(store, tmp_path) is None
    own.chmod(0o700)
    assert place(store, tmp_path) == os.path.relpath(own, tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    (tmp_path / "vartmp" / "procache-987654").mkdir()
    assert place(store, tmp_path) is None


def test_a_file_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    st = old_file(tmp_path / "a")
    saved(tmp_path / "memo", st)
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    assert loaded(tmp_path / "memo").known == {}


def test_hosts_users_and_algorithms_have_files_of_their_own(store: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = memofile.path_of(store)
    monkeypatch.setattr(hosts, "own", lambda: b"another!")
    assert memofile.path_of(store) != first
    monkeypatch.setattr(hosts, "own", lambda: hosts.NOBODY)
    assert memofile.path_of(store) is None


def test_the_kind_of_a_file_system_is_that_of_its_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mounts.kind_at(b"/proc/self") == b"proc"
    assert mounts.kind_at(os.fsencode(tmp_path / "none")) == mounts.UNKNOWN
    ours = mounts.kind_at(os.fsencode(tmp_path))
    assert ours not in (mounts.UNKNOWN, b"proc")
    (tmp_path / "table").write_text("1 2 0:3 / / rw - ext4 x rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "table"))
    assert mounts.kind_at(os.fsencode(tmp_path)) == mounts.UNKNOWN
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "no table"))
    assert mounts.kind_at(os.fsencode(tmp_path)) == mounts.UNKNOWN
