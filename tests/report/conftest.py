"""Runs a verb as the command line would, and keeps what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from procache.report import main


class Said(NamedTuple):
    """Exit status, stdout and stderr of a verb."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


Ask = Callable[..., Said]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where the store of a test is; nothing is there yet."""
    return tmp_path / "cache"


@pytest.fixture
def ask(cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Calls ``main`` with the cache folder of the test."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(verb: str, *args: str) -> Said:
        status = main(verb, ["--cache-dir", str(cache), *args])
        return Said(status, *capsys.readouterr())

    return call
