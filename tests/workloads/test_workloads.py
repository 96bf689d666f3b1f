"""The workloads measure what they say: a change is a change, and only what varies is left out of a comparison."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.account import account
from benchmarks.contenders import missing
from benchmarks.trees import differences, snapshot
from benchmarks.workloads import TOOLS, Workload, catalogue
from benchmarks.workloads.base import Varying

WORKLOADS = {workload.name: workload for workload in catalogue(3)}


def test_a_varying_part_is_left_out_where_it_is_named_and_nowhere_else(tmp_path: Path) -> None:
    before = {"a.log": "took 1 s, 5 hits", "b.txt": "took 1 s"}
    after = {"a.log": "took 2 s, 5 hits", "b.txt": "took 2 s"}
    for folder, texts in (("one", before), ("two", after)):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_text(text)
    varies = [Varying("*.log", rb"took \d+ s", "a time")]
    assert differences(snapshot(tmp_path / "one", varies), snapshot(tmp_path / "two", varies)) == ["b.txt"]
    (tmp_path / "two" / "a.log").write_text("took 2 s, 6 hits")
    assert differences(snapshot(tmp_path / "one", varies), snapshot(tmp_path / "two", varies)) == ["a.log", "b.txt"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_change_changes_one_input(tmp_path: Path, name: str) -> None:
    workload = WORKLOADS[name]
    if absent := missing(workload.needs):
        pytest.skip(f"{absent[0]} is not there")
    workload.fill(tmp_path / "filled")
    before = snapshot(tmp_path / "filled")
    workload.change(tmp_path / "filled")
    assert len(differences(before, snapshot(tmp_path / "filled"))) == 1


@pytest.mark.parametrize("workload", [WORKLOADS[name] for name in TOOLS], ids=TOOLS)
def test_what_varies_is_named_with_its_source(workload: Workload) -> None:
    for part in workload.varies:
        re.compile(part.pattern)
        assert part.files.startswith("out/")
        assert part.source


def test_an_account_tells_what_was_skipped_and_why_the_rest_ran() -> None:
    reason = {"sentence": "/w/in/a: content differs (recorded 1 B, now 2 B)"}
    document = {
        "counts": {"hit": 2, "miss": 2, "uncacheable": 0},
        "executions": [
            {"argv": ["sh", "d.sh"], "outcome": "miss", "reasons": [reason], "only_because_of": [1]},
            {"argv": ["/bin/bwa", "mem", "in/a"], "outcome": "miss", "reasons": [reason]},
            {"argv": ["sort", "in/b"], "outcome": "hit", "reasons": []},
            {"argv": ["sort", "in/c"], "outcome": "hit", "reasons": []},
        ],
    }
    found = account(document, Path("/w"))
    assert (found.hit, found.run) == (2, 2)
    assert list(found.lines()) == [
        "skipped: 2 × sort",
        "ran: 1 × sh: only because of what is under it",
        "ran: 1 × bwa mem: in/a: content differs",
    ]
