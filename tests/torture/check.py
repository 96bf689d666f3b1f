"""Whether a store keeps what it promises, looked at from outside: every record whole, every blob what its name says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from procache import digests
from procache.model.record import Record
from procache.store import blobs, records
from procache.store.layout import Layout
from procache.store.named import blobs_of


class Store(NamedTuple):
    """What a store holds: the variants of each record file, blobs, files in tmp; and what is wrong with it."""

    variants: dict[str, int]
    blobs: int
    temporaries: list[str]
    faults: list[str]


def look(folder: Path) -> Store:
    """Read everything. A store that was never begun is in order."""
    layout = Layout(os.fsencode(folder))
    faults: list[str] = []
    stored = set()
    for digest, path in blobs.names(layout):
        stored.add(digest)
        if not holds(layout, digest, path):
            faults.append(f"blob {os.fsdecode(path)} has another content")
    variants: dict[str, int] = {}
    for file in below(layout.records):
        data = file.read_bytes()
        found = list(records.frames(data))
        variants[file.name] = len(found)
        if len(records.MAGIC) + sum(len(records.frame(*each)) for each in found) != len(data):
            faults.append(f"record file {file.name} is damaged")
        for _, packed in found:
            lacking = blobs_of(Record.unpack(packed)).keys() - stored
            faults += [f"record file {file.name} names the blob {name.hex()}, which is not there" for name in lacking]
    return Store(variants, len(stored), [path.name for path in below(layout.tmp)], faults)


def holds(layout: Layout, digest: bytes, path: bytes) -> bool:
    """True when a blob is what its name says."""
    with open(path, "rb") as file:
        return digests.of_bytes(file.read()) == digest


def below(folder: bytes) -> list[Path]:
    """The files below a folder of the store, without locks."""
    found = [Path(os.fsdecode(top), os.fsdecode(name)) for top, _, names in os.walk(folder) for name in names]
    return [path for path in found if not path.name.startswith(".")]
