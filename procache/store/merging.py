"""Making the content of a record file: the records of an old one, and a new one before them.

What tells the records apart is found out here, once there are more than a few: a new record is compared with one that
the traits known so far do not tell from it, and what differs becomes another trait.
"""

from __future__ import annotations

import array
import errno
import itertools
import os
from collections.abc import Sequence

import msgpack

from procache import digests
from procache.model import traits
from procache.model.record import IDENTITY_LENGTH, MARK, Record
from procache.model.traits import FEW, UNKNOWN, Trait
from procache.store import hosts
from procache.store.records import LARGEST, LENGTH, MAGIC, RecordFile

_pack = msgpack.Packer().pack
#: What a head takes at most (bytes): the traits, and the columns for each record.
_OF_TRAITS, _OF_RECORD = 1 << 17, 128
#: Places of records: from one to before another.
Ranges = list[tuple[int, int]]


class Contents:
    """The content of a record file that is to be written: columns of its head, and the packed records.

    ``columns`` are the marks, for each of ``traits``.
    """

    __slots__ = ("letter", "traits", "sizes", "identities", "hosts", "sums", "columns", "bodies")

    def __init__(self, letter: bytes) -> None:
        self.letter = letter
        self.traits: list[Trait] = []
        self.sizes: list[int] = []
        self.identities = self.hosts = self.sums = b""
        self.columns: list[list[int]] = []
        self.bodies: list[bytes] = []

    def add(self, identity: bytes, host: bytes, packed: bytes, marks: Sequence[int]) -> None:
        """Put a record behind those that there are."""
        self.sizes.append(len(packed))
        self.identities += identity
        self.hosts += host
        self.sums += digests.algorithm(self.letter).whole(packed)
        for column, value in zip(self.columns, marks, strict=True):
            column.append(value)
        self.bodies.append(packed)

    def copy(self, old: RecordFile, ranges: Ranges) -> None:
        """Put records of another file with the same traits behind these, unchecked."""
        width = digests.LENGTHS[self.letter] - 1
        for start, end in ranges:
            edges = old.places[start : end + 1]
            self.sizes += [after - before for before, after in itertools.pairwise(edges)]
            self.identities += old.identities[start * IDENTITY_LENGTH : end * IDENTITY_LENGTH]
            self.hosts += old.hosts[start * hosts.LENGTH : end * hosts.LENGTH]
            self.sums += old.sums[start * width : end * width]
            for column, known in zip(self.columns, old.columns, strict=False):
                column += known[start:end]
            self.bodies.append(old.read(edges[0], edges[-1]))

    def packed(self) -> bytes:
        """The content."""
        marks = (array.array("I", column).tobytes() for column in self.columns)
        sizes = array.array("I", self.sizes).tobytes()
        head: bytes = _pack((self.traits, sizes, self.identities, self.hosts, self.sums, *marks))
        checksum = digests.algorithm(self.letter).of_bytes(head)
        return b"".join((MAGIC, LENGTH.pack(len(head)), checksum, head, *self.bodies))


def merged(old: RecordFile | None, key: bytes, record: Record, packed: bytes, most: int, host: bytes) -> bytes:
    """The content of a record file after adding a record in front, which takes the place of one with the same identity.

    The oldest beyond ``most``, and beyond what a look-up reads, are dropped. The mark of an unstable command and its
    records do not stand beside one another. ``host``: which wrote the record. Raises OSError for a record that is too
    large to be read again.
    """
    if len(packed) > LARGEST // 2:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    identity = record.identity()
    ranges = kept(old, identity, most) if old is not None and identity != MARK else []
    if old is not None:
        ranges = fitting(old, ranges, LARGEST - len(packed) - _OF_TRAITS - _OF_RECORD * (old.count + 1))
    new = Contents(key[:1])
    if old is None or not ranges:
        new.add(identity, host, packed, ())
        return new.packed()
    new.traits, new.columns = list(old.traits), [[] for _ in old.traits]
    trait = another_trait(old, ranges, record)
    if trait is not None:
        new.traits.append(trait)
        new.columns.append([])
    new.add(identity, host, packed, traits.marks(record.facts, new.traits))
    new.copy(old, ranges)
    if trait is not None:
        new.columns[-1] += (_mark(old, place, trait) for start, end in ranges for place in range(start, end))
    return new.packed()


def parted(old: RecordFile, key: bytes, places: Sequence[int]) -> bytes:
    """The content of a record file with the records at some places of an old one, in order. Raises OSError."""
    new = Contents(key[:1])
    new.traits, new.columns = list(old.traits), [[] for _ in old.traits]
    new.copy(old, [(place, place + 1) for place in places])
    return new.packed()


def kept(old: RecordFile, identity: bytes, most: int) -> Ranges:
    """The places of the records that stay when one with this identity comes."""
    gone = sorted(place for other in (identity, MARK) if (place := place_of(old, other)) >= 0)
    ranges, start, room = [], 0, most - 1
    for end in (*gone, old.count):
        end_of_room = min(end, start + room)
        if end_of_room > start:
            ranges.append((start, end_of_room))
            room -= end_of_room - start
        start = end + 1
    return ranges


def fitting(old: RecordFile, ranges: Ranges, room: int) -> Ranges:
    """The first of these places, the records at which take no more than ``room`` bytes together."""
    found: Ranges = []
    for start, last in ranges:
        end = last
        while end > start and old.places[end] - old.places[start] > room:
            end -= 1
        if end > start:
            found.append((start, end))
        if end < last:
            break
        room -= old.places[end] - old.places[start]
    return found


def place_of(old: RecordFile, identity: bytes) -> int:
    """The place of the record with this identity, or -1."""
    at = old.identities.find(identity)
    while at % IDENTITY_LENGTH and at >= 0:
        at = old.identities.find(identity, at + 1)
    return at // IDENTITY_LENGTH if 0 <= at < old.count * IDENTITY_LENGTH else -1


def another_trait(old: RecordFile, ranges: Ranges, record: Record) -> Trait | None:
    """What tells a new record from one of more than a few that the known traits do not tell from it."""
    if len(old.traits) >= traits.MOST:
        return None
    places = [place for start, end in ranges for place in range(start, end)]
    alike = traits.narrowed(places, old.traits, old.columns, traits.marks(record.facts, old.traits))
    if len(alike) <= FEW:
        return None
    for other in (old.record(place) for place in alike[:FEW]):
        trait = traits.telling(record.facts, other.facts) if other is not None else None
        if trait is not None and trait not in old.traits:
            return trait
    return None


def _mark(old: RecordFile, place: int, trait: Trait) -> int:
    record = old.record(place)
    return traits.marks(record.facts, [trait])[0] if record is not None else UNKNOWN
