"""Fixtures: a place to work in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An empty folder and an empty store, with the usual umask."""
    old = os.umask(0o022)
    yield Place(tmp_path)
    os.umask(old)
