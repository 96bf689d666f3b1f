"""A finished execution as it is stored: plain values, and their packed form."""

from __future__ import annotations

from itertools import islice

import msgpack

from procache import digests
from procache.model import effects as fx
from procache.model.aspects import IDENTITY, UNSTABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from procache.model.aspects import Fact
    from procache.model.effects import Effect

#: Changes with the meaning of the packed fields; a record of another number is a miss.
FORMAT = 2


#: Bytes of ``Record.identity``.
IDENTITY_LENGTH = 16

#: No array that is read in one piece (a fact, an effect, a command's streams) has more elements. It bounds what nested
#: arrays that claim to be long can make the reader allocate; the long lists are read element by element.
MOST_ELEMENTS = 1 << 14
COMMAND_FIELDS = 7

#: One packer for all: making one costs as much as packing a record.
_pack = msgpack.Packer().pack


class Damaged(Exception):
    """Raised when bytes are not a record of this format; the caller treats that as a miss."""


class Record:
    """What an execution depended on and did.

    ``command``: stored fields of the command. ``environment``: (name, digest of the value). ``facts``:
    (path, aspect, value, times count). ``effects``: see ``effects.Effect``. ``segments``: (descriptor, length) of
    each piece of stream output in order; ``data``: all pieces joined, or None where they are the blob ``data_digest``.
    ``stdin_end``: offset at which an inherited file on descriptor 0 was left, or None. ``status``:
    exit status. ``wall``, ``utime``, ``stime``: seconds; ``maxrss``: KiB. ``nested``: executions in
    this subtree. ``children``: command keys of the direct children. ``stored``: seconds since 1970.
    """

    __slots__ = (
        "command",
        "environment",
        "facts",
        "effects",
        "segments",
        "data",
        "data_digest",
        "stdin_end",
        "status",
        "wall",
        "utime",
        "stime",
        "maxrss",
        "nested",
        "children",
        "stored",
    )

    def __init__(
        self,
        command: tuple[object, ...],
        environment: list[tuple[bytes, bytes]],
        facts: list[Fact],
        effects: list[Effect],
        segments: list[tuple[int, int]],
        data: bytes | None,
        data_digest: bytes,
        stdin_end: int | None,
        status: int,
        wall: float,
        utime: float,
        stime: float,
        maxrss: int,
        nested: int,
        children: list[bytes],
        stored: float,
    ) -> None:
        self.command = command
        self.environment = environment
        self.facts = facts
        self.effects = effects
        self.segments = segments
        self.data = data
        self.data_digest = data_digest
        self.stdin_end = stdin_end
        self.status = status
        self.wall = wall
        self.utime = utime
        self.stime = stime
        self.maxrss = maxrss
        self.nested = nested
        self.children = children
        self.stored = stored

    def values(self) -> tuple[object, ...]:
        """The fields in order, as they are packed."""
        return (
            self.command,
            self.environment,
            self.facts,
            self.effects,
            self.segments,
            self.data,
            self.data_digest,
            self.stdin_end,
            self.status,
            self.wall,
            self.utime,
            self.stime,
            self.maxrss,
            self.nested,
            self.children,
            self.stored,
        )

    def pack(self) -> bytes:
        """The packed form."""
        packed: bytes = _pack((FORMAT, *self.values()))
        return packed

    def identity(self) -> bytes:
        """What tells variants of one command apart: so much of the xxh3 digest of their facts, whoever asks.

        It need not withstand forgery: of two variants with the same, the older one is only forgotten.
        """
        plain = [(path, aspect, telling(value, timed), timed) for path, aspect, value, timed in self.facts]
        return MARK if plain == _MARKED else digests.XXH3.whole(_pack(plain))[:IDENTITY_LENGTH]

    def forget_identities(self) -> None:
        """Let no file be recognised by device, inode and change time: those are of another host."""
        self.facts = [(path, aspect, _without_identity(value), timed) for path, aspect, value, timed in self.facts]
        self.effects = [
            (*effect[: fx.STATE], _without_identity(effect[fx.STATE]), *effect[fx.STATE + 1 :])  # type: ignore[misc]
            for effect in self.effects
        ]

    @classmethod
    def of(cls, values: Iterable[object]) -> Record:
        """The record with these values, in the order of ``values``; what they are is not checked."""
        return cls(*values)  # type: ignore[arg-type]

    @classmethod
    def unpack(cls, packed: bytes) -> Record:
        """The record in ``packed``. Raises Damaged when it is anything else."""
        unpacker = msgpack.Unpacker(
            use_list=False,
            max_buffer_size=len(packed),
            max_array_len=MOST_ELEMENTS,
            max_map_len=0,
            max_ext_len=0,
        )
        try:
            unpacker.feed(packed)
            fields = unpacker.read_array_header() - 1
            if (number := unpacker.unpack()) != FORMAT:
                raise Damaged(f"its format is {number!r}")
            record = cls(*_read_fields(unpacker))
        except Damaged:
            raise
        except Exception as error:  # msgpack raises whatever its input makes it raise
            raise Damaged(f"it cannot be read ({type(error).__name__})") from error
        if fields != len(cls.__slots__) or unpacker.tell() != len(packed):
            raise Damaged("it has other fields")
        return record


def _read_fields(unpacker: msgpack.Unpacker) -> Iterable[Any]:
    """The fields in order; those that may be long are read element by element."""
    yield _read_command(unpacker)
    for _ in ("environment", "facts", "effects", "segments"):
        yield _read_list(unpacker)
    for _ in range(CHILDREN - DATA):
        yield unpacker.unpack()
    yield _read_list(unpacker)
    yield unpacker.unpack()


def _read_list(unpacker: msgpack.Unpacker) -> tuple[Any, ...]:
    count = unpacker.read_array_header()
    found = tuple(islice(unpacker, count))
    if len(found) != count:
        raise Damaged("it is cut off")
    return found


def _read_command(unpacker: msgpack.Unpacker) -> tuple[Any, ...]:
    if unpacker.read_array_header() != COMMAND_FIELDS:
        raise Damaged("it has another kind of command")
    executable = unpacker.unpack()
    return executable, _read_list(unpacker), *islice(unpacker, COMMAND_FIELDS - 2)


#: Places of fields among the slots: the lists that are before and behind the single values.
DATA = Record.__slots__.index("data")
CHILDREN = Record.__slots__.index("children")

#: Tells the mark of an unstable command (``aspects.UNSTABLE``) from its records, the place of which it takes.
MARK = b"unstable".ljust(IDENTITY_LENGTH, b"\0")
_MARKED = [(b"", UNSTABLE, None, False)]


def _without_identity(value: object) -> object:
    return (*value[:IDENTITY], None) if isinstance(value, tuple) and len(value) == IDENTITY + 1 else value


def telling(value: object, timed: bool) -> object:
    """The part of a fact's value by which it is told from another: of a state, times only where they count."""
    if isinstance(value, tuple) and len(value) == 8:
        return value[:7] if timed or not value[6] else value[:5] + value[6:7]
    return value
