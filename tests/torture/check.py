"""Whether a store keeps what it promises, looked at from outside: every record whole, every blob what its name says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from common.filling import blob_paths

from procache import digests
from procache.model.record import Damaged, Record
from procache.store import records, zstd
from procache.store.layout import Layout
from procache.store.named import blobs_of

#: No blob of a torture has more bytes.
MOST = 1 << 24


class Store(NamedTuple):
    """What a store holds: the records of each record file, blobs, files in tmp; and what is wrong with it."""

    variants: dict[str, int]
    blobs: int
    temporaries: list[str]
    faults: list[str]


def look(folder: Path) -> Store:
    """Read everything. A store that was never begun is in order."""
    layout = Layout(os.fsencode(folder))
    faults: list[str] = []
    stored = set()
    for digest, path in blob_paths(layout).items():
        stored.add(digest)
        if not holds(digest, path):
            faults.append(f"blob {os.path.basename(os.fsdecode(path))} has another content")
    variants: dict[str, int] = {}
    for file in below(layout.records):
        try:
            found = packed_records(file)
        except Damaged as error:
            faults.append(f"record file {file.name} is damaged: {error}")
            continue
        variants[file.name] = len(found)
        for packed in found:
            lacking = blobs_of(Record.unpack(packed)).keys() - stored
            faults += [f"record file {file.name} names the blob {name.hex()}, which is not there" for name in lacking]
    return Store(variants, len(stored), [path.name for path in below(layout.tmp)], faults)


def packed_records(path: Path) -> list[bytes]:
    """All records of a record file. Raises Damaged where one of them, or the file itself, is."""
    with records.RecordFile(os.open(path, os.O_RDONLY), path.name[:1].encode()) as file:
        found = [file.packed(place) for place in range(file.count)]
        if None in found or file.places[-1] != file.st.st_size:
            raise Damaged(f"{found.count(None)} of {len(found)} records")
    return [packed for packed in found if packed is not None]


def holds(digest: bytes, path: bytes) -> bool:
    """True when a blob is what its name says, found without the code that would set it aside."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(b".zst"):
        try:
            data = b"".join(zstd.pieces(data, MOST))
        except ValueError:
            return False
    return digests.fits(digest, data)


def below(folder: bytes) -> list[Path]:
    """The files below a folder of the store, without locks."""
    found = [Path(os.fsdecode(top), os.fsdecode(name)) for top, _, names in os.walk(folder) for name in names]
    return [path for path in found if not path.name.startswith(".")]
