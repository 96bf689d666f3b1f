"""`procache verify`: what is wrong is found and told, what is right never is, and a repair makes it right."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from common.filling import blob_path, has_record, key_of, put, record

from procache.report import integrity
from procache.store import pins, records, tally, usage, zstd
from procache.store.fsck import Checker
from procache.store.layout import Layout

from .builder import RUN_ID, Journal, store
from .conftest import Ask

CONTENT = b"what a program has written\n" * 400


@pytest.fixture
def layout(cache: Path) -> Layout:
    """A store with two commands, one of two variants, a journal and a pin."""
    store(cache)
    found = Layout(os.fsencode(cache))
    put(found, key_of(0), record(CONTENT, stored=100.0), CONTENT)
    put(found, key_of(1), record(b"x", mark="old"), b"x")
    put(found, key_of(1), record(b"y", stream=b"s" * 9000, mark="new"), b"y", b"s" * 9000)
    Journal().ran(0, None, "sh").ran(1, 0, "cp").end().save(cache)
    pins.add(found, RUN_ID, [key_of(0)])
    return found


def kinds(ask: Ask, *options: str) -> list[str]:
    """The kinds of the problems that are found."""
    return [found["kind"] for found in ask("verify", "--json", *options).json["problems"]]


def flip(path: bytes, at: int = -3) -> None:
    """Change one byte of a file."""
    os.chmod(path, 0o600)
    data = bytearray(Path(os.fsdecode(path)).read_bytes())
    data[at] ^= 1
    Path(os.fsdecode(path)).write_bytes(data)


def test_of_a_store_that_is_in_order_nothing_is_told(layout: Layout, ask: Ask) -> None:
    said = ask("verify")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[-1] == "all is well"
    told = ask("verify", "--json").json
    assert (told["problems"], told["remarks"], told["files"]) == ([], [], 7)


def test_where_there_is_no_store(ask: Ask) -> None:
    assert ask("verify").status == 125


def test_a_wrong_option(layout: Layout, ask: Ask) -> None:
    assert ask("verify", "--mend").status == 2


DAMAGES: dict[str, tuple[str, Callable[[Layout], object]]] = {
    "a record file without its head": ("record-file", lambda store: os.truncate(store.record(key_of(0)), 10)),
    "a record file that is empty": ("record-file", lambda store: os.truncate(store.record(key_of(0)), 0)),
    "a byte of a head": ("record-file", lambda store: flip(store.record(key_of(0)), 60)),
    "a byte of a record": ("record", lambda store: flip(store.record(key_of(0)))),
    "a record that is cut off": (
        "record",
        lambda store: os.truncate(store.record(key_of(0)), os.path.getsize(store.record(key_of(0))) - 1),
    ),
    "a record of another command": (
        "key",
        lambda store: os.rename(store.record(key_of(1)), _made(store.record(key_of(0)))),
    ),
    "a byte of a blob": ("blob", lambda store: flip(blob_path(store, CONTENT))),
    "a byte of a blob that is not compressed": ("blob", lambda store: flip(blob_path(store, b"x"), 0)),
    "a blob that is cut off": ("blob", lambda store: os.truncate(blob_path(store, CONTENT), 20)),
    "a blob that is gone": ("blob-lost", lambda store: os.unlink(blob_path(store, CONTENT))),
    "a journal": ("journal", lambda store: flip(store.runs + b"/" + RUN_ID.encode() + b".journal", 0)),
    "a pin": ("pin", lambda store: flip(store.pins + b"/" + RUN_ID.encode(), 0)),
}


def test_a_folder_that_cannot_be_looked_into_is_no_clean_store(layout: Layout, ask: Ask) -> None:
    folder = os.path.dirname(layout.record(key_of(0)))
    os.rename(folder, folder + b"-away")
    with open(folder, "wb"):
        pass  # as where nothing may be read: a mode does not keep root out
    said = ask("verify", "--repair")
    assert said.status == 1
    assert f"{os.fsdecode(folder)}: folder that cannot be looked into" in said.out
    assert said.out.splitlines()[-1].startswith("1 problem left, to be put right by hand")
    assert "folder" in kinds(ask)


def _made(path: bytes) -> bytes:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_repaired(layout: Layout, ask: Ask, name: str) -> None:
    kind, damage = DAMAGES[name]
    damage(layout)
    before = sorted(os.walk(os.fsdecode(layout.root)))
    said = ask("verify")
    assert said.status == 1, said.out
    assert "`procache verify --repair` sets damaged things aside" in said.out
    assert set(kinds(ask)) == {kind}
    assert sorted(os.walk(os.fsdecode(layout.root))) == before, "nothing is changed without --repair"
    mended = ask("verify", "--repair")
    assert (mended.status, mended.out.splitlines()[-1]) == (0, "all was repaired: what was damaged is a miss now")
    assert kinds(ask) == []
    assert has_record(layout, key_of(0)) is (kind in ("journal", "pin") or name.endswith("not compressed"))
    assert tally.read(layout).damaged >= 1


def test_the_good_variants_of_a_damaged_file_stay(layout: Layout, ask: Ask) -> None:
    found = list(records.load(layout, key_of(1)))
    assert len(found) == 2
    flip(layout.record(key_of(1)))  # the last bytes are the older record's
    assert ask("verify", "--repair").status == 0
    assert [one.pack() for one in records.load(layout, key_of(1))] == [found[0].pack()]


def test_a_blob_that_was_evicted_is_no_problem(layout: Layout, ask: Ask) -> None:
    tally.begin_eviction(layout)
    os.unlink(blob_path(layout, CONTENT))
    told = ask("verify", "--json").json
    assert (told["problems"], [found["kind"] for found in told["remarks"]]) == ([], ["evicted"])
    tally.settle(layout, 0, 0, evicted=True)
    assert kinds(ask) == []
    put(layout, key_of(2), record(b"z", stored=time.time() + 5), b"z")
    os.unlink(blob_path(layout, b"z"))
    assert kinds(ask) == ["blob-lost"], "that one was stored after the last eviction"


def test_what_needs_a_package_that_is_not_there_is_no_problem(
    layout: Layout, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("No module named 'backports'")

    monkeypatch.setattr(zstd, "_module", missing)
    told = ask("verify", "--repair", "--json").json
    assert (told["problems"], [found["kind"] for found in told["remarks"]]) == ([], ["unchecked", "unchecked"])


def test_a_repair_drops_nothing_that_a_run_stores_meanwhile(
    layout: Layout, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process stores between setting aside and writing anew waits for the latter."""
    moved = Checker._moved
    children: list[int] = []

    def stored_then(self: Checker, path: bytes, st: os.stat_result) -> bool:
        done = moved(self, path, st)
        children.append(os.fork())
        if not children[-1]:
            put(layout, key_of(1), record(b"z", mark="newest"), b"z")
            os._exit(0)
        end, seen = time.monotonic() + 0.3, os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < end and os.waitid(os.P_PID, children[-1], seen) is None:
            time.sleep(0.01)
        return done

    flip(layout.record(key_of(1)))
    monkeypatch.setattr(Checker, "_moved", stored_then)
    assert ask("verify", "--repair").status == 0
    assert [os.waitpid(child, 0)[1] for child in children] == [0]
    assert records.count(layout, key_of(1)) == 2


