"""Two algorithms for digests, side by side in one store; and commands of which many results are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from common import journal

from procache.store import records
from procache.store.layout import Layout

from .lab import Lab

SCRIPT = "blob 100000 > big; blob 300000; steps cat in open small wct write little; sort < in | cat"


def names(lab: Lab, part: str) -> set[str]:
    """How the files in a part of the store begin: each with the letter of its algorithm."""
    return {path.name[0] for path in (lab.cache / "v2" / part).rglob("*") if path.is_file() and path.name[0] != "."}


def test_both_work_and_neither_sees_the_results_of_the_other(lab: Lab) -> None:
    lab.write("in", "2\n1\n")
    pytest.importorskip("blake3")
    for digest, letters in (("blake3", {"b"}), ("xxh3", {"b", "x"})):
        lab.env["PROCACHE_DIGEST"] = digest
        assert lab.both(SCRIPT).root.outcome == "miss"
        assert (names(lab, "records"), names(lab, "blobs")) == (letters, letters)
    for digest in ("blake3", "xxh3"):
        lab.env["PROCACHE_DIGEST"] = digest
        lab.remove("big", "small")
        assert lab.both(SCRIPT).root.outcome == "hit"
        lab.rewrite("in", "2\n3\n")
        assert lab.both(SCRIPT).root.outcome == "miss"
        lab.rewrite("in", "2\n1\n")
        assert lab.both(SCRIPT).root.outcome == "hit"
    for digest in ("blake3", "xxh3"):
        lab.env["PROCACHE_DIGEST"] = digest
        assert lab.raw(["verify"]).status == 0
    keys = set(records.keys(Layout(os.fsencode(lab.cache))))
    assert {key[:1]: len(key) for key in keys} == {b"x": 17, b"b": 33}


def test_input_from_a_pipe(lab: Lab) -> None:
    pytest.importorskip("blake3")
    lab.env["PROCACHE_DIGEST"] = "blake3"
    for outcome in ("miss", "hit"):
        assert lab.both("blob 100000 | sha256sum; true").outcomes("sha256sum") == [outcome] * (outcome == "miss")
    assert lab.both("blob 100000 | sha256sum; exit 0").outcomes("sha256sum") == ["hit"]


def test_a_missing_package_is_named(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "blake3.py").write_text("raise ImportError('none here')")
    lab.env["PYTHONPATH"] = f"{tmp_path}:{lab.env['PYTHONPATH']}"
    lab.env["PROCACHE_DIGEST"] = "blake3"
    run = lab.run("steps say x")
    assert (run.status, run.out) == (2, b"")
    assert b"pip install 'procache[blake3]'" in run.err
    assert not journal.journals(lab.cache)


def test_results_for_many_inputs_are_found_again(lab: Lab) -> None:
    script = "steps cat in open out wct write little; sort in; true"
    for number in range(12):
        lab.write("in", f"{number:02}\n")
        assert lab.both(script).outcomes("sort") == ["miss"]
    for number in (0, 5, 11, 5):
        lab.write("in", f"{number:02}\n")
        assert lab.both(script).root.outcome == "hit"
        assert set(lab.both(f"{script}; : {number}").outcomes("sort")) <= {"hit"}
    lab.write("in", "12\n")
    run = lab.both(script)
    assert run.root.outcome == "miss"
    assert any(why.get("path") == os.fsencode(lab.path("in")) for why in run.root.reasons), run.root.reasons


def test_so_many_results_are_kept_as_was_said(lab: Lab) -> None:
    lab.env["PROCACHE_MAX_VARIANTS"] = "3"
    for number in range(5):
        lab.write("in", f"{number}\n")
        lab.run("sort in")
    for number, outcome in ((4, "hit"), (2, "hit"), (1, "miss")):
        lab.write("in", f"{number}\n")
        assert lab.run("sort in").root.outcome == outcome


def test_another_host_goes_by_content(lab: Lab) -> None:
    """Two hosts with one store: what the one has seen of files, but not their identities, holds on the other."""
    lab.write("in", "2\n1\n")
    here = 'sh -c \'exec "$@"\' sh "$@"'
    there = 'unshare --uts sh -c \'echo clone > /proc/sys/kernel/hostname && exec "$@"\' sh "$@"'
    if lab.run("true", around=there).status:
        pytest.skip("no name of its own can be given to a process here")
    assert lab.run("sort in", around=here).root.outcome == "miss"
    assert lab.run("sort in", around=there).root.outcome == "hit"
    lab.rewrite("in", "3\n1\n")
    assert lab.run("sort in", around=there).root.outcome == "miss"
    assert lab.run("sort in", around=here).root.outcome == "hit"
    assert len(list((lab.cache / "v2" / "memo").iterdir())) == 2
