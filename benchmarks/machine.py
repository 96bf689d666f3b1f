"""The machine a number was measured on: without it the number says little."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

KIB_PER_GIB = 1 << 20


def describe() -> dict[str, str | int | float]:
    return {
        "cpu": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo") or 0) / KIB_PER_GIB, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def sentence(machine: dict[str, str | int | float]) -> str:
    return (
        "{cpu}, {cores} cores, {memory_gib} GiB, Linux {kernel}, Python {python}, load {load} at the start"
    ).format_map(machine)


def _first(pattern: str, path: str) -> str | None:
    found = re.search(pattern, Path(path).read_text())
    return found[1].strip() if found else None
