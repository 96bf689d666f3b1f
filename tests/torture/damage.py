"""Damage: each byte of a record file and of blobs flipped, and each shorter length.

What is damaged is a miss and is set aside; never a crash, never anything that was not stored. For all bytes this is
asked of the readers themselves, for some through whole runs, which must be as native ones, now and later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.filling import blob_path

from procache import digests
from procache.store import blobs, records
from procache.store.layout import Layout

from . import check
from .bench import Bench
from .faults import Expected, prepare, shortened
from .place import Place, differences

#: Bytes of the blob of which each byte is flipped.
BLOB = 1500
RUNS = 200


class Damage(NamedTuple):
    """A change of one file of the store: a bit of a byte, or a length."""

    part: float
    bit: int
    cut: bool

    def __str__(self) -> str:
        return f"cut at {self.part:.4f}" if self.cut else f"bit {self.bit} at {self.part:.4f}"

    def of(self, data: bytes) -> bytes:
        """The damaged content."""
        at = int(self.part * len(data))
        return data[:at] if self.cut else data[:at] + bytes([data[at] ^ 1 << self.bit]) + data[at + 1 :]


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    place = bench.place("readers")
    prepare(place)
    place.put_store(place.root / "known-0")
    place.fresh(1)
    place.run()
    step = 1 if whole else 37
    of_record_files(bench, Layout(os.fsencode(place.store)), step)
    of_blobs(bench, Layout(os.fsencode(place.root / "blobs")), step)
    expected = Expected(bench.place("native"))
    trials = [
        Damage(bench.random.random(), bench.random.randrange(8), bool(number % 2))
        for number in range(RUNS if whole else 4)
    ]
    bench.each(trials, lambda place, damage: run(bench, place, expected, damage), prepare)


def damages(data: bytes, step: int) -> Iterator[tuple[str, bytes]]:
    """(what was done, the content then) for each byte and each length."""
    for at in range(0, len(data), step):
        yield f"bit {at % 8} of byte {at}", data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        yield f"all bits of byte {at}", data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        yield f"cut to {at} bytes", data[:at]


def of_record_files(bench: Bench, layout: Layout, step: int) -> None:
    """The smallest and the largest record file, which has two records. What is read of one was stored in it."""
    paths = sorted(check.below(layout.records), key=lambda path: path.stat().st_size)
    for path in (paths[0], paths[-1]):
        whole, stored = path.read_bytes(), check.packed_records(path)
        key = digests.parsed(path.name.encode())
        for what, data in damages(whole, step):
            path.write_bytes(data)
            believed = read(layout, key or b"")
            bench.count("record files damaged, in the reader")
            bench.count("of these, with a record that is still whole", len(believed) > 0)
            bench.promise(all(packed in stored for packed in believed), f"{path.name}, {what}: believed")
            bench.promise(len(believed) < len(stored) or data == whole, f"{path.name}, {what}: all is believed")
            bench.count("of these, set aside at once", not path.exists())
        path.write_bytes(whole)


def read(layout: Layout, key: bytes) -> list[bytes]:
    """The records of a key that check, packed; each of them is unpacked, too."""
    found: list[bytes] = []
    file = records.find(layout, key)
    if file is not None:
        with file:
            found = [packed for place in range(file.count) if (packed := file.packed(place)) is not None]
            assert len([place for place in range(file.count) if file.record(place) is not None]) == len(found)
    return found


def of_blobs(bench: Bench, layout: Layout, step: int) -> None:
    """Blobs as they are, and compressed: a damaged one is not believed, and is gone from its place."""
    layout.prepare()
    for name, content in (("plain", os.urandom(BLOB)), ("compressed", os.urandom(BLOB) + b"text\n" * 2000)):
        digest = digests.of_bytes(content)
        blobs.put(layout, digest, content)
        path = Path(os.fsdecode(blob_path(layout, content)))
        stored = path.read_bytes()
        for what, data in damages(stored, step):
            bench.count(f"{name} blobs damaged, in the readers")
            for reader in (copied, opened):
                path.write_bytes(data)
                try:
                    believed = reader(layout, digest, len(content), bench.root / "copy")
                except blobs.Bad:
                    bench.promise(not path.exists(), f"{name} blob, {what}: not set aside")
                else:
                    bench.promise(believed == content, f"{name} blob, {what}: believed")


def copied(layout: Layout, digest: bytes, size: int, target: Path) -> bytes:
    """What a replay copies. Raises Bad."""
    with open(target, "w+b") as file:
        blobs.copy_to(layout, digest, size, file.fileno())
    return target.read_bytes()


def opened(layout: Layout, digest: bytes, size: int, target: Path) -> bytes:
    """What a replay reads. Raises Bad."""
    with open(blobs.open_plain(layout, digest, size), "rb") as file:
        return file.read()


def run(bench: Bench, place: Place, expected: Expected, damage: Damage) -> None:
    """One damaged file each of records and blobs, and a run; then one more, which must be a hit again."""
    for part, choose in (("records", root_record), ("blobs", any_file)):
        place.put_store(place.root / "known-0")
        place.fresh(0)
        path = choose(bench, place, part)
        data = path.read_bytes()
        if not data:
            continue
        os.chmod(path, 0o600)
        path.write_bytes(damage.of(data))
        bench.count(f"runs with a damaged file of {part}")
        wrong = differences(expected.seen[0], place.run())
        place.fresh(0)
        seen = place.run()
        wrong += [f"later: {line}" for line in differences(expected.seen[0], seen)]
        wrong += [f"said: {seen.err!r}"] * (seen.err != expected.seen[0].err)
        # what no run has read is still damaged
        wrong += [fault for fault in check.look(place.store).faults if path.name not in fault]
        bench.promise(not wrong, f"{part}, {path.name}, {damage}: {shortened(wrong)}")


def root_record(bench: Bench, place: Place, part: str) -> Path:
    """The record file of the whole command (the one that was stored last), or any."""
    files = files_of(place, part)
    return max(files, key=lambda path: path.stat().st_mtime_ns) if bench.random.random() < 0.5 else files[0]


def any_file(bench: Bench, place: Place, part: str) -> Path:
    """A file at random."""
    return bench.random.choice(files_of(place, part))


def files_of(place: Place, part: str) -> list[Path]:
    """The files of a part of the store, in the same order each time."""
    layout = Layout(os.fsencode(place.store))
    return sorted(check.below(layout.records if part == "records" else layout.blobs))
