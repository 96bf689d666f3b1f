"""A folder, a store, and what records and replays them: the real parts, without a tracer and a writer process."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from model.hands import Picture, RealHands
from model.machine import Machine

from procache import digests
from procache.capture.capture import Capture
from procache.model import effects as fx
from procache.model.aspects import State
from procache.model.effects import Effect
from procache.model.execution import Execution
from procache.model.record import Record
from procache.replay.apply import Replay
from procache.store import blobs
from procache.store.layout import Layout
from procache.tracer.skip import Skip
from procache.tracer.tracee import Process
from procache.world.view import World

#: Modification time of all that a test found before it began, in ns.
LONG_AGO = 10**18


class Handed:
    """Stands for the writer process: what is handed over is stored at once."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seen: set[bytes] = set()

    def put_record(self, key: bytes, packed: bytes) -> None:
        """The record is returned by ``Capture.record``."""

    def put_blob(self, digest: bytes, content: bytes) -> None:
        """Store a blob."""
        self.seen.add(digest)
        blobs.put(self.layout, digest, content)

    def put_staged(self, digest: bytes, staged: bytes, *, shared: bool = False) -> None:
        """Store a blob that was copied aside."""
        self.seen.add(digest)
        blobs.put_staged(self.layout, digest, staged, shared=shared)


class Place:
    """A folder to work in, ``top``, and a store beside it."""

    def __init__(self, root: Path) -> None:
        self.top = root / "top"
        self.top.mkdir()
        self.layout = Layout(os.fsencode(root / "cache"))
        self.layout.prepare()
        self.world = World()
        self.hands = RealHands()

    def path(self, name: str) -> bytes:
        """The path of a name, as effects have it."""
        return os.fsencode(self.top / name)

    def machine(self) -> Machine:
        """A machine that works in the folder."""
        return Machine(self.world, self.hands, os.fsencode(self.top))

    def picture(self) -> Picture:
        """Names, types, modes and contents; a FIFO has none."""
        return self.hands.picture(os.fsencode(self.top))

    def state(self) -> dict[bytes, tuple[object, ...]]:
        """The picture with owners, times and inodes: when nothing was changed, this is the same."""
        found: dict[bytes, tuple[object, ...]] = {}
        for path in (self.top, *self.top.rglob("*")):
            st = path.lstat()
            found[os.fsencode(path)] = (
                st.st_mode,
                st.st_uid,
                st.st_gid,
                st.st_ino,
                st.st_nlink,
                st.st_mtime_ns,
                st.st_ctime_ns,
            )
        return found

    def clear(self) -> None:
        """Empty the folder."""
        shutil.rmtree(self.top)
        self.top.mkdir()

    def age(self) -> None:
        """Give everything that is new the same old time."""
        for path in sorted(self.top.rglob("*"), reverse=True):
            if path.lstat().st_mtime_ns > LONG_AGO:
                os.utime(path, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)

    # -- effects -----------------------------------------------------------------------------------

    def file(self, name: str, content: bytes = b"new", mode: int = 0o644, *, written: int = 7, **more: Any) -> Effect:
        """The effect of a file that was left, ``written`` last at that time (ns); its content goes to the store."""
        digest = digests.of_bytes(content)
        blobs.put(self.layout, digest, content)
        state = (stat.S_IFREG | mode, os.getuid(), os.getgid(), len(content), 1, written, digest, None)
        return self.effect(name, fx.FILE, state, **more)

    def folder(self, name: str, mode: int = 0o755, **more: Any) -> Effect:
        """The effect of a folder that was left."""
        return self.effect(name, fx.DIR, (stat.S_IFDIR | mode, os.getuid(), os.getgid(), 0, 0, 7, b"", None), **more)

    def effect(
        self,
        name: str,
        kind: int,
        state: State | bytes | None = None,
        *,
        prior: int = 0,
        mtime: int | None = None,
        in_place: bool = False,
        xattrs: fx.Xattrs | None = None,
    ) -> Effect:
        """Any effect."""
        return self.path(name), kind, prior, state, mtime, in_place, xattrs

    def replay(self, *effects: Effect, renew: bool = False) -> Replay:
        """Put effects in place."""
        found = Replay(self.layout, self.world, list(effects), renew=renew)
        found.stage()
        found.commit()
        return found

    # -- records -----------------------------------------------------------------------------------

    def record(self, machine: Machine, ex: Execution) -> Record | None:
        """The record of a finished execution; None where it must not be recorded."""
        if ex.taints:
            return None
        return Capture(machine.tree, self.layout, Handed(self.layout)).record(ex, 0.0)  # type: ignore[arg-type]

    def skip(self, machine: Machine, parent: Execution, record: Record, facts: list[Any]) -> bool:
        """Skip a child of ``parent``, as at the entry stop of its exec. ``facts``: as of now."""
        found = Skip(self.layout, machine.tree, Mock(), Mock())  # it tells them that names have changed
        found.facts = facts
        machine.epoch += 1
        tracee: Any = SimpleNamespace(ex=parent, process=Process(os.getpid(), None))
        return found.put_in_place(tracee, None, record)  # type: ignore[arg-type]
