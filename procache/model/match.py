"""Does a recorded execution fit the world as it is now? Every branch says its reason.

``run``, ``check`` and ``explain`` use the same function; only the number of differences that they
want to hear of is not the same.
"""

from __future__ import annotations

import errno
import os
import stat

from procache.model import effects as fx
from procache.model.aspects import (
    BEGINS,
    CONTENT,
    DESCRIPTORS,
    DIGEST,
    LISTING,
    META,
    NAMES,
    PROGRAM,
    REPLACEABLE,
    STDIN,
    UNCOUNTED,
    UNSTABLE,
    WHOLE,
    WRITABLE,
    Fact,
)
from procache.model.pathrules import IGNORED, TAINTING
from procache.model.reasons import Reason, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from procache.model.policy import Policy
    from procache.model.record import Record
    from procache.world.view import World

    class Streams(Protocol):
        """What a process that is about to run the command has open."""

        #: True where it is the command of a whole run
        whole: bool

        def stdin(self) -> tuple[int, bytes] | None:
            """(offset, digest) of the regular file on descriptor 0, or None where it is something else."""

        def pipe(self, size: int, digest: bytes, ended: bool, head: bytes) -> bool:
            """True when descriptor 0 is a pipe that holds just these bytes (and then ends, or goes on)."""

        def further(self) -> tuple[bytes, ...]:
            """Numbers and kinds of the descriptors above 2 that the command would inherit."""

        def begins(self, fd: int) -> bool:
            """True when the file on ``fd`` stands at its begin."""

        def files(self, fds: tuple[int, ...]) -> frozenset[tuple[int, int]]:
            """(device, inode) of the regular files among these descriptors."""


ALL = 1 << 30
#: How many records are compared in full when none fits, to say why; and how many differences are told.
COMPARED, TOLD = 3, 64


class Match:
    """The outcome of a comparison: ``differences`` is empty for a hit, and then ``facts`` are as of now."""

    __slots__ = ("differences", "facts")

    def __init__(self) -> None:
        self.differences: list[Reason] = []
        self.facts: list[Fact] = []


def match(record: Record, world: World, streams: Streams, policy: Policy, *, most: int = 1) -> Match:
    """Compare a record with the world, and with the policy of now; stops after ``most`` differences.

    With ``policy.resume``, a fact also holds where the record's own effects have changed the path and it
    shows exactly those effects: the work is done.
    """
    result = Match()
    difference: object
    if meeting := _meeting(record, world, streams):
        result.differences.append(reason("stream-is-file", path=meeting))
    result.differences += objections(record, policy)
    if len(result.differences) >= most:
        return result
    done = Done(record, world) if policy.resume else None
    rules = policy.paths
    for fact in record.facts:
        path, aspect, value, _ = fact
        if aspect >= PROGRAM or (rules is not None and rules.of(path)):
            ruled = _by_policy(record, policy, fact)
            if isinstance(ruled, tuple):
                result.facts.append(ruled)
                continue
            result.differences.append(ruled)
            if len(result.differences) >= most:
                break
            continue
        if aspect in _OF_STREAMS:
            difference = _streams_differ(streams, path, aspect, value)
            fresh = fact
        else:
            st = world.look_to_read(path) if aspect == CONTENT else world.look(path)
            difference = _weak(world, path, aspect, value, st) if aspect in _WEAK else world.differs(fact, st)
            if difference is not None and done is not None and done.excuses(fact, st):
                difference = None
            fresh = fact if difference is not None else world.refreshed(fact, st)
        if difference is None:
            result.facts.append(fresh)
            continue
        result.differences.append(
            reason("fact-differs", path=path, aspect=NAMES[aspect], recorded=value, current=difference)
        )
        if len(result.differences) >= most:
            break
    return result


def first_fit(
    records: Iterable[Record], world: World, streams: Streams, policy: Policy
) -> tuple[Record | None, list[Fact], list[Record]]:
    """The first record that fits or None, its facts as of now, and those that were compared and do not fit.

    With ``--resume``, work that is done goes before a failure over its results.
    """
    failed: tuple[Record, list[Fact]] | None = None
    others: list[Record] = []
    for record in records:
        found = match(record, world, streams, policy)
        if found.differences:
            others.append(record)
        elif not (policy.resume and record.status):
            return record, found.facts, others
        elif failed is None:
            failed = record, found.facts
    return (*failed, others) if failed is not None else (None, [], others)


def why_none(others: list[Record], world: World, streams: Streams, policy: Policy) -> list[Reason]:
    """The differences of the record that comes nearest, of those that do not fit; none where there was no record."""
    found = [match(record, world, streams, policy, most=ALL).differences for record in others[:COMPARED]]
    return min(found, key=len, default=[])[:TOLD]


def objections(record: Record, policy: Policy) -> list[Reason]:
    """What the policy of now has against a record as a whole: it may have been another one when it was made."""
    found: list[Reason] = []
    if policy.only_success and record.status:
        found.append(reason("failed-before", detail=record.status))
    if policy.paths is not None:
        for effect in record.effects:
            if policy.paths.of(effect[fx.PATH]):  # what it left there is neither to be put back nor to be passed over
                found.append(reason("policy-differs", path=effect[fx.PATH], detail="what is written there counted"))
    return found


