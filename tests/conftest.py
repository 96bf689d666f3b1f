"""Make `import procache` work from a checkout, for the tests and for what they start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--all``: also what takes minutes."""
    parser.addoption("--all", action="store_true", help="the whole conformance battery, not only its quick part")
