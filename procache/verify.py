"""Running hits for real, and comparing with what would have been replayed: status, streams, files.

An execution that is being verified runs, and so does everything below it; what fits a record there is compared too,
so that the difference is found where it arises.
"""

from __future__ import annotations

import os
import stat

from procache.model import effects as fx
from procache.model.aspects import DIGEST, SIZE, UNSTABLE, ChangedWhileReading
from procache.model.match import Done
from procache.model.reasons import Reason, reason
from procache.model.record import Record
from procache.replay import streams
from procache.replay.apply import ReplayFailed
from procache.store import blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.capture.streamlog import StreamLog
    from procache.model.execution import Execution
    from procache.model.policy import Policy
    from procache.store.layout import Layout
    from procache.store.writer import Writer
    from procache.world.view import World

CHUNK = 1 << 16
STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}


def chosen(policy: Policy) -> bool:
    """True when a hit is to be run for real: ``policy.verify`` percent of them. Work that is done already never is."""
    return policy.verify > 0 and not policy.resume and int.from_bytes(os.urandom(4)) < policy.verify / 100 * (1 << 32)


class Verify:
    """Chooses hits, and keeps what was found. ``expected``: the record of the root command, if that was chosen."""

    __slots__ = ("policy", "layout", "world", "writer", "expected", "count", "found", "_differing")

    def __init__(
        self, policy: Policy, layout: Layout, world: World, writer: Writer | None, expected: Record | None
    ) -> None:
        self.policy = policy
        self.layout = layout
        self.world = world
        self.writer = writer
        self.expected = expected
        #: how many were compared
        self.count = 0
        #: executions that gave another result though nothing below them did, and what differs
        self.found: list[tuple[Execution, Reason]] = []
        self._differing: list[Execution] = []

    def chooses(self, ex: Execution) -> bool:
        """True when a hit below ``ex`` is to be run for real."""
        return any(node.expected is not None for node in ex.chain()) or chosen(self.policy)

    def compare(self, ex: Execution, made: Record | None) -> None:
        """Compare an execution that has ended with its record; ``made`` is None where it cannot be recorded again."""
        assert isinstance(ex.expected, Record)
        self.count += 1
        try:
            why = self._difference(ex.expected, made, ex)
        except (OSError, ReplayFailed, blobs.BlobError, ChangedWhileReading) as error:
            ex.misses = [reason("verified", detail=f"it could not be compared: {error}")]
            return
        if why is None and made is None:
            ex.misses = [reason("verified", detail="it could not be compared, since it is not cacheable now")]
            return
        if why is None:
            ex.misses = [reason("verified", detail="it gave the same")]
            return
        ex.misses = [why]
        if not any(ex.contains(other) for other in self._differing):
            self.found.append((ex, why))
        self._differing.append(ex)
        if self.policy.verify_remember and self.writer is not None:
            self.writer.put_record(ex.command.key, unstable(ex.expected, str(why["detail"])).pack())

    def _difference(self, old: Record, made: Record | None, ex: Execution) -> Reason | None:
        if old.status != ex.status:
            return differs("exit status", f"recorded {old.status}, now {ex.status}")
        if made is None:
            return None
        if old.stdin_end != made.stdin_end:
            return differs(STREAMS[0], f"read to byte {old.stdin_end} when recorded, now to {made.stdin_end}")
        return self._in_streams(old, ex) or self._in_files(old, made)

    # -- streams -----------------------------------------------------------------------------------------------

    def _in_streams(self, old: Record, ex: Execution) -> Reason | None:
        log: StreamLog | None = ex.output  # type: ignore[assignment]
        if log is None and not old.segments:
            return None
        segments, data, _, spool = log.take() if log is not None else ([], b"", b"", -1)
        shared = any(b" =" in kind for kind in ex.command.streams[1:])
        fds = sorted({fd for fd, _ in (*old.segments, *segments)})
        blob = streams.check(old, self.layout)
        try:
            for wanted in [None] if shared else [frozenset((fd,)) for fd in fds]:
                recorded = (piece for fd, piece in streams.pieces(old, blob) if wanted is None or fd in wanted)
                now = (piece for fd, piece in streams.cut(segments, data, spool) if wanted is None or fd in wanted)
                if (where := first_difference(recorded, now)) is not None:
                    name = min(wanted) if wanted else 1
                    return differs(STREAMS.get(name, f"descriptor {name}"), where)
        finally:
            if blob >= 0:
                os.close(blob)
        return None

    # -- files -------------------------------------------------------------------------------------------------

    def _in_files(self, old: Record, made: Record) -> Reason | None:
        before = {effect[fx.PATH]: effect for effect in old.effects}
        after = {effect[fx.PATH]: effect for effect in made.effects}
        shows = Done(old, self.world)
        for path in sorted({*before, *after}):
            effect = before.get(path)
            if effect is None:
                if after[path][fx.KIND] != fx.GONE or after[path][fx.PRIOR]:
                    return differs(path, "it was not changed when recorded")
                continue
            if why := self._in_file(effect, after.get(path), shows):
                return differs(path, why)
        return None

    def _in_file(self, old: fx.Effect, now: fx.Effect | None, shows: Done) -> str:
        """What differs at one path, or ""."""
        path, kind, _, state = old[: fx.SET_MTIME]
        st = self.world.look(path)
        if kind == fx.HARD:
            other = self.world.look(state)  # type: ignore[arg-type]
            same = not isinstance(st, int) and not isinstance(other, int) and os.path.samestat(st, other)
            return "" if same else "it was another name of a file"
        if shows.shows(old, st):
            return self._attributes(old, now)
        if isinstance(st, int):
            return "it is not there now"
        if kind != fx.FILE or not stat.S_ISREG(st.st_mode):
            return f"it was recorded as {fx.NAMES[kind]}, with another mode, owner or target"
        assert isinstance(state, tuple)
        if (st.st_mode, st.st_uid, st.st_gid) != state[:3]:
            return "mode or owner"
        recorded = blobs.open_plain(self.layout, state[DIGEST], state[SIZE])
        with open(recorded, "rb") as blob, open(path, "rb") as file:
            return first_difference(chunks(blob.read), chunks(file.read)) or "content"

    @staticmethod
    def _attributes(old: fx.Effect, now: fx.Effect | None) -> str:
        if now is None:
            return ""
        if old[fx.SET_MTIME] != now[fx.SET_MTIME]:
            return "the modification time that was set"
        return "extended attributes" if old[fx.XATTRS] != now[fx.XATTRS] else ""


