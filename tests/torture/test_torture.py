"""The quick form of each torture: the same trials, fewer of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import Bench
from .command import TORTURES
from .trap import build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of traps."""
    return build(tmp_path_factory.mktemp("library"))


@pytest.mark.parametrize("name", TORTURES)
def test_no_promise_is_broken(name: str, tmp_path: Path, library: Path) -> None:
    bench = Bench(tmp_path / "bench", library)
    TORTURES[name](bench, False)
    assert bench.figures.total() > 0
    assert not bench.broken, f"seed {bench.seed}"
