"""The battery on procache: the quick cases, and with ``--all`` every case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cases import CASES
from .command import chosen
from .pool import Pool


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", chosen(metafunc.config.getoption("--all"), ""))


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """The cases of all tests that were selected, being examined."""
    items = [item for item in request.session.items if "name" in getattr(item, "fixturenames", ())]
    names = [item.callspec.params["name"] for item in items if item.originalname == "test_a_case"]
    with Pool(names, "procache") as pool:
        yield pool


def test_a_case(pool: Pool, name: str, request: pytest.FixtureRequest) -> None:
    verdict = pool.verdicts[name].result()
    if verdict.skipped:
        pytest.skip(f"no {verdict.skipped}")
    faults = verdict.faults()
    assert not faults, "\n".join([f"{name}:", *faults])
    if known := verdict.known():
        pytest.xfail("; ".join(sorted(known)))
    assert len(verdict.checks) == expected_checks(name)


def expected_checks(name: str) -> int:
    """A case is looked at four times, twice for each change, and once more after all of them."""
    changes = len(CASES[name].changes)
    return 4 + 2 * changes + bool(changes)
