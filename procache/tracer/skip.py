"""Putting a record in place of an exec: effects, streams, and the account of its ancestors.

A skipped child counts for its ancestors as if it had run: its facts, effects and output are folded into
them here, in order. Otherwise a parent recorded over skipped children would hit later with inputs missing.
"""

from __future__ import annotations

import os
import stat

from procache.errors import SCARCE
from procache.model import effects as fx
from procache.model.aspects import BEGINS, DESCRIPTORS, STDIN, ChangedWhileReading, Fact
from procache.model.reasons import reason
from procache.model.tree import is_folder
from procache.replay import streams as out
from procache.replay.apply import Replay, ReplayFailed
from procache.tracer import pipereads
from procache.tracer.delivery import Delivery
from procache.tracer.fds import StdinLook, same_open_file, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.execution import Execution
    from procache.model.record import Record
    from procache.model.tree import Tree
    from procache.store.layout import Layout
    from procache.tracer.calls import PathCalls
    from procache.tracer.decision import Pending
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.tracee import Tracee

#: Taints what contains a skipped program whose output could not be written: it is not to be recorded so.
OUTPUT_LOST = reason("internal", detail="replay: the output could not be written")


class Skip:
    """Replays records at the entry stop of an exec. ``facts`` are the matched facts, as of now."""

    __slots__ = ("layout", "tree", "paths", "streams", "facts", "failure", "status", "helper")

    def __init__(self, layout: Layout, tree: Tree, paths: PathCalls, streams: StreamCalls) -> None:
        self.layout = layout
        self.tree = tree
        self.paths = paths
        self.streams = streams
        self.facts: list[Fact] = []
        self.failure = ""
        #: exit status for the tracee, or -13 where its reader was gone
        self.status = 0
        #: process that still writes the output, 0 when all is written
        self.helper = 0

    def put_in_place(self, t: Tracee, pending: Pending, record: Record) -> bool:
        """Replay ``record`` for the tracee that is about to exec; False, with nothing changed, where that fails."""
        renew = any(node.timed for node in t.ex.chain())  # make and its like ask next whether it is newer
        replay = Replay(self.layout, self.tree.world, record.effects, renew=renew)
        blob = -1
        shared: dict[int, int] = {}
        delivery: Delivery | None = None
        try:
            blob = out.check(record, self.layout)
            for fd in {fd for fd, _ in record.segments} | ({0} if record.stdin_end is not None else set()):
                shared[fd] = share(t.process.tgid, fd)
            replay.stage()
            if self._reads_pipe() and pending.gather is not None:
                pending.gather.take()
            alone = len(t.process.threads) == 1  # only then it is held behind its exec, where nothing is caught
            delivery = Delivery(record, blob, shared, t.process.tgid if alone else 0)
            self._account(t, pending, record, blob)
            try:
                replay.commit()
            except SCARCE as error:  # what contains it is not to be recorded
                self.tree.taint(t.ex, reason("internal", detail=f"replay: {error}"))
                raise
            finally:
                self._names_changed(record)
            self.status, self.helper = delivery.begin()
            if self.status != record.status and self.status > 0:
                self.tree.taint(t.ex, OUTPUT_LOST)
            return True
        except (ReplayFailed, *SCARCE) as error:
            replay.abandon()
            self.failure = str(error)
            return False
        finally:
            if delivery is not None:
                delivery.drop()
            for fd in (*shared.values(), *((blob,) if blob >= 0 else ())):
                os.close(fd)

    # -- the ancestors' account ------------------------------------------------------------------------------

    def _account(self, t: Tracee, pending: Pending, record: Record, blob: int) -> None:
        ex = t.ex
        self.tree.works.author = t.process.author
        self.tree.fold_facts(ex, [fact for fact in self.facts if fact[1] not in (STDIN, DESCRIPTORS, BEGINS)])
        if record.stdin_end is not None:
            self._fold_stdin(t, pending)
        elif self._reads_pipe():
            self._fold_pipe(t, pending)
        for path in [path for path, aspect, _, _ in self.facts if aspect == BEGINS]:
            self._fold_position(t, int(path))
        for effect in record.effects:
            self._fold_effect(t, effect)
        for fd, data in out.pieces(record, blob):
            st = t.stat_descriptor(fd)
            key = None if st is None else (st.st_dev, st.st_ino)
            nodes = [node for node in self._inheriting(t, key) if not node.taints]
            if key is not None and nodes:
                self.streams.give(nodes, key, fd, data)

    @staticmethod
    def _inheriting(t: Tracee, key: tuple[int, int] | None) -> list[Execution]:
        nodes: list[Execution] = []
        for node in t.ex.chain():
            if key not in node.inherited.values():
                break
            nodes.append(node)
        return nodes

    def _fold_stdin(self, t: Tracee, pending: Pending) -> None:
        for node in self._inheriting(t, pending.inherited.files.get(0)):
            if node.stdin is None and not node.taints and same_open_file(t.process.tgid, 0, node.stdin_file):
                try:
                    node.stdin = StdinLook(t, self.tree.world.memo)
                except (OSError, ChangedWhileReading) as error:
                    node.taint(reason("unreadable", detail=f"standard input: {error}"))

    def _reads_pipe(self) -> bool:
        """True when the record has read a pipe, to its end."""
        return any(aspect == STDIN and len(value) == 4 for _, aspect, value, _ in self.facts)  # type: ignore[arg-type]

    def _fold_pipe(self, t: Tracee, pending: Pending) -> None:
        key = pending.inherited.files.get(0)
        if key is not None:
            pipereads.fold(self._inheriting(t, key), key, pending.gather.pieces() if pending.gather is not None else ())

    def _fold_position(self, t: Tracee, fd: int) -> None:
        st = t.stat_descriptor(fd)
        if st is not None:
            key = (st.st_dev, st.st_ino)
            self.streams.look_at_position(t, self._inheriting(t, key), fd, key)

    def _fold_effect(self, t: Tracee, effect: fx.Effect) -> None:
        path = effect[fx.PATH]
        st = self.tree.world.look(path)
        self.tree.touch(
            t.ex,
            path,
            st,
            replaced=not effect[fx.IN_PLACE],
            set_mtime=effect[fx.SET_MTIME],
            content=effect[fx.KIND] != fx.KEPT,
            gone=effect[fx.KIND] == fx.GONE,
            skipped=True,
        )
        if effect[fx.XATTRS] is not None:
            self.tree.attributes_count(t.ex, path)
            for node in t.ex.chain():
                node.touched[path].xattrs = True
        if effect[fx.KIND] == fx.DIR and not is_folder(st):
            for node in t.ex.chain():
                node.made.add(path)

    def _names_changed(self, record: Record) -> None:
        for effect in record.effects:
            if effect[fx.KIND] in (fx.DIR, fx.LINK) or effect[fx.PRIOR] not in (0, stat.S_IFREG):
                self.paths.forget_names()
