"""The battery can fail: a cacher that looks at arguments and folder only is caught by each kind of change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from common.compiled import compile_all

from . import report
from .battery import Verdict, examine
from .cachers import choose
from .case import Case, Change, Hit, Kind
from .make import calls, case, content, folder, gone, leads, listed, mode, start, steps, unrelated
from .pool import SOURCES

Try = Callable[[Case, str], Verdict]
IN = "mkdir d a b; touch d/1; echo one > in; echo a > a/x; echo b > b/x; ln -s a l"

CAUGHT: dict[Kind, tuple[list[str | bytes], Change]] = {
    Kind.CONTENT: (steps("cat in"), content()),
    Kind.LISTING: (steps("ls d"), listed("d")[0]),
    Kind.GONE: (steps("cat in"), gone()),
    Kind.MODE: (steps("stat in"), mode("600")),
    Kind.SYMLINK: (steps("cat l/x"), leads("l", "b")),
    Kind.FOLDER: (steps("cat in"), folder()),
    Kind.ENVIRONMENT: (steps("env COLOUR"), start(Kind.ENVIRONMENT, "a variable", env={"COLOUR": "red"})),
    Kind.LIMIT: (["sh", "-c", "ulimit -n"], start(Kind.LIMIT, "another limit", around='ulimit -n 99; "$@"')),
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the battery."""
    sources = [source for folder in SOURCES for source in folder.glob("*.c")]
    return compile_all(sources, tmp_path_factory.mktemp("programs"))


@pytest.fixture
def tried(tmp_path: Path, programs: Path) -> Try:
    """Examines a case with a cacher."""
    return lambda case, cacher: examine(case, choose(cacher), tmp_path, programs)


@pytest.mark.parametrize("kind", CAUGHT, ids=lambda kind: kind.name)
def test_a_stale_result_is_caught(tried: Try, kind: Kind) -> None:
    command, change = CAUGHT[kind]
    verdict = tried(case("self/x", command, IN, change), "wrong")
    assert any(check.stale for check in verdict.checks if check.stage == change.name), verdict.checks
    assert verdict.faults()


def test_a_hit_that_is_forbidden_is_caught(tried: Try) -> None:
    verdict = tried(case("self/x", steps("say x"), hit=Hit.FORBIDDEN), "wrong")
    assert "replay: a hit, which is forbidden" in verdict.faults()


def test_a_hit_that_is_required_and_missing_is_caught(tried: Try) -> None:
    verdict = tried(case("self/x", steps("say x")), "wrong")
    assert any("below: a hit is required" in line for line in verdict.faults()), "it knows nothing of children"


def test_a_missing_effect_is_caught(tried: Try) -> None:
    verdict = tried(case("self/x", steps("unlink in"), IN), "wrong")
    assert any(line.startswith("replay: 'work/in': expected None") for line in verdict.faults()), verdict.faults()


@pytest.mark.parametrize("what", ["utime out 12345", "truncate out 9000000", "setxattr out user.a b", "link out two"])
def test_an_effect_that_is_no_content_is_caught(tried: Try, what: str) -> None:
    verdict = tried(case("self/x", calls(f"open out wct {what}"), IN), "wrong")
    assert any(line.startswith("replay: 'work/") for line in verdict.faults()), verdict.faults()


def test_a_change_without_influence_is_a_fault_of_the_case(tried: Try) -> None:
    verdict = tried(case("self/x", steps("say x"), IN, content()), "native")
    assert "a hit may be right" in verdict.unusable


def test_a_known_failure_that_is_none_is_told(tried: Try) -> None:
    fine: Case = case("self/x", steps("say x"), known="it fails")
    verdict = tried(fine, "native")
    assert verdict.faults() == ["this is right now, and was known to fail: it fails"]


def test_a_known_failure_is_no_fault(tried: Try) -> None:
    wrong: Case = case("self/x", steps("unlink in"), IN, known="removals are lost", hit=Hit.ALLOWED)
    verdict = tried(wrong, "wrong")
    assert not verdict.faults()
    assert verdict.known() == {"removals are lost"}


def test_native_runs_have_no_fault(tried: Try) -> None:
    verdict = tried(case("self/x", steps("cat in open out wct write x"), IN, content(), unrelated()), "native")
    assert not verdict.faults()
    assert report.table([verdict])[-1] == "| **all** | 1 | 1 | 1 | 3 | 4 | 0 | not told | 0 |"
