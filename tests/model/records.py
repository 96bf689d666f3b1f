"""From a finished execution to a record and back into the world, in memory.

``taken``, ``replay`` and ``fold`` say in few words what capture, replay and skip do with real files;
tests/replay holds those to the same promises.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any

from procache.model import effects as fx
from procache.model.aspects import DESCRIPTORS, DIGEST, REPLACEABLE, WRITABLE, Fact, State
from procache.model.execution import Execution, Touch
from procache.model.match import ALL, Match, match
from procache.model.policy import Policy
from procache.model.record import Record

from .fake import FakeWorld
from .hands import FakeHands
from .machine import Machine

#: content by digest
Blobs = dict[bytes, bytes]
PLAIN: dict[str, Any] = {
    "command": (b"/bin/x", (b"x",), b"/", b"0" * 34, (b"null",) * 3, (b"0022",), b""),
    "environment": [],
    "facts": [],
    "effects": [],
    "segments": [],
    "data": b"",
    "data_digest": b"",
    "stdin_end": None,
    "status": 0,
    "wall": 1.0,
    "utime": 0.5,
    "stime": 0.25,
    "maxrss": 1024,
    "nested": 1,
    "children": [],
    "stored": 0.0,
}


class Streams:
    """What a process has open: nothing of interest, unless told."""

    def __init__(self, **told: Any) -> None:
        self.told = told
        self.whole = bool(told.get("whole", False))

    def stdin(self) -> tuple[int, bytes] | None:
        """(offset, digest) of a file on descriptor 0."""
        return self.told.get("stdin")

    def pipe(self, *piece: object) -> bool:
        """Whether a pipe on descriptor 0 holds this."""
        return self.told.get("pipe") == piece

    def begins(self, fd: int) -> bool:
        """Whether the file on a descriptor stands at its begin."""
        return fd in self.told.get("begins", ())

    def further(self) -> tuple[bytes, ...]:
        """Numbers and kinds of the descriptors above 2."""
        return tuple(self.told.get("further", ()))

    def files(self, fds: tuple[int, ...]) -> frozenset[tuple[int, int]]:
        """(device, inode) of the files among some descriptors."""
        return frozenset(file for fd, file in self.told.get("files", {}).items() if fd in fds)


def make_record(facts: Sequence[Fact] = (), effects: Sequence[fx.Effect] = (), **fields: Any) -> Record:
    """A record with these facts and effects, and plain values for the rest."""
    values = {**PLAIN, "facts": list(facts), "effects": list(effects), **fields}
    return Record(*(values[name] for name in Record.__slots__))


def compare(record: Record, world: Any, *, resume: bool = False, policy: Policy | None = None, **streams: Any) -> Match:
    """All differences between a record and the world."""
    policy = policy or Policy()
    policy.resume = policy.resume or resume
    return match(record, world, Streams(**streams), policy, most=ALL)


# -- taking ----------------------------------------------------------------------------------------


def taken(machine: Machine, ex: Execution, blobs: Blobs | None = None) -> Record:
    """The record of a finished execution."""
    world, blobs = machine.world, {} if blobs is None else blobs
    effects = [effect for path, touch in ex.touched.items() if (effect := _effect(ex, world, path, touch, blobs))]
    facts: list[Fact] = [(path, *fact) for path, fact in ex.states.items()]
    facts += [(path, aspect, value, False) for (path, aspect), value in ex.extras.items()]
    return make_record([*facts, (b"", DESCRIPTORS, (), False)], effects)


def _effect(ex: Execution, world: FakeWorld, path: bytes, touch: Touch, blobs: Blobs) -> fx.Effect | None:
    st = world.look(path)
    if isinstance(st, int):
        weak = (path, WRITABLE) in ex.extras or (path, REPLACEABLE) in ex.extras  # a file may be there next time
        return (path, fx.GONE, touch.prior, None, None, False, None) if touch.prior or weak else None
    kind, state = _left(ex, world, path, touch, st)
    if kind == fx.FILE:
        assert isinstance(state, tuple)
        blobs[state[DIGEST]] = world.nodes[path].content
    effect = (path, kind, touch.prior, state, touch.set_mtime, not touch.replaced, None)
    return effect if touch.set_mtime is not None or not _as_before(ex, path, touch, kind, state) else None


def _left(ex: Execution, world: FakeWorld, path: bytes, touch: Touch, st: os.stat_result) -> tuple[int, State | bytes]:
    """(kind, state) of what is at a path now."""
    if stat.S_ISLNK(st.st_mode):
        return fx.LINK, world.nodes[path].content
    if stat.S_ISDIR(st.st_mode):
        return fx.DIR, (st.st_mode, st.st_uid, st.st_gid, 0, 0, st.st_mtime_ns, b"", None)
    names = [name for name in ex.touched if world.nodes.get(name) is world.nodes[path]]
    names.sort(key=lambda name: not ex.touched[name].prior or ex.touched[name].replaced)
    if names[0] != path:
        return fx.HARD, names[0]
    state, before = world.file_state(path, st), ex.state_of(path)
    same = before is not None and before[DIGEST] == state[DIGEST] and not touch.replaced
    return fx.KEPT if same else fx.FILE, state


def _as_before(ex: Execution, path: bytes, touch: Touch, kind: int, state: State | bytes) -> bool:
    """True when the facts say that the path was so already."""
    fact = ex.states.get(path)
    if kind == fx.LINK:
        return fact is not None and fact[1] == state
    owner = fact[1][:3] if fact is not None and isinstance(fact[1], tuple) else None
    return kind in (fx.DIR, fx.KEPT) and owner == state[:3]


# -- replaying -------------------------------------------------------------------------------------


def replay(hands: FakeHands, effects: list[fx.Effect], blobs: Blobs) -> None:
    """Put effects in place."""
    world = hands.world
    for path, kind, *_ in sorted(effects, reverse=True):
        st = world.look(path)
        if isinstance(st, int):
            continue
        folder = stat.S_ISDIR(st.st_mode)
        if kind in (fx.GONE, fx.LINK, fx.HARD) or stat.S_ISLNK(st.st_mode) or folder != (kind == fx.DIR):
            (hands.rmdir if folder else hands.unlink)(path)
    for effect in sorted(effects, key=lambda effect: (effect[fx.KIND] == fx.HARD, effect[fx.PATH])):
        if effect[fx.KIND] != fx.GONE:
            _make(hands, effect, blobs)


def _make(hands: FakeHands, effect: fx.Effect, blobs: Blobs) -> None:
    path, kind, _, state, mtime, _, _ = effect
    if isinstance(state, bytes):
        return hands.symlink(path, state) if kind == fx.LINK else hands.link(state, path)
    assert state is not None
    if kind == fx.FILE:
        hands.put(path, blobs[state[DIGEST]])
    elif kind == fx.DIR and isinstance(hands.world.look(path), int):
        hands.mkdir(path)
    hands.chmod(path, stat.S_IMODE(state[0]))
    if mtime is not None:
        hands.utime(path, mtime)
    return None


def fold(machine: Machine, parent: Execution, record: Record, blobs: Blobs) -> None:
    """Skip a child: its account goes to ``parent``, its effects into the world."""
    found = compare(record, machine.world)
    assert not found.differences
    machine.tree.fold_facts(parent, [fact for fact in found.facts if fact[1] != DESCRIPTORS])
    for path, kind, _, _, mtime, in_place, _ in record.effects:
        st = machine.world.look(path)
        machine.tree.touch(parent, path, st, replaced=not in_place, set_mtime=mtime, skipped=True)
        if kind == fx.DIR and (isinstance(st, int) or not stat.S_ISDIR(st.st_mode)):
            for node in parent.chain():
                node.made.add(path)
    machine.epoch += 1
    replay(machine.hands, record.effects, blobs)
