"""What names an execution before it runs, and the key made of it."""

from __future__ import annotations

from procache import digests
from procache.model.policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Env = tuple[bytes, ...]

#: The parts of a command, in the order of ``Command.fields`` and with the words that a user sees.
FIELD_NAMES = ("executable", "arguments", "working folder", "environment", "streams", "inherited state", "attributes")


class Command:
    """Everything that is known of an execution before it runs.

    ``exe``: absolute path as called; ``argv``; ``cwd``: canonical; ``env``: counted entries, sorted;
    ``streams``: kind of descriptors 0, 1, 2 (b"closed", b"terminal", b"null", b"file", b"pipe" …);
    ``hidden``: values of ``inherited.FIELDS``; ``attributes``: limits, niceness and the like.
    """

    __slots__ = ("exe", "argv", "cwd", "env", "streams", "hidden", "attributes", "program", "_key")

    def __init__(
        self,
        exe: bytes,
        argv: tuple[bytes, ...],
        cwd: bytes,
        env: EnvTable,
        streams: tuple[bytes, ...],
        hidden: tuple[bytes, ...],
        attributes: bytes,
    ) -> None:
        self.exe = exe
        self.argv = argv
        self.cwd = cwd
        self.env = env
        self.streams = streams
        self.hidden = hidden
        self.attributes = attributes
        #: base name of the executable, by which policies name it
        self.program = exe.rpartition(b"/")[2]
        self._key = b""

    @property
    def key(self) -> bytes:
        """The command key: a digest of all fields."""
        if not self._key:
            self._key = digests.of_bytes(told(self.fields()))
        return self._key

    def fields(self) -> tuple[object, ...]:
        """The stored form: plain values, environment as its digest only."""
        return (self.exe, self.argv, self.cwd, self.env.digest, self.streams, self.hidden, self.attributes)


def told(fields: tuple[Any, ...]) -> bytes:
    """What the key is the digest of, from the stored form of a command."""
    exe, argv, cwd, env, streams, hidden, attributes = fields
    head = b"%d %d " % (len(argv), len(streams))
    return head + b"\0".join((exe, cwd, env, attributes, *streams, *hidden, *argv))


class EnvTable:
    """A filtered environment: sorted entries and their digest. Entries with values stay in memory."""

    __slots__ = ("entries", "digest", "_names")

    def __init__(self, entries: Env, digest: bytes) -> None:
        self.entries = entries
        self.digest = digest
        self._names: list[tuple[bytes, bytes]] | None = None

    def names(self) -> list[tuple[bytes, bytes]]:
        """(name, digest of the value) of each entry: what may be stored of an environment."""
        if self._names is None:
            pairs = (entry.partition(b"=") for entry in self.entries)
            self._names = [(name, digests.of_bytes(value)[1:9]) for name, _, value in pairs]
        return self._names


class EnvTables:
    """Makes ``EnvTable`` values, one per distinct environment."""

    __slots__ = ("policy", "rule", "known")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rule = policy.rule
        self.known: dict[Env, EnvTable] = {}

    def table(self, raw: Env) -> EnvTable:
        """The table of a raw environment (``NAME=value`` entries in any order)."""
        table = self.known.get(raw)
        if table is None:
            entries = tuple(self.policy.counted(raw))
            counted = b"\0".join((self.rule, *entries))
            table = EnvTable(entries, digests.of_bytes(counted).hex().encode())
            self.known[raw] = table
        return table
