"""`procache log` and `procache show`: what a person reads of runs and of one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procache.report import show
from procache.report.text import Style

from .builder import RUN_ID, START, Journal, store
from .conftest import Ask

LATER = "20270115T090000.000000-78"


def many(number: int = 300, odd: int = 7) -> Journal:
    """A driver with hits, of which one is a miss."""
    journal = Journal("sh", "all.sh")
    for index in range(1, number + 1):
        (journal.ran if index == odd else journal.hit)(index, 0, "clustalw", f"-INFILE={index}.fa")
    return journal.ran(0, None, "sh", "all.sh").end()


def test_log_has_one_line_for_each_run_newest_first(cache: Path, ask: Ask) -> None:
    many().save(cache)
    Journal("sh", "-c", "exit 3", name=LATER).ran(0, None, "sh", status=3).end(3).save(cache)
    said = ask("log")
    header, newest, oldest = said.out.splitlines()
    assert header.split() == ["run", "started", "status", "hit", "miss", "unc", "time", "saved", "command"]
    assert newest.split()[0] == LATER
    assert newest.split()[3:] == ["3", "0", "1", "0", "9.00", "s", "-", "sh", "-c", "'exit", "3'"]
    assert oldest.split()[3:] == ["0", "299", "2", "0", "9.00", "s", "9m58s", "sh", "all.sh"]
    assert (said.status, said.err) == (0, "")


def test_log_fits_the_width_it_is_given(cache: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal("echo", *(["word"] * 200)).end().save(cache)
    monkeypatch.setenv("COLUMNS", "110")
    lines = ask("log").out.splitlines()
    assert max(map(len, lines)) == 110
    assert lines[1].endswith("…")


def test_log_n_says_what_it_leaves_out(cache: Path, ask: Ask) -> None:
    for index in range(25):
        Journal(name=f"20270115T0900{index:02}.000000-1").end().save(cache)
    assert len(ask("log").out.splitlines()) == 21
    said = ask("log", "-n", "2")
    assert len(said.out.splitlines()) == 3
    assert said.err == "procache: 23 older runs not listed (-n 0 lists all)\n"
    assert len(ask("log", "-n", "0", "--json").json) == 25


def test_log_tells_how_a_run_ended(cache: Path, ask: Ask) -> None:
    Journal(name=LATER + "1").end(-15).save(cache)
    Journal(name=LATER + "2").save(cache)
    live = {"pid": os.getpid(), "host": os.uname().nodename, "started": 4_000_000_000.0}
    Journal(name=LATER + "3", **live).save(cache)
    assert [run["state"] for run in ask("log", "--json").json] == ["running", "cut off", "SIGTERM"]


def test_a_pid_that_was_given_to_another_process_is_not_the_run(cache: Path, ask: Ask) -> None:
    Journal(pid=os.getpid(), host=os.uname().nodename, started=1_000_000_000.0).save(cache)
    assert ask("log", "--json").json[0]["state"] == "cut off"


def test_show_folds_siblings_that_went_the_same_way(cache: Path, ask: Ask) -> None:
    many().save(cache)
    out = ask("show").out
    assert "301 executions: 299 hits, 2 misses, 0 uncacheable; saved about 9m58s" in out
    assert "├─ clustalw -INFILE=6.fa" in out
    assert "├─ clustalw -INFILE=7.fa" in out
    assert "└─ … 283 more hits" in out
    assert "-INFILE=18.fa" not in out
    assert out.endswith("--all shows every execution\n")
    whole = ask("show", "--all").out
    assert "└─ clustalw -INFILE=300.fa" in whole
    assert "more hits" not in whole


def test_a_failed_execution_is_never_folded_away(cache: Path, ask: Ask) -> None:
    journal = Journal()
    for index in range(1, 100):
        journal.ran(2 * index, 2 * index - 1, "sort", status=int(index == 50))
        journal.ran(2 * index - 1, 0, "sh", "-c", "sort | cat")
    journal.ran(0, None, "sh").end().save(cache)
    rows = [line.split() for line in ask("show").out.splitlines() if line.endswith("sort")]
    assert [row[-4] for row in rows].count("1") == 1
    assert "39 more misses (and 39 under them)" in ask("show").out


def test_show_has_time_cpu_memory_saved_and_status(cache: Path, ask: Ask) -> None:
    journal = Journal().ran(1, 0, "sort", status=-9, maxrss=3 * 1024, utime=1.0, stime=0.25)
    journal.hit(2, 0, "sh", "x.sh", nested=5, ended=START + 2.002).ran(0, None, "sh").end().save(cache)
    lines = ask("show").out.splitlines()
    assert lines[-2].split() == ["miss", "1.50", "s", "1.25", "s", "3.0", "MiB", "-", "SIGKILL", "├─", "sort"]
    assert lines[-1].split()[:8] == ["hit", "2", "ms", "-", "-", "2.00", "s", "0"]
    assert lines[-1].endswith("└─ sh x.sh  (with 4 inside)")


def test_a_chain_of_ten_thousand_execs_is_shown_in_lines_that_can_be_read() -> None:
    journal = Journal()
    for number in range(10_000):
        journal.hit(number, number - 1 if number else None, "env")
    lines = list(show.lines(journal.run(), Style(width=120), everything=True))
    assert lines[-1].endswith("[9999] env")
    assert max(map(len, lines)) <= 120


def test_without_unicode_the_tree_is_ascii() -> None:
    text = "\n".join(show.lines(many().run(), Style(unicode=False)))
    assert text.isascii()
    assert "`- ... 283 more hits" in text


def test_colour_changes_no_column() -> None:
    plain = list(show.lines(many().run(), Style()))
    coloured = list(show.lines(many().run(), Style(colour=True)))
    bare = [line.replace("\x1b[0m", "") for line in coloured]
    for code in ("1", "2", "32", "33"):
        bare = [line.replace(f"\x1b[{code}m", "") for line in bare]
    assert bare == plain
    assert coloured != plain


def test_show_of_a_cut_journal_says_so_and_shows_the_rest(cache: Path, ask: Ask) -> None:
    path = many().save(cache)
    path.write_bytes(path.read_bytes()[:-300])
    said = ask("show")
    assert said.status == 0
    assert "note: journal cut off" in said.out
    assert "unfinished" in said.out
    assert "clustalw -INFILE=7.fa" in said.out


def test_show_json_brings_every_byte_back(cache: Path, ask: Ask) -> None:
    odd = [b"x\xff\n", "é".encode(), b"'"]
    Journal(*odd).hit(1, 0, *odd).ran(0, None, *odd).end().save(cache)
    told = ask("show", "--json").json
    assert [(one["id"], one["parent"], one["depth"]) for one in told["executions"]] == [
        (0, None, 0),
        (1, 0, 1),
    ]
    for argv in (told["argv"], told["executions"][1]["argv"]):
        assert [word.encode("utf-8", "surrogateescape") for word in argv] == odd
    assert told["counts"] == {"hit": 1, "miss": 1, "uncacheable": 0}
    assert (told["complete"], told["saved"], told["seconds"]) == (True, 2.0, 9.0)


def test_control_characters_of_a_run_never_reach_the_terminal(cache: Path, ask: Ask) -> None:
    evil = b"\x1b]0;gone\x07\r\n\xff\xe2\x80\xae"
    journal = Journal(evil, cwd=evil, options={"\x1b[2J": True}).ran(0, None, evil, outcome="\x1b[1m", cwd=evil)
    journal.ran(1, 0, evil, outcome="hit\x1b").end().save(cache)
    for verb in ("log", "show", "explain", "stats"):
        out = ask(verb).out
        assert all(line.isprintable() for line in out.splitlines()), verb


@pytest.mark.parametrize("wanted", [RUN_ID, "20270115T08", "last"])
def test_a_run_is_found_by_id_prefix_or_last(cache: Path, ask: Ask, wanted: str) -> None:
    many().save(cache)
    Journal(name="20260115T090000.000000-1").save(cache)
    assert ask("show", wanted).out.startswith(f"run {RUN_ID}: sh all.sh\n")


def test_a_prefix_that_fits_several_names_them(cache: Path, ask: Ask) -> None:
    many().save(cache)
    Journal(name=LATER).save(cache)
    said = ask("show", "2027")
    assert (said.status, said.out) == (2, "")
    assert said.err == f"procache: '2027' fits 2 runs: {LATER}, {RUN_ID}\n"


def test_a_run_that_is_not_there_is_wrong_use(cache: Path, ask: Ask) -> None:
    many().save(cache)
    said = ask("explain", "nope")
    assert said.status == 2
    assert (
        said.err
        == f"procache: no run 'nope'; the latest are {RUN_ID} (see `procache log`); a command stands after `--`\n"
    )


@pytest.mark.parametrize("verb", ["log", "show", "explain", "stats", "clear"])
@pytest.mark.parametrize("made", [False, True])
def test_an_empty_store_is_one_line_and_status_1(cache: Path, ask: Ask, verb: str, made: bool) -> None:
    if made:
        store(cache)
    said = ask(verb)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("procache: no")
    assert said.err.count("\n") == 1
    assert str(cache) in said.err


@pytest.mark.parametrize(
    "args",
    [
        *(["log", "-n", "x"], ["log", "-n", "-1"], ["log", "extra"], ["log", "--al"], ["show", "a", "b"]),
        *(
            ["explain", "last", "--", "ls"],
            ["explain", "--"],
            ["explain", "--", ""],
            ["stats", "--all"],
            ["clear", "x"],
        ),
    ],
)
def test_wrong_use_is_status_2_and_one_line(ask: Ask, args: list[str]) -> None:
    said = ask(*args)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("procache: ")
    assert said.err.count("\n") == 1


def test_help_is_no_error(ask: Ask) -> None:
    said = ask("explain", "--help")
    assert said.status == 0
    assert "RUN | -- CMD" in said.out


@pytest.mark.parametrize("verb", ["log", "show"])
def test_a_closed_pipe_ends_quietly(cache: Path, verb: str) -> None:
    many(3000).save(cache)
    words = [*_procache(verb, cache), *(["--all"] if verb == "show" else [])]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env=_environment(), check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_latin_terminal_gets_escapes_not_an_error(cache: Path) -> None:
    Journal("écho", "日本").end().save(cache)
    environment = {**_environment(), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(_procache("log", cache), capture_output=True, env=environment, check=True)
    assert done.stdout.isascii()
    assert rb"\u65e5\u672c" in done.stdout


def _procache(verb: str, cache: Path) -> list[str]:
    code = "import sys; from procache.report import main; sys.exit(main(sys.argv[1], sys.argv[2:]))"
    return [sys.executable, "-c", code, verb, "--cache-dir", str(cache)]


def _environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root)}
