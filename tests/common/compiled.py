"""The small C programs of the tests, compiled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

HEADERS = Path(__file__).parent
FLAGS = ["-O1", "-Wall", "-Werror", "-pthread", "-I", str(HEADERS)]


def compile_all(sources: Iterable[Path], folder: Path) -> Path:
    """Compile every source to a program of the same name in ``folder``; all at once. Returns the folder."""
    started = [subprocess.Popen(["gcc", *FLAGS, "-o", folder / source.stem, source]) for source in sorted(sources)]
    for process in started:
        assert process.wait() == 0, f"gcc failed: {process.args!r}"
    return folder
