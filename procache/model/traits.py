"""What tells the variants of one command apart, so that a look-up need not compare each of them with the world.

A *trait* is one side of one path: ``(path, side)``. A record has a value for it where its facts demand one there,
and the world has one now. Where both are known and differ, the record cannot fit: each trait is one test that
``match`` makes too. Where either is not known, the trait says nothing. What is left is matched as ever, so a trait
can save time and can neither make nor lose a hit.

Sides are named by aspects: TYPE is the kind of thing (or the errno of a failed look), META the modification time,
CONTENT the digest; TARGET, the aspects outside the chain and STDIN (of a file) are themselves.
"""

from __future__ import annotations

import stat

import msgpack

from procache.digests import XXH3
from procache.model.aspects import (
    ABSENT,
    CONTENT,
    DIGEST,
    FS,
    LINK_META,
    LISTING,
    META,
    MODE,
    MTIME,
    OWNER,
    PSEUDO,
    STDIN,
    TARGET,
    TYPE,
    XATTR,
    ChangedWhileReading,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from procache.model.aspects import Fact
    from procache.model.match import Streams
    from procache.model.policy import Policy
    from procache.world.view import World

Trait = tuple[bytes, int]

#: Stands for a value that is not known: no other value has it as its mark.
UNKNOWN = 0
#: So few records are compared with the world one by one.
FEW = 4
#: At most so many traits are kept for one command.
MOST = 16
#: A file whose digest is not known is read for it up to this size (bytes).
MOST_READ = 1 << 26
#: Which side tells two records apart best, if several do: that of which each new input has another.
_BEST = (CONTENT, STDIN, TARGET, LISTING, PSEUDO, XATTR, META, LINK_META, FS, TYPE)
_OUTSIDE = frozenset((LISTING, PSEUDO, XATTR, FS, LINK_META))
_pack = msgpack.Packer().pack


def mark(value: object) -> int:
    """A number from 1 up to 2**32 - 1 that stands for a value; two values rarely have the same."""
    try:
        return int.from_bytes(XXH3.whole(_pack(value))[:4]) or 1
    except (OverflowError, TypeError, ValueError):  # nothing that a fact can hold
        return UNKNOWN


# -- of a record -----------------------------------------------------------------------------------


def demanded(facts: Iterable[Fact]) -> dict[Trait, object]:
    """The value of every trait of which these facts demand one."""
    found: dict[Trait, object] = {}
    try:
        for path, aspect, value, timed in facts:
            _of_fact(found, path, aspect, value, timed)
    except (TypeError, ValueError, IndexError, OverflowError):
        return {}  # no execution has left such a record
    return found


def _of_fact(found: dict[Trait, object], path: bytes, aspect: int, value: Any, timed: bool) -> None:
    if aspect in (META, CONTENT):
        _of_state(found, path, value, timed)
    elif aspect in (ABSENT, TYPE):
        found[path, TYPE] = value
    elif aspect == OWNER:
        found[path, TYPE] = stat.S_IFMT(value[MODE])
    elif aspect == TARGET:
        found[path, TYPE] = stat.S_IFLNK
        found[path, TARGET] = value
    elif aspect in _OUTSIDE or (aspect == STDIN and len(value) == 2):
        found[path, aspect] = value


def _of_state(found: dict[Trait, object], path: bytes, state: Any, timed: bool) -> None:
    kind, digest = stat.S_IFMT(state[MODE]), state[DIGEST]
    found[path, TYPE] = kind
    if digest:
        found[path, CONTENT] = digest
    if timed or not (digest or kind == stat.S_IFDIR):
        found[path, META] = state[MTIME]


def marks(facts: Iterable[Fact], traits: Sequence[Trait]) -> list[int]:
    """The mark of each of ``traits`` as these facts demand it; UNKNOWN where they do not."""
    found = demanded(facts) if traits else {}
    return [mark(found[trait]) if trait in found else UNKNOWN for trait in traits]


def telling(one: Iterable[Fact], other: Iterable[Fact]) -> Trait | None:
    """The trait that tells two records apart best; None where none does."""
    mine, its = demanded(one), demanded(other)
    differing = [trait for trait, value in mine.items() if trait in its and its[trait] != value]
    return min(differing, key=lambda trait: _BEST.index(trait[1]), default=None)


# -- now -------------------------------------------------------------------------------------------


def now(trait: Trait, world: World, streams: Streams) -> int:
    """The mark of what a trait is now; UNKNOWN where it cannot be told, or only at some cost."""
    try:
        value = _now(trait, world, streams)
    except (OSError, ChangedWhileReading, ValueError):  # the last for a path that is none
        return UNKNOWN
    return UNKNOWN if value == b"" else mark(value)


def _now(trait: Trait, world: World, streams: Streams) -> object:
    path, side = trait
    if side == STDIN:
        return streams.stdin()
    if side == LISTING:
        return world.listing_digest(world.entries(path))
    if side in _OUTSIDE:
        return world.extra(side, path)
    st = world.look_to_read(path) if side == CONTENT else world.look(path)
    if isinstance(st, int):
        return st if side == TYPE else None
    if side == TYPE:
        return stat.S_IFMT(st.st_mode)
    if side == META:
        return st.st_mtime_ns
    if side == TARGET:
        return world.value(TARGET, path, st)[1] if stat.S_ISLNK(st.st_mode) else None
    return world.known_digest(path, st, MOST_READ) if stat.S_ISREG(st.st_mode) else None


def narrowed(
    places: Sequence[int], traits: Sequence[Trait], columns: Sequence[Sequence[int]], wanted: Iterable[int]
) -> Sequence[int]:
    """Those of ``places`` whose marks do not speak against ``wanted``, one mark for each of ``traits``.

    ``columns``: the marks of all records, trait by trait. ``wanted`` is asked only as long as more than a few are left.
    """
    if len(places) > FEW:
        for _, column, value in zip(traits, columns, wanted, strict=False):
            if value != UNKNOWN:
                places = [place for place in places if column[place] == value or column[place] == UNKNOWN]
                if len(places) <= FEW:
                    break
    return places


def likely(
    places: Sequence[int],
    traits: Sequence[Trait],
    columns: Sequence[Sequence[int]],
    world: World,
    streams: Streams,
    policy: Policy,
) -> Sequence[int]:
    """Those of ``places`` at which there may be a record that fits now."""
    if policy.resume:  # a fact may hold although its path shows something else
        return places
    rules = policy.paths
    wanted = (UNKNOWN if rules is not None and rules.of(trait[0]) else now(trait, world, streams) for trait in traits)
    return narrowed(places, traits, columns, wanted)