def _by_policy(record: Record, policy: Policy, fact: Fact) -> Fact | Reason:
    """A fact of which the policy of now decides: as it is now where it holds, else why it does not."""
    path, aspect, value, _ = fact
    if aspect == UNSTABLE:
        return reason("unstable", detail=os.fsdecode(record.data or b""))
    if aspect == PROGRAM:
        why = policy.objection(path, value)  # type: ignore[arg-type]
        return (
            reason("policy-differs", path=path, detail=why) if why else (path, PROGRAM, policy.of_program(path), False)
        )
    rule = policy.paths.of(path) if policy.paths is not None else ""
    if rule == IGNORED:
        return path, UNCOUNTED, None, False
    why = "who uses it is not to be recorded" if rule == TAINTING else "it counts now"
    return reason("policy-differs", path=path, detail=why)


def _streams_differ(streams: Streams, path: bytes, aspect: int, value: object) -> object:
    """None when the descriptors are what a fact says, else what they are."""
    if aspect == STDIN and isinstance(value, tuple) and len(value) == 4:
        return None if streams.pipe(*value) else "other input"
    if aspect == WHOLE:
        return None if streams.whole else "inside another command"
    if aspect == BEGINS:
        begins = streams.begins(int(path))
        return None if begins == value else "at its begin" if begins else "further on"
    now: object = streams.stdin() if aspect == STDIN else streams.further()
    return None if now == value else (now or "nothing")


def _meeting(record: Record, world: World, streams: Streams) -> bytes:
    """A path of the record that is also open as a stream (``cat in >> in``), or that has other names."""
    outputs, every = streams.files((1, 2)), streams.files((0, 1, 2))
    if outputs:
        for path, aspect, _, _ in record.facts:
            if aspect in _OF_FILES and _is_one_of(world.look(path), outputs):
                return path
    linked = {effect[fx.STATE] for effect in record.effects if effect[fx.KIND] == fx.HARD}
    for effect in record.effects:
        st = world.look(effect[fx.PATH])
        if isinstance(st, int) or not stat.S_ISREG(st.st_mode):
            continue
        alone = effect[fx.KIND] != fx.HARD and effect[fx.PATH] not in linked
        if (every and _is_one_of(st, every)) or (alone and st.st_nlink > 1):
            return effect[fx.PATH]
    return b""


def _is_one_of(st: os.stat_result | int, files: frozenset[tuple[int, int]]) -> bool:
    return not isinstance(st, int) and (st.st_dev, st.st_ino) in files


_OF_STREAMS = frozenset((STDIN, DESCRIPTORS, BEGINS, WHOLE))
_OF_FILES = frozenset((CONTENT, META, WRITABLE))
_WEAK = frozenset((WRITABLE, REPLACEABLE))


def _weak(world: World, path: bytes, aspect: int, value: object, st: os.stat_result | int) -> object:
    """None when a path may be written over, or replaced, with the recorded outcome."""
    if isinstance(st, int):
        return None if st == errno.ENOENT else errno.errorcode.get(st, str(st))
    if aspect == REPLACEABLE:
        return "a folder" if stat.S_ISDIR(st.st_mode) else None
    if not stat.S_ISREG(st.st_mode):
        return "not a regular file"
    owner = (st.st_mode, st.st_uid, st.st_gid)
    if value is not None and value != owner:
        return owner
    return None if world.writable(path) else "not writable"


class Done:
    """Tells whether what a fact no longer shows is just the record's own work, already in place."""

    __slots__ = ("effects", "world", "folders")

    def __init__(self, record: Record, world: World) -> None:
        self.world = world
        self.effects = {effect[fx.PATH]: effect for effect in record.effects}
        self.folders: dict[bytes, list[fx.Effect]] = {}
        for effect in record.effects:
            self.folders.setdefault(effect[fx.PATH].rpartition(b"/")[0] or b"/", []).append(effect)

    def excuses(self, fact: Fact, st: os.stat_result | int) -> bool:
        """True when the path of ``fact`` shows exactly the effect that the record has on it."""
        path, aspect, value, _ = fact
        if aspect == LISTING:
            return self._listing(path, value)
        effect = self.effects.get(path)
        return effect is not None and self.shows(effect, st)

    def shows(self, effect: fx.Effect, st: os.stat_result | int) -> bool:
        """True when a path is in the state in which the effect left it."""
        path, kind, _, state = effect[: fx.SET_MTIME]
        if isinstance(st, int):
            return kind == fx.GONE
        owner = (st.st_mode, st.st_uid, st.st_gid)
        if kind in (fx.DIR, fx.FIFO):
            return owner == state[:3]  # type: ignore[index]
        if kind == fx.LINK:
            return self.world.value(0, path, st)[1] == state
        if kind not in (fx.FILE, fx.KEPT) or owner != state[:3] or st.st_size != state[3]:  # type: ignore[index]
            return False
        return self.world.file_state(path, st)[DIGEST] == state[DIGEST]  # type: ignore[index]

    def _listing(self, folder: bytes, value: object) -> bool:
        """True when the folder had the recorded entries before the record's effects on it."""
        try:
            entries = self.world.entries(folder)
        except OSError:
            effect = self.effects.get(folder)
            return effect is not None and self.shows(effect, self.world.look(folder))
        for effect in self.folders.get(folder, ()):
            name = effect[fx.PATH].rpartition(b"/")[2]
            if effect[fx.PRIOR]:
                entries[name] = effect[fx.PRIOR]
            else:
                entries.pop(name, None)
        return self.world.listing_digest(entries) == value
