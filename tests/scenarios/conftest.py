"""Fixtures of the scenarios: compiled programs (once per session) and a fresh lab for each test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .lab import Lab

SOURCES = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every program of programs/*.c, compiled."""
    folder = tmp_path_factory.mktemp("programs")
    compiling = [_compile(source, folder / source.stem) for source in sorted(SOURCES.glob("*.c"))]
    for process in compiling:
        assert process.wait() == 0, f"gcc failed: {process.args!r}"
    return folder


@pytest.fixture
def lab(tmp_path: Path, programs: Path) -> Lab:
    """A fresh work folder and a fresh cache."""
    return Lab(tmp_path, programs)


def _compile(source: Path, target: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", target, source])
