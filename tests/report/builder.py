"""Makes stores and journals by hand, for tests of what is made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgpack

from procache.report.journal import Run, read
from procache.store import usage
from procache.store.layout import Layout

START = 1_800_000_000.0
RUN_ID = "20270115T080000.000000-77"


class Journal:
    """Events of one run, packed as they are added."""

    def __init__(self, *argv: str | bytes, name: str = RUN_ID, **fields: Any) -> None:
        self.name = name
        self.events: list[bytes] = []
        self.counts = {"hit": 0, "miss": 0, "uncacheable": 0}
        self.saved = 0.0
        options = {"resume": False, "refresh": False, "no_store": False}
        start = {"version": "0.1.0", "cwd": b"/work", "started": START, "pid": 77, "host": "elsewhere"}
        self.add(
            {
                "t": "run",
                "id": name,
                "argv": words(argv or ("sh", "all.sh")),
                "options": options,
                **start,
                **fields,
            }
        )

    def add(self, event: Any) -> Journal:
        """Append any value."""
        self.events.append(msgpack.packb(event, unicode_errors="surrogateescape"))
        return self

    def ran(self, number: int, parent: int | None, *argv: str | bytes, **fields: Any) -> Journal:
        """Append an execution that was a miss, unless ``fields`` say otherwise."""
        base = {"outcome": "miss", "reasons": [], "status": 0, "utime": 0.5, "stime": 0.25, "maxrss": 2048}
        times = {"started": START + number, "ended": START + number + 1.5, "saved": 0.0, "nested": 0}
        names = {"exe": b"/bin/" + words(argv)[0], "cwd": b"/work", "key": f"{number:032x}"}
        event = {"t": "exec", "id": number, "parent": parent, "argv": words(argv), **names, **base, **times}
        event |= fields
        if event["outcome"] in self.counts:
            self.counts[event["outcome"]] += 1
        self.saved += event["saved"]
        return self.add(event)

    def hit(self, number: int, parent: int | None, *argv: str | bytes, **fields: Any) -> Journal:
        """Append an execution that was skipped and saved two seconds."""
        gain = {"outcome": "hit", "saved": 2.0, "nested": 1, "utime": 0.0, "stime": 0.0, "maxrss": 0}
        return self.ran(number, parent, *argv, **{**gain, **fields})

    def end(self, status: int = 0, **fields: Any) -> Journal:
        """Append the end of the run."""
        counts = {"hit": 0, "miss": 0, "uncacheable": 0}
        return self.add({"t": "end", "ended": START + 9, "status": status, "counts": counts, **fields})

    @property
    def data(self) -> bytes:
        """The whole journal."""
        return b"".join(self.events)

    def run(self) -> Run:
        """The journal as it is read."""
        return read(self.name, self.data)

    def save(self, cache: Path) -> Path:
        """Write the journal into the store in ``cache``, which is made at need, and count the run."""
        path = store(cache) / "runs" / f"{self.name}.journal"
        path.write_bytes(self.data)
        usage.append(Layout(os.fsencode(cache)), (1, *self.counts.values()), self.saved)
        return path


def words(argv: tuple[str | bytes, ...]) -> list[bytes]:
    """Arguments as bytes."""
    return [word.encode() if isinstance(word, str) else word for word in argv]


def differs(path: str, aspect: str = "content", recorded: Any = "old", current: Any = "new") -> dict[str, Any]:
    """The reason that a fact gives."""
    fact = {"path": path.encode(), "aspect": aspect, "recorded": recorded, "current": current}
    return {"code": "fact-differs", **fact}


def store(cache: Path) -> Path:
    """An empty store in ``cache``; returns its versioned folder."""
    cache.mkdir(mode=0o700, exist_ok=True)
    for name in ("records", "blobs", "runs", "tmp"):
        (cache / "v2" / name).mkdir(parents=True, exist_ok=True)
    return cache / "v2"
