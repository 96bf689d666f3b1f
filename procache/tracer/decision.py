"""The decision at an exec: does a record fit, so that the program is not run?"""

from __future__ import annotations

import time

from procache.model.match import first_fit, why_none
from procache.model.reasons import Reason, reason
from procache.store import records, usage
from procache.tracer.fds import TraceeStreams
from procache.tracer.gather import LEAST_LIMIT, Gather, may_gather

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.command import Command
    from procache.model.policy import Policy
    from procache.model.record import Record
    from procache.model.tree import Tree
    from procache.store.layout import Layout
    from procache.store.records import RecordFile
    from procache.tracer.books import Books
    from procache.tracer.fds import Inherited
    from procache.tracer.loading import Loaded
    from procache.tracer.skip import Skip
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.tracee import Tracee
    from procache.tracer.watch import Watcher
    from procache.verify import Verify
    from procache.world.paths import Found


class Pending:
    """An exec about to be made: what is known of it before, and why it may not be recorded."""

    __slots__ = ("command", "inherited", "found", "taints", "misses", "expected", "gather", "loaded")

    def __init__(self, command: Command, inherited: Inherited, found: Found | bytes) -> None:
        self.command = command
        self.inherited = inherited
        self.found = found
        self.taints: list[Reason] = []
        self.misses: list[Reason] = []
        #: the record that is not replayed but verified
        self.expected: Record | None = None
        #: what is known, or about to be, of the pipe on its stdin
        self.gather: Gather | None = None
        #: what loading the program came to before, where all of that looks the same
        self.loaded: Loaded | None = None


class Decision:
    """Finds the record that fits an exec, and has it put in place. ``refresh``: none is to fit."""

    __slots__ = ("policy", "layout", "tree", "streams", "watcher", "skip", "books", "verify", "refresh")

    def __init__(
        self,
        policy: Policy,
        layout: Layout,
        tree: Tree,
        streams: StreamCalls,
        watcher: Watcher,
        skip: Skip,
        books: Books,
        verify: Verify | None = None,
        *,
        refresh: bool = False,
    ) -> None:
        self.policy = policy
        self.layout = layout
        self.tree = tree
        self.streams = streams
        self.watcher = watcher
        self.skip = skip
        self.books = books
        self.verify = verify
        self.refresh = refresh

    def take(self, t: Tracee, pending: Pending) -> bool | Gather:
        """True when it is skipped, a Gather when its stdin is to be waited for; else it is to run."""
        command = pending.command
        if (
            pending.taints
            or self.policy.is_never_cached(command.program, command.argv)
            or command.program in self.policy.never_skipped
        ):
            return False
        if self.refresh:
            pending.misses.append(reason("refresh"))
            return False
        key = command.key
        none = reason("same-run") if key in self.books.recorded else reason("no-record")
        file = records.find(self.layout, key)
        if file is None:
            pending.misses.append(none)
            return False
        started = time.time()
        streams = TraceeStreams(t, self.tree.world.memo, pending.gather)
        with file:
            record, tried = self._fitting(file, command, streams)
        if file.damaged:
            from procache.store import fsck

            fsck.mend(self.layout, key)
        if record is not None:
            return self._put_in_place(t, pending, record, started)
        if streams.wanted and self._ask_pipe(t, pending, streams, tried):
            asked = pending.gather
            return asked if asked is not None and asked.helper else self._take_again(t, pending)
        pending.misses += why_none(tried, self.tree.world, streams, self.policy) or file.refused or [none]
        return False

    def _put_in_place(self, t: Tracee, pending: Pending, record: Record, started: float) -> bool:
        """Replay the record that fits, unless it is to be verified; False where the program is to run."""
        if self.verify is not None and self.verify.chooses(t.ex):
            pending.expected = record
            return False
        if not self.skip.put_in_place(t, pending, record):
            pending.misses.append(reason("replay-failed", detail=self.skip.failure))
            return False
        key = pending.command.key
        if usage.is_old(self.layout.record(key)):
            self.books.writer.used(key, record.pack())
        self.books.skipped(t.ex, pending.command, record, started)
        return True

    def _fitting(
        self, file: RecordFile, command: Command, streams: TraceeStreams
    ) -> tuple[Record | None, list[Record]]:
        """The first record that fits, and those that do not."""
        likely = file.likely(self.tree.world, streams, self.policy, command.fields())
        if command.key in self.books.recorded:
            likely = (record for record in likely if record.stored < self.books.began)
        found, self.skip.facts, others = first_fit(likely, self.tree.world, streams, self.policy)
        return found, others

    # -- a pipe on its stdin -----------------------------------------------------------------------------------

    def _ask_pipe(self, t: Tracee, pending: Pending, streams: TraceeStreams, tried: list[Record]) -> bool:
        """Begin to find out what the pipe on stdin holds, all else being as recorded; False where that may not be."""
        if pending.gather is not None or not self.policy.pipe_skip or not may_gather(t):
            return False
        limit = LEAST_LIMIT + 4 * max(record.wall for record in tried)
        try:
            pending.gather = Gather(t, streams.wanted, limit, self.policy, self.layout.tmp)
        except OSError:
            return False  # it runs, as without a record
        pending.gather.begin()
        return True

    def gathered(self, t: Tracee, pending: Pending, status: int) -> bool | Gather:
        """What waited for the pipe on stdin has ended with this wait status: decide again, as ``take`` does."""
        gather = pending.gather
        assert gather is not None
        try:
            gather.done(status)
            if gather.full and gather.go_on(t, self.watcher):
                return gather
        except OSError:  # it was killed meanwhile
            gather.close()
            return False
        return self._take_again(t, pending)

    def _take_again(self, t: Tracee, pending: Pending) -> bool:
        gather = pending.gather
        assert gather is not None
        skipped = False
        try:
            skipped = self.take(t, pending) is True
            if gather.unknown:
                pending.misses = [reason("pipe-unknown")]
        finally:
            if not skipped and not gather.give_back(t, self.watcher):
                self._stands_for(t, pending)
            gather.close()
        return skipped

    def _stands_for(self, t: Tracee, pending: Pending) -> None:
        """The stdin of ``t`` is a pipe of ours now, through which everything comes that came through the other."""
        st = t.stat_descriptor(0)
        if st is not None:
            self.streams.standing_for[(st.st_dev, st.st_ino)] = pending.inherited.files[0]
