"""`procache explain`: every reason, causes before what only follows from them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from procache.model.reasons import WORDS
from procache.report.causes import judge

from .builder import START, Journal, differs
from .conftest import Ask

INPUT = differs("/work/7.fa", "content", "12 bytes", "13 bytes")
NEVER = {"code": "never-cache", "detail": "date"}
CHILD = {"code": "child", "detail": ["date", "never-cache"]}


def one_changed() -> Journal:
    """A driver whose grandchild missed for its input, with a hit beside it."""
    journal = Journal().ran(2, 1, "clustalw", "7.fa", reasons=[INPUT]).hit(3, 1, "clustalw", "8.fa")
    return journal.ran(1, 0, "sh", "-c", "job", reasons=[INPUT]).ran(0, None, "sh", "all.sh", reasons=[INPUT]).end()


def test_one_changed_input_is_one_cause_and_the_ancestors_follow(cache: Path, ask: Ask) -> None:
    one_changed().save(cache)
    said = ask("explain")
    assert said.status == 0
    assert said.out.splitlines()[3:] == [
        "",
        "Causes",
        "  miss        #2    clustalw 7.fa",
        "      - /work/7.fa: content differs (recorded 12 bytes, now 13 bytes)",
        "",
        "Consequences",
        "  miss        #0    sh all.sh",
        "      - only because of what is under it: #2 clustalw 7.fa",
        "  miss        #1    sh -c job",
        "      - only because of what is under it: #2 clustalw 7.fa",
    ]


def test_all_lists_the_hits_too(cache: Path, ask: Ask) -> None:
    one_changed().save(cache)
    assert ask("explain", "--all").out.splitlines()[-2:] == ["Hits", "  hit         #3    clustalw 8.fa"]


def test_all_reasons_are_told_in_words(cache: Path, ask: Ask) -> None:
    reasons = [{"code": code, "path": b"/p", "aspect": "mode", "detail": "d"} for code in WORDS if code != "child"]
    Journal().ran(0, None, "x", reasons=reasons).end().save(cache)
    lines = [line for line in ask("explain").out.splitlines() if line.startswith("      - ")]
    assert len(lines) == len(reasons)
    assert "?" not in "".join(line for line in lines if "recorded" not in line)


def test_a_parent_with_a_reason_of_its_own_is_a_cause_and_names_what_else(cache: Path, ask: Ask) -> None:
    script = differs("/work/all.sh")
    journal = Journal().ran(1, 0, "clustalw", reasons=[INPUT])
    journal.ran(0, None, "sh", "all.sh", reasons=[script, INPUT]).end().save(cache)
    out = ask("explain").out
    assert "Consequences" not in out
    assert "/work/all.sh: content differs" in out
    assert "      - and #0 also because of what is under it: #1 clustalw" in out
    assert out.count("/work/7.fa: content") == 1


def test_an_uncacheable_part_is_named_at_every_height() -> None:
    never = {"outcome": "uncacheable", "reasons": [NEVER]}
    follows = {"outcome": "uncacheable", "reasons": [CHILD]}
    journal = Journal().ran(2, 1, "date", **never).ran(1, 0, "sh", "-c", "date", **follows)
    verdict = judge(journal.ran(0, None, "sh", **follows).end().run())
    assert [[node.id for node in group.nodes] for group in verdict.causes] == [[2]]
    assert [(item.node.id, [one.id for one in item.sources]) for item in verdict.consequences] == [
        (0, [2]),
        (1, [2]),
    ]


def test_a_child_reason_without_the_child_is_still_told(cache: Path, ask: Ask) -> None:
    Journal().ran(0, None, "sh", outcome="uncacheable", reasons=[CHILD]).end().save(cache)
    assert "- a part of it is not cacheable: date: never-cache" in ask("explain").out


def test_jobs_with_the_same_reasons_are_one_group(cache: Path, ask: Ask) -> None:
    journal = Journal()
    library = differs("/usr/lib/libc.so")
    for number in range(1, 101):
        journal.ran(number, 0, "job", str(number), reasons=[library])
    journal.ran(0, None, "sh", reasons=[library]).end().save(cache)
    out = ask("explain").out
    assert out.count("/usr/lib/libc.so") == 1
    assert "  … 90 more misses, for the same reasons (--all names them)" in out
    assert "#1 job 1" in out
    assert "job 100" in ask("explain", "--all").out


def test_other_values_of_the_same_path_are_another_group() -> None:
    journal = Journal().ran(1, 0, "a", reasons=[differs("/x", current="1")])
    journal.ran(2, 0, "b", reasons=[differs("/x", current="2")])
    assert len(judge(journal.ran(0, None, "sh", reasons=[]).end().run()).causes) == 3


def test_a_run_of_hits_has_nothing_to_explain(cache: Path, ask: Ask) -> None:
    Journal().hit(0, None, "sh").end().save(cache)
    said = ask("explain")
    assert said.status == 0
    assert said.out.endswith("every execution was a hit: nothing to explain\n")


def test_a_killed_run_says_what_did_not_finish(cache: Path, ask: Ask) -> None:
    Journal().hit(1, 0, "sh").save(cache)
    out = ask("explain").out
    assert "1 execution did not finish" in out
    assert out.endswith("every execution that finished was a hit: nothing to explain\n")


def test_the_folder_is_told_where_it_is_not_the_runs(cache: Path, ask: Ask) -> None:
    journal = Journal().ran(1, 0, "sort", "in", cwd=b"/work/a", reasons=[{"code": "no-record"}])
    journal.ran(0, None, "sh", reasons=[{"code": "no-record"}]).end().save(cache)
    assert "#1    sort in  in /work/a\n" in ask("explain").out


def test_json_has_every_reason_with_values_and_sentence(cache: Path, ask: Ask) -> None:
    digest = b"x" + bytes(range(0xA0, 0xB0))
    state = [0o100644, 0, 0, 5, 1, 1, digest, None]
    link = differs("/l", "target", b"/a\xff", "ENOENT")
    Journal().ran(0, None, "x", reasons=[differs("/f\xe9", recorded=state), link]).end().save(cache)
    told = ask("explain", "--json").json
    first, second = told["executions"][0]["reasons"]
    assert first["recorded"][6] == "x:" + digest[1:].hex()
    assert first["sentence"].startswith("/fé: content differs")
    assert second["recorded"].encode("utf-8", "surrogateescape") == b"/a\xff"


def test_json_names_the_sources_and_leaves_hits_out(cache: Path, ask: Ask) -> None:
    one_changed().save(cache)
    told = ask("explain", "--json").json["executions"]
    assert {one["id"]: one["only_because_of"] for one in told} == {0: [2], 1: [2], 2: []}
    assert len(ask("explain", "--json", "--all").json["executions"]) == 4


def test_ten_thousand_failures_are_judged_in_time() -> None:
    journal = Journal()
    for number in range(1, 10_001):
        journal.ran(number, number - 1, "env", reasons=[differs("/common"), differs(f"/own/{number}")])
    verdict = judge(journal.ran(0, None, "sh", reasons=[differs("/common")]).end().run())
    assert sum(len(group.nodes) for group in verdict.causes) == 10_000


# -- explain -- CMD --------------------------------------------------------------------------------


@pytest.fixture
def diagnose(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``procache.diagnose.diagnose`` answers in a test; ``asked`` is what it was asked."""
    answer: dict[str, Any] = {"outcome": "miss", "variants": [], "nearest": None}

    def fake(argv: list[bytes], cache_dir: str | None, *policy: object) -> dict[str, Any]:
        asked.append((argv, cache_dir))
        return answer

    asked: list[tuple[list[bytes], str | None]] = []
    module = ModuleType("procache.diagnose")
    module.diagnose = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "procache.diagnose", module)
    monkeypatch.setattr(sys.modules["procache"], "run", module, raising=False)
    answer["asked"] = asked
    return answer


