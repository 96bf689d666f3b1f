"""`procache stats` counts the store; `procache clear` empties it, and nothing else."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from model.records import make_record

from procache.report import clear, text
from procache.store import blobs, scan, usage, writer
from procache.store.layout import Layout

from .builder import START, Journal, store
from .conftest import Ask

KEY = b"x" + bytes(16)


def fill(cache: Path) -> Layout:
    """A store with two variants of one command, a blob of five bytes, and one run."""
    store(cache)
    layout = Layout(os.fsencode(cache))
    for number in (1, 2):
        writer.add_record(layout, KEY, make_record([(b"/in", 0, number, False)]), b"packed", 8)
    blobs.put(layout, b"x" + bytes(16), b"bytes")
    journal = Journal().hit(1, 0, "clustalw", "1", saved=3.0).hit(2, 0, "clustalw", "1", saved=4.0)
    journal.hit(3, 0, "wc", saved=1.0).ran(0, None, "sh").end().save(cache)
    return layout


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


# -- stats -----------------------------------------------------------------------------------------


def test_stats_counts_records_blobs_runs_and_what_was_saved(cache: Path, ask: Ask) -> None:
    layout = fill(cache)
    Journal("date", name="20270116T000000.000000-1").ran(0, None, "date", outcome="uncacheable").end().save(cache)
    told = ask("stats", "--json").json
    assert told["commands"] == 1
    assert told["records"] == {"count": 2, "bytes": scan.size_of(os.stat(layout.record(KEY)))}
    blob = next(scan.blob_files(layout))
    assert told["blobs"] == {"count": 1, "bytes": blob.size}
    assert told["bytes"] >= told["records"]["bytes"] + blob.size
    assert (told["runs"]["count"], told["runs"]["journals"]) == (2, 2)
    assert (told["hit"], told["miss"], told["uncacheable"], told["saved"]) == (3, 1, 1, 8.0)
    assert told["best"] == [
        {"argv": ["clustalw", "1"], "hits": 2, "saved": 7.0},
        {"argv": ["wc"], "hits": 1, "saved": 1.0},
    ]


def test_stats_for_people(cache: Path, ask: Ask) -> None:
    layout = fill(cache)
    size = text.size(scan.size_of(os.stat(layout.record(KEY))))
    lines = ask("stats").out.splitlines()
    assert lines[0] == f"cache folder  {cache}"
    assert f"records       2 of 1 command, {size}" in lines
    assert f"blobs         1, {text.size(next(scan.blob_files(layout)).size)}" in lines
    assert "executions    3 hits, 1 miss, 0 uncacheable (75.0 % hits)" in lines
    assert "time saved    about 8.00 s" in lines
    assert lines[-2:] == ["7.00 s     2  clustalw 1", "1.00 s     1  wc"]


def test_stats_outlive_the_journals(cache: Path, ask: Ask) -> None:
    layout = fill(cache)
    for path in (cache / "v2" / "runs").iterdir():
        path.unlink()
    usage.append(layout, usage.NO_RUN, damaged=2)
    told = ask("stats", "--json").json
    assert (told["runs"]["count"], told["runs"]["journals"]) == (1, 0)
    assert (told["hit"], told["saved"], told["damaged"], told["best"]) == (3, 8.0, 2, [])
    assert "damaged       2 files met and set aside" in ask("stats").out.splitlines()


def test_stats_names_the_best_five(cache: Path, ask: Ask) -> None:
    journal = Journal()
    for number in range(9):
        journal.hit(number, None, "job", str(number), saved=float(number))
    journal.end().save(cache)
    assert [one["argv"][1] for one in ask("stats", "--json").json["best"]] == ["8", "7", "6", "5", "4"]


def test_stats_shows_what_it_can_when_a_journal_cannot_be_read(cache: Path, ask: Ask) -> None:
    fill(cache)
    (cache / "v2" / "runs" / "20270117T000000.000000-1.journal").mkdir()
    said = ask("stats")
    assert said.status == 0
    assert "procache: cannot read" in said.err


# -- clear -----------------------------------------------------------------------------------------


def test_clear_empties_the_store_and_leaves_it_usable(cache: Path, ask: Ask) -> None:
    fill(cache)
    (cache / "notes.txt").write_text("mine")
    said = ask("clear", "--yes")
    assert said.status == 0
    assert said.out.startswith("deleted 1 record file, 1 blob, 1 run (")
    assert sorted(path.name for path in cache.iterdir()) == ["notes.txt", "v2"]
    assert sorted(str(path.relative_to(cache)) for path in cache.rglob("v2/*")) == [
        *("v2/blobs", "v2/records", "v2/runs", "v2/tmp"),
    ]
    assert (cache / "v2").stat().st_mode & 0o777 == 0o700


def test_clear_as_json(cache: Path, ask: Ask) -> None:
    fill(cache)
    told = ask("clear", "-y", "--json").json
    assert told["cache_dir"] == str(cache)
    assert {**told["deleted"], "bytes": 0} == {"records": 1, "blobs": 1, "runs": 1, "bytes": 0}


def test_clear_without_a_terminal_wants_yes(cache: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    said = ask("clear")
    assert (said.status, said.out) == (2, "")
    assert "--yes" in said.err
    assert (cache / "v2" / "blobs" / "00").is_dir()


ANSWERS = [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]


@pytest.mark.parametrize(("answer", "gone"), ANSWERS)
def test_clear_asks_on_a_terminal(cache: Path, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool) -> None:
    layout = fill(cache)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", asked := Terminal())
    assert clear.confirm(layout, clear.look(layout)) is gone
    assert asked.getvalue().startswith("Delete 1 record file, 1 blob, 1 run (")
    assert asked.getvalue().endswith(f"from {cache}? [y/N] ")


def test_clear_that_is_declined_deletes_nothing(cache: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    monkeypatch.setattr(clear, "confirm", lambda layout, held: False)
    said = ask("clear")
    assert (said.status, said.err) == (1, "procache: nothing was deleted\n")
    assert ask("stats", "--json").json["runs"]["count"] == 1


def test_clear_refuses_a_folder_that_is_no_store(cache: Path, ask: Ask) -> None:
    cache.mkdir()
    (cache / "thesis.tex").write_text("years")
    said = ask("clear", "--yes")
    assert said.status == 125
    said_why = f"{cache} is not a cache folder of procache (it has no v2); nothing was deleted"
    assert said.err == f"procache: {said_why}\n"
    assert (cache / "thesis.tex").exists()


def test_clear_refuses_a_tree_that_is_not_ours(cache: Path, ask: Ask) -> None:
    (cache / "v2" / "records").mkdir(parents=True)
    (cache / "v2" / "records" / "x").write_text("y")
    said = ask("clear", "--yes")
    assert said.status == 125
    assert "(no folder blobs in v2)" in said.err
    fill(cache)
    (cache / "v2" / "thesis.tex").write_text("years")
    said = ask("clear", "--yes")
    assert said.status == 125
    assert "thesis.tex, which is not procache's" in said.err
    assert (cache / "v2" / "thesis.tex").exists()


def test_clear_refuses_a_tree_that_is_a_link(cache: Path, tmp_path: Path, ask: Ask) -> None:
    fill(tmp_path / "other")
    cache.mkdir(mode=0o700)
    (cache / "v2").symlink_to(tmp_path / "other" / "v2")
    said = ask("clear", "--yes")
    assert (said.status, "v2 is a link" in said.err) == (125, True)
    assert (tmp_path / "other" / "v2" / "blobs" / "00").is_dir()


def test_clear_never_follows_a_link_out_of_the_store(cache: Path, tmp_path: Path, ask: Ask) -> None:
    fill(cache)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (cache / "v2" / "blobs" / "zz").symlink_to(outside)
    assert ask("clear", "--yes").status == 0
    assert (outside / "precious").exists()


def test_clear_refuses_a_store_that_others_may_write_to(cache: Path, ask: Ask) -> None:
    fill(cache)
    cache.chmod(0o777)
    assert ask("clear", "--yes").status == 125
    assert (cache / "v2" / "blobs" / "00").is_dir()


def test_clear_removes_what_an_interrupted_clear_left(cache: Path, ask: Ask) -> None:
    fill(cache)
    (cache / ".cleared-1" / "blobs").mkdir(parents=True)
    assert ask("clear", "--yes").status == 0
    assert [path.name for path in cache.iterdir()] == ["v2"]


def test_a_run_that_is_alive_goes_on_storing_after_clear(cache: Path, ask: Ask) -> None:
    layout = fill(cache)
    journal = Journal(name="20270118T000000.000000-1", started=START)
    path = os.fsdecode(layout.runs) + f"/{journal.name}.journal"
    assert ask("clear", "--yes").status == 0
    blobs.put(layout, b"x" + bytes(16), b"bytes")
    writer.add_record(layout, KEY, make_record(), b"packed", 8)
    with open(path, "ab") as stream:
        stream.write(journal.ran(0, None, "sh").events[-1])
    assert "journal has no start" in ask("show").out
    assert ask("stats", "--json").json["records"]["count"] == 1


def test_sizes_are_of_all_files_as_they_lie_on_disk(cache: Path) -> None:
    layout = fill(cache)
    with open(next(scan.blob_files(layout)).path, "r+b") as blob:
        blob.truncate(1 << 30)  # a hole takes nothing
    held = clear.look(layout)
    files = [path.stat() for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]
    whole = sum(map(scan.size_of, files))
    assert whole < 1 << 30 < sum(st.st_size for st in files)
    assert held.bytes == whole
    assert text.size(whole) in held.words()
