"""Record files: all variants recorded for one command key, newest first.

A file is a head, which says where what is, and the packed records one after the other. A look-up reads the head
and then only those records that may fit (``procache.model.traits``), so that a command with a thousand variants is
looked up like one with a few. Head and records have a checksum each: a file whose head does not check is set aside,
a record that does not check is passed over. What is unreadable is a miss.
"""

from __future__ import annotations

import errno
import os
import struct
from itertools import accumulate

import msgpack

from procache import digests
from procache.model import checks
from procache.model.reasons import reason
from procache.model.record import IDENTITY_LENGTH, Damaged, Record
from procache.store import CAREFUL, hosts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.match import Streams
    from procache.model.policy import Policy
    from procache.model.reasons import Reason
    from procache.store.layout import Layout
    from procache.world.view import World

MAGIC = b"procache records 2\n"
#: The length of the head, which stands between the first line and the head's checksum.
LENGTH = struct.Struct("<I")
#: What is read at once: all of most files, and the head of nearly every other.
FIRST = 1 << 16
#: What lies beyond this offset is not read, and a record that would is not written.
LARGEST = 1 << 28
#: The longest array in a head, which says which traits there are: it bounds what a damaged one can make us allocate.
MOST_ELEMENTS = 256


class RecordFile:
    """An open record file. ``count`` records, the newest at place 0; ``st`` is of the file.

    ``places``: the offsets at which they begin, and at which the last one ends. One after the other lie their
    ``identities``, the ``hosts`` that wrote them, and the ``sums``, checksums without the letter of their algorithm.
    ``traits`` tell them apart; ``columns``: the marks of all records, for each trait. ``refused``: why records that
    were asked for may not be used.
    """

    __slots__ = (
        "fd",
        "st",
        "data",
        "letter",
        "shared",
        "refused",
        "count",
        "traits",
        "identities",
        "hosts",
        "sums",
        "places",
        "columns",
        "damaged",
    )

    def __init__(self, fd: int, letter: bytes, *, shared: bool = False) -> None:
        self.fd = fd
        self.shared = shared
        self.refused: list[Reason] = []
        #: some record does not check, or is cut off
        self.damaged = False
        self.st = os.fstat(fd)
        self.letter = letter
        self.data = _piece(fd, 0, min(FIRST, self.st.st_size))
        self._parse(digests.algorithm(letter).length)

    def _parse(self, width: int) -> None:
        """Take the head apart. Raises Damaged where it is none."""
        begin = len(MAGIC) + LENGTH.size + width
        if not self.data.startswith(MAGIC) or len(self.data) < begin:
            raise Damaged("no record file")
        (length,) = LENGTH.unpack_from(self.data, len(MAGIC))
        if len(self.data) < begin + length <= min(self.st.st_size, LARGEST):
            self.data += self.read(len(self.data), begin + length)
        head = self.data[begin : begin + length]
        if len(head) != length or not digests.fits(self.data[begin - width : begin], head):
            raise Damaged("the head of a record file")
        try:
            self.traits, sizes, self.identities, self.hosts, self.sums, *marks = msgpack.unpackb(
                head, use_list=False, max_array_len=MOST_ELEMENTS, max_map_len=0, max_ext_len=0
            )
            self.places = list(accumulate(memoryview(sizes).cast("I"), initial=begin + length))
            self.columns = [memoryview(column).cast("I") for column in marks]
            self._check(width - 1)
        except Exception as error:  # msgpack raises whatever its input makes it raise
            raise Damaged(str(error)) from error

    def _check(self, width: int) -> None:
        """Raise ValueError where columns do not hold what they should; leave out the records that are cut off.

        Raises Damaged for what can be no trait.
        """
        self.count = count = len(self.places) - 1
        lengths = [len(self.identities), len(self.hosts), len(self.sums), *map(len, self.columns)]
        if lengths != [count * IDENTITY_LENGTH, count * hosts.LENGTH, count * width, *[count] * len(self.traits)]:
            raise ValueError("columns of several lengths")
        for path, side in self.traits:
            checks.check_trait(path, side)
        while self.count and self.places[self.count] > min(self.st.st_size, LARGEST):
            self.count -= 1
            self.damaged = True

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- records ---------------------------------------------------------------------------------------

    def identity(self, place: int) -> bytes:
        """What tells the record at a place from the others (``Record.identity``)."""
        found: bytes = self.identities[place * IDENTITY_LENGTH : (place + 1) * IDENTITY_LENGTH]
        return found

    def packed(self, place: int) -> bytes | None:
        """The packed record at a place; None where it is damaged or cannot be read."""
        try:
            content = self.read(self.places[place], self.places[place + 1])
        except OSError:
            return None
        width = digests.LENGTHS[self.letter] - 1
        checksum = self.letter + self.sums[place * width : (place + 1) * width]
        if digests.fits(checksum, content):
            return content
        self.damaged = True
        return None

    def record(self, place: int) -> Record | None:
        """The record at a place, as it is; None where it is damaged or of another format."""
        try:
            record = self._unpacked(place)
            checks.check_command(record.command)
        except Damaged:
            return None
        return record

    def believed(self, place: int, command: tuple[object, ...]) -> Record | None:
        """The record at a place if it may be used for a command (``Command.fields``); why not goes to ``refused``."""
        try:
            record = self._unpacked(place)
            if record.command != command:
                raise Damaged("it is of another command")
            checks.believe(record, shared=self.shared)
        except Damaged as error:
            self.refused.append(reason("not-believed", detail=str(error)))
            return None
        return record

    def _unpacked(self, place: int) -> Record:
        """The record at a place. The files in one of another host are not recognised by their identities."""
        content = self.packed(place)
        if content is None:
            raise Damaged("it is damaged")
        record = Record.unpack(content)
        host = self.hosts[place * hosts.LENGTH : (place + 1) * hosts.LENGTH]
        if host == hosts.NOBODY or host != hosts.own():
            record.forget_identities()
        return record

    def likely(self, world: World, streams: Streams, policy: Policy, command: tuple[object, ...]) -> Iterator[Record]:
        """The records that may fit a command now, the newest first."""
        for place in self.likely_places(world, streams, policy):
            record = self.believed(place, command)
            if record is not None:
                yield record

    def likely_places(self, world: World, streams: Streams, policy: Policy) -> Iterator[int]:
        """The places of these records. The newest is always among them: most often nothing has changed."""
        if self.count:
            yield 0
        if self.count < 2:
            return
        from procache.model import traits

        yield from traits.likely(range(1, self.count), self.traits, self.columns, world, streams, policy)

    def read(self, start: int, end: int) -> bytes:
        """A piece of the file. Raises OSError where it cannot be read."""
        return self.data[start:end] if end <= len(self.data) else _piece(self.fd, start, end)


