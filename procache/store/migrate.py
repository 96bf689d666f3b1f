"""Carrying a store of format 1 over into this format: records, blobs and journals, whatever of them is readable.

The old folder is left as it is until everything is in the new one, and goes in one rename then. What an interrupted
migration has done is found done by the next one. Format 1 had blobs that were never compressed, under the same names;
record files named by the key without the letter of its algorithm; and in those, one frame after the other.
"""

from __future__ import annotations

import os
import shutil
import struct

from procache import digests
from procache.model.record import Damaged, Record
from procache.store import blobs, files, hosts, opened, records
from procache.store.layout import CLEARED, Layout
from procache.store.writer import add_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = b"v1"
_MAGIC = b"procache records 1\n"
#: Length of a packed record, the digest that told variants apart, the checksum of the packed record.
_FRAME = struct.Struct("<I17s17s")


class Carried:
    """What was carried over, in numbers; ``unreadable`` are records and record files."""

    __slots__ = ("records", "blobs", "runs", "unreadable")

    def __init__(self) -> None:
        self.records = self.blobs = self.runs = self.unreadable = 0


def there(layout: Layout) -> bool:
    """True when the cache folder has a store of format 1."""
    return os.path.isdir(_old(layout))


def migrate(layout: Layout, most: int) -> Carried:
    """Carry the old store over and remove it. Raises OSError, with the old one as it was.

    ``most`` records of one command are kept.
    """
    carried = Carried()
    _carry_blobs(layout, carried)
    for name, path in _files(_old(layout) + b"/records"):
        _carry_records(layout, name, path, most, carried)
    _carry_journals(layout, carried)
    aside = layout.top + b"/" + CLEARED + b"%d" % os.getpid()
    os.rename(_old(layout), aside)
    shutil.rmtree(aside, ignore_errors=True)  # what stays goes a day later
    return carried


def _old(layout: Layout) -> bytes:
    return layout.top + b"/" + OLD


def _files(folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, path) of the files in the folders in ``folder``."""
    for part in sorted(os.listdir(folder)):
        if os.path.isdir(folder + b"/" + part):
            for name in sorted(os.listdir(folder + b"/" + part)):
                yield name, b"/".join((folder, part, name))


def _carry_blobs(layout: Layout, carried: Carried) -> None:
    for name, path in _files(_old(layout) + b"/blobs"):
        digest = digests.parsed(name)
        if digest is None or blobs.present(layout, digest):
            continue
        target = blobs.path_of(layout, digest)
        files.make_folder(os.path.dirname(target))
        _link(layout, path, target)
        os.utime(target)  # as young as the records that name it: it would be evicted before them
        carried.blobs += 1


def _carry_journals(layout: Layout, carried: Carried) -> None:
    runs = _old(layout) + b"/runs"
    for name in sorted(os.listdir(runs)):
        target = layout.runs + b"/" + name
        if name.endswith(b".journal") and not os.path.exists(target):
            _link(layout, runs + b"/" + name, target)
            carried.runs += 1


def _link(layout: Layout, path: bytes, target: bytes) -> None:
    """Give a file another name, or copy it where that cannot be."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError:
        staged = files.temporary(layout)
        try:
            shutil.copy2(path, staged, follow_symlinks=False)
            files.place(layout, staged, target)
        except OSError:
            files.drop(staged)
            raise


def _carry_records(layout: Layout, name: bytes, path: bytes, most: int, carried: Carried) -> None:
    """Add the variants of a record file to those that the new store has of the command, the oldest first."""
    key = digests.parsed(b"x" + name)
    if key is None:
        return
    with opened(path) as file:
        data = file.read()
    known = {record.identity() for record in records.load(layout, key)}
    found = list(_unpacked(data, carried))
    for record, packed in reversed(found):
        if record.identity() not in known:
            add_record(layout, key, record, packed, most, hosts.NOBODY)  # who saw the files was not told
            carried.records += 1


def _unpacked(data: bytes, carried: Carried) -> Iterator[tuple[Record, bytes]]:
    """The readable records of a file of format 1, newest first, with their packed form."""
    if not data.startswith(_MAGIC):
        carried.unreadable += 1
        return
    at = len(_MAGIC)
    while at < len(data):
        if at + _FRAME.size > len(data):
            carried.unreadable += 1
            return
        length, _, checksum = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        packed = data[at : at + length]
        if not digests.is_digest(checksum) or not digests.fits(checksum, packed):
            carried.unreadable += 1
            return
        try:
            yield Record.unpack(packed), packed
        except Damaged:
            carried.unreadable += 1
        at += length