def differs(what: str | bytes, where: str) -> Reason:
    """The reason of an execution that gave another result."""
    name = os.fsdecode(what)
    return reason("verify-differs", path=name, detail=f"{name}: {where}")


def unstable(old: Record, detail: str) -> Record:
    """What stands in the store for a command that is not to be skipped again, in the place of all its records."""
    values = dict(zip(Record.__slots__, old.values(), strict=True))
    facts = [(b"", UNSTABLE, None, False)]
    nothing = {"facts": facts, "effects": [], "segments": [], "data": os.fsencode(detail), "data_digest": b""}
    return Record.of({**values, **nothing}.values())


def chunks(read: object) -> Iterator[bytes]:
    """The content of a file piece by piece."""
    while piece := read(CHUNK):  # type: ignore[operator]
        yield piece


def first_difference(recorded: Iterator[bytes], now: Iterator[bytes]) -> str | None:
    """Where two contents begin to differ, in words; None where they do not."""
    offset = 0
    left = right = b""
    while True:
        left, right = left or next(recorded, b""), right or next(now, b"")
        common = min(len(left), len(right))
        if left[:common] != right[:common]:
            at = next(at for at in range(common) if left[at] != right[at])
            return f"byte {offset + at} differs (recorded 0x{left[at]:02x}, now 0x{right[at]:02x})"
        if not common:
            if left or right:
                return f"from byte {offset} on there is {'nothing any more' if left else 'more than recorded'}"
            return None
        left, right, offset = left[common:], right[common:], offset + common
