"""Who is left of a command: its processes are known by a word among their arguments."""

from __future__ import annotations

import time
from pathlib import Path


def alive(marker: str, *, whole: bool = True) -> list[int]:
    """The processes that have the marker among their arguments; or in any of them, as procache has."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended in the meantime
            if marker.encode() in (text.split(b"\0") if whole else text):
                found.append(int(entry.name))
    return found


def gone(marker: str, patience: float = 20.0) -> bool:
    """True as soon as no process has the marker any more, procache and its helpers included."""
    end = time.monotonic() + patience
    while alive(marker, whole=False):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def all_stopped(marker: str, patience: float = 20.0) -> bool:
    """True as soon as every process that has the marker is stopped."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        states = [_state(pid) for pid in alive(marker)]
        if states and all(state in "Tt" for state in states):
            return True
        time.sleep(0.01)
    return False


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
