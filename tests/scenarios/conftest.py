"""Fixtures of the scenarios: compiled programs (once per session) and a fresh lab for each test."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from common.compiled import compile_all

from .lab import Lab
from .survivors import alive

SOURCES = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every program of programs/*.c, compiled."""
    return compile_all(SOURCES.glob("*.c"), tmp_path_factory.mktemp("programs"))


@pytest.fixture
def lab(tmp_path: Path, programs: Path) -> Lab:
    """A fresh work folder and a fresh cache."""
    return Lab(tmp_path, programs)


@pytest.fixture
def marker() -> Iterator[str]:
    """A word that no other process has among its arguments; whoever has it in the end is killed."""
    word = f"marker-{os.getpid()}-{time.monotonic_ns()}"
    yield word
    for pid in alive(word, whole=False):
        os.kill(pid, signal.SIGKILL)