def test_a_command_that_would_be_skipped(diagnose: dict[str, Any], cache: Path, ask: Ask) -> None:
    diagnose["outcome"] = "hit"
    said = ask("explain", "--", "sort", "--", "a b")
    assert (said.status, said.out) == (0, "sort -- 'a b'\nwould be skipped now: a recorded result fits\n")
    assert diagnose["asked"] == [([b"sort", b"--", b"a b"], str(cache))]


def test_every_recorded_result_says_how_it_differs_newest_first(diagnose: dict[str, Any], ask: Ask) -> None:
    old = {"stored": START, "differences": [differs("/old")]}
    new = {"stored": START + 60, "differences": [differs("/new"), differs("/more")]}
    diagnose["variants"] = [old, new]
    out = ask("explain", "--", "sort").out
    assert "would run now: no recorded result fits" in out
    assert out.index("recorded result 1 of 2") < out.index("/new") < out.index("/more") < out.index("/old")


def test_the_nearest_command_says_what_differs(diagnose: dict[str, Any], ask: Ask) -> None:
    differs_in = {"code": "command-differs", "aspect": "working folder", "recorded": b"/a", "current": b"/b"}
    diagnose["nearest"] = {"argv": [b"sort", b"x"], "differences": [differs_in]}
    out = ask("explain", "--", "sort").out
    assert "nothing is recorded for exactly this command\n" in out
    assert out.endswith("the nearest recorded command is sort x\n  - working folder: recorded /a, now /b\n")


def test_old_results_are_counted_unless_all_are_asked_for(diagnose: dict[str, Any], ask: Ask) -> None:
    diagnose["variants"] = [{"stored": START + n, "differences": [differs(f"/{n}")]} for n in range(8)]
    assert "… 5 older results (--all shows all)" in ask("explain", "--", "sort").out
    assert "recorded result 8 of 8" in ask("explain", "--all", "--", "sort").out


def test_an_uncacheable_command_says_why(diagnose: dict[str, Any], ask: Ask) -> None:
    diagnose.update(outcome="uncacheable", reasons=[NEVER])
    assert "  - date is on the list of programs" in ask("explain", "--", "date").out


def test_a_diagnosis_as_json(diagnose: dict[str, Any], ask: Ask) -> None:
    diagnose["variants"] = [{"stored": START, "differences": [INPUT]}]
    told = ask("explain", "--json", "--", "sort", "\udcff").json
    assert told["argv"] == ["sort", "\udcff"]
    assert (told["outcome"], told["nearest"], told["variants"][0]["stored"]) == ("miss", None, START)
    assert told["variants"][0]["differences"][0]["sentence"].startswith("/work/7.fa: content differs")