def _piece(fd: int, start: int, end: int) -> bytes:
    """A piece of a file that is at least so long. Raises OSError where it cannot be read."""
    data = os.pread(fd, end - start, start)
    while len(data) < end - start:
        more = os.pread(fd, end - start - len(data), start + len(data))
        if not more:
            raise OSError(errno.EIO, "a record file has become shorter")
        data += more
    return data


def find(layout: Layout, key: bytes) -> RecordFile | None:
    """The record file of a key; None where there is none, or it cannot be read. To be closed."""
    try:
        return opened(layout, key)
    except (OSError, digests.Unknown):
        return None


def opened(layout: Layout, key: bytes) -> RecordFile | None:
    """The record file of a key; None where there is none, or a damaged one, which was set aside. To be closed.

    Raises OSError where it cannot be read, Unknown where its algorithm is not there.
    """
    path = layout.record(key)
    if not os.access(path, os.F_OK):  # most often so in a first run, and cheaper than an error
        return None
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | CAREFUL)
        return RecordFile(fd, key[:1], shared=layout.shared)
    except FileNotFoundError:
        return None
    except Damaged:
        from procache.store import files

        if files.is_at(path, os.fstat(fd)):  # somebody may have put a good one in its place
            layout.set_aside(path)
        os.close(fd)
        return None
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise


def load(layout: Layout, key: bytes) -> Iterator[Record]:
    """The readable records of a command key, newest first."""
    file = find(layout, key)
    if file is not None:
        with file:
            for place in range(file.count):
                record = file.record(place)
                if record is not None:
                    yield record


def count(layout: Layout, key: bytes) -> int:
    """How many records of a command are stored."""
    file = find(layout, key)
    if file is None:
        return 0
    file.close()
    return file.count


def keys(layout: Layout) -> Iterator[bytes]:
    """The keys of all commands that have a record file, in no order."""
    for folder in _listed(layout.records):
        for name in _listed(layout.records + b"/" + folder):
            key = digests.parsed(name)
            if key is not None:
                yield key


def lately_used(layout: Layout, most: int) -> Iterator[Record]:
    """The newest readable record of each command, of the ``most`` commands that were used last."""
    from heapq import nlargest

    for _, key in nlargest(most, ((_last_use(layout.record(key)), key) for key in keys(layout))):
        record = next(load(layout, key), None)
        if record is not None:
            yield record


def _last_use(path: bytes) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _listed(path: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(path))
    except OSError:  # not a folder, or gone
        return []
