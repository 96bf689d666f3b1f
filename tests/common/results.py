"""What was seen of a run, and how two of them differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import snapshot


@dataclass
class Result:
    """What a run showed to the outside; ``status`` is negative for death by a signal."""

    status: int
    out: bytes
    err: bytes
    before: snapshot.Snapshot
    after: snapshot.Snapshot

    def seen(self) -> tuple[object, ...]:
        """Status, streams and changes: two runs with equal values cannot be told apart."""
        return self.status, self.out, self.err, snapshot.changes(self.before, self.after)


def differences(native: Result, run: Result, times: tuple[str, ...] = ()) -> list[str]:
    """One line for each thing that differs: status, streams, names of the tree, the times of the given names."""
    lines = []
    for name in ("status", "out", "err"):
        left, right = getattr(native, name), getattr(run, name)
        if left != right:
            lines.append(f"{name}: expected {_short(left)}, seen {_short(right)}")
    return lines + snapshot.differences(native.after, run.after, times)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 600 else f"{text[:300]} ... {text[-200:]} ({len(value)} bytes)"