def test_what_is_no_problem_is_told_as_such(layout: Layout, ask: Ask) -> None:
    usage.append(layout, (1, 0, 0, 0))
    os.truncate(layout.usage, os.path.getsize(layout.usage) - 3)
    for name in (b"/damaged-x", b"/w-00000000-1-2"):
        Path(os.fsdecode(layout.tmp + name)).write_bytes(b"?")
    os.utime(layout.tmp + b"/w-00000000-1-2", (1e9, 1e9))
    said = ask("verify")
    assert (said.status, said.out.splitlines()[-1]) == (0, "all is well")
    assert said.out.count("no problem: 1 × ") == 3
    assert ask("verify", "--repair").status == 0
    assert os.listdir(layout.tmp) == [b"damaged-x"]
    assert tally.read(layout).lost == 0


def test_many_problems_are_not_all_told_one_by_one(layout: Layout, ask: Ask) -> None:
    for number in range(10, 40):
        put(layout, key_of(number), record())
        flip(layout.record(key_of(number)))
    lines = ask("verify").out.splitlines()
    assert sum("its checksum is wrong" in line for line in lines) == integrity.TOLD
    assert "problem: 30 × damaged record" in lines


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_progress_is_seen() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = integrity.Progress(stream, 2048)
        progress.step("blobs", 512)
        progress.end()
    assert terminal.getvalue() == "\r 25 %  1 files, 512 B; blobs\x1b[K\r\x1b[K"
    assert pipe.getvalue() == ""
