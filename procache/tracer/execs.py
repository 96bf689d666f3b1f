"""The decision at each exec: skip it, or let it run as a new execution; and what happens at its end."""

from __future__ import annotations

import os
import stat
import time

from procache.capture.capture import Capture
from procache.events import execution_event
from procache.model.aspects import OWNER
from procache.model.command import Command, EnvTables
from procache.model.execution import HIT, MISS, UNCACHEABLE, Execution
from procache.model.match import ALL, match
from procache.model.policy import TIMED, TIMED_LOOKS
from procache.model.reasons import Reason, reason
from procache.model.record import Record
from procache.store import journal, records, usage
from procache.tracer.calls import PathCalls
from procache.tracer.fds import Inherited, TraceeStreams, further_kinds, open_count, reads_nothing, share, surviving
from procache.tracer.gather import LEAST_LIMIT, Gather, may_gather
from procache.tracer.loading import Loaded, Loader, may_run
from procache.tracer.pipereads import taint_unended
from procache.tracer.skip import Skip
from procache.tracer.tracee import Tracee, signed
from procache.world import inherited as world_inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from procache.model.aspects import Fact
    from procache.model.policy import Policy
    from procache.model.tree import Tree
    from procache.store.layout import Layout
    from procache.store.records import RecordFile
    from procache.store.writer import Writer
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.strict import Strict
    from procache.tracer.tracelog import TraceLog
    from procache.tracer.watch import Watcher
    from procache.verify import Verify
    from procache.world.paths import Found

Args = tuple[int, ...]
AT_EMPTY_PATH = 0x1000
#: Of the jobs that make runs at once one gets its stdin and the others a pipe without a writer, as it happens.
MAKES = frozenset((b"make", b"gmake"))
#: How many variants are compared in full when none fits, to say why; and how many differences are told.
COMPARED, TOLD = 3, 64
#: More inherited descriptors than this are not followed: each takes a part of a filter.
MOST_WATCHED = 32
#: Signals that come from outside or from a clock: what contains such a death is not to be trusted either.
FROM_OUTSIDE = frozenset((1, 2, 3, 9, 14, 15, 24))


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


class Execs:
    """Starts, skips and finishes executions. ``root`` is the command of the first exec, already looked up."""

    __slots__ = (
        "policy",
        "layout",
        "writer",
        "tree",
        "paths",
        "streams",
        "watcher",
        "capture",
        "envs",
        "loader",
        "root",
        "root_misses",
        "refresh",
        "no_store",
        "count",
        "counts",
        "outside",
        "skip",
        "saved",
        "verify",
        "strict",
        "log",
        "began",
        "recorded",
    )

    def __init__(
        self,
        policy: Policy,
        layout: Layout,
        writer: Writer,
        tree: Tree,
        paths: PathCalls,
        streams: StreamCalls,
        watcher: Watcher,
        envs: EnvTables,
        root: Command,
        root_misses: list[Reason],
        *,
        refresh: bool,
        no_store: bool,
    ) -> None:
        self.policy = policy
        self.layout = layout
        self.writer = writer
        self.tree = tree
        self.paths = paths
        self.streams = streams
        self.watcher = watcher
        self.capture = Capture(tree, layout, None if no_store else writer)
        self.envs = envs
        self.loader = Loader(paths)
        self.root = root
        self.root_misses = root_misses
        self.refresh = refresh
        self.no_store = no_store
        self.count = 0
        self.counts = {HIT: 0, MISS: 0, UNCACHEABLE: 0}
        #: stands for procache itself, above the root: nothing of it is recorded
        self.outside = Execution(-1, None, root, -1, 0.0)
        self.skip = Skip(layout, tree, paths, streams)
        self.saved = 0.0
        self.verify: Verify | None = None
        self.strict: Strict | None = None
        self.log: TraceLog | None = None
        #: when this run began, and the keys of what was recorded since: natively each of these would run again
        self.began = time.time()
        self.recorded: set[bytes] = set()

    # -- before the exec -----------------------------------------------------------------------------------

    def execve(self, t: Tracee, args: Args) -> bool | Gather:
        """execve(path, argv, envp); True when it is skipped, a Gather when its stdin is to be waited for."""
        return self._entry(t, None, args[0], args[1], args[2], 0)

    def execveat(self, t: Tracee, args: Args) -> bool | Gather:
        """execveat(dirfd, path, argv, envp, flags)."""
        return self._entry(t, signed(args[0]), args[1], args[2], args[3], args[4])

    def _entry(self, t: Tracee, dirfd: int | None, path: int, argv: int, envp: int, flags: int) -> bool | Gather:
        t.exec = None
        raw = t.string(path)
        if raw is None:
            return False
        if not raw and flags & AT_EMPTY_PATH and dirfd is not None:
            absolute: bytes | None = t.descriptor(dirfd)
        else:
            absolute = t.absolute(dirfd, raw)
        if absolute is None:
            return False
        found = self._find_program(t, absolute)
        if found is None:
            return False
        pending = self._pending(t, absolute, found, argv, envp)
        if pending is None:
            return False
        t.exec = pending
        if t.ex is self.outside:
            return False
        return self._or_runs(t, pending, self._try_to_skip(t, pending))

    def _or_runs(self, t: Tracee, pending: Pending, skipped: bool | Gather) -> bool | Gather:
        if skipped is False and not isinstance(pending.found, bytes):
            pending.loaded = self.loader.look_ahead(t, pending.found)
        return skipped

    def _find_program(self, t: Tracee, absolute: bytes) -> Found | bytes | None:
        """What is to run; b"" where it has no path; None where the call will fail."""
        if not absolute.startswith(b"/") or absolute.endswith(b" (deleted)") or absolute.startswith(b"/memfd:"):
            return b""
        found = self.paths.find_path(t, absolute, follow=True)
        if found is None or found.path.startswith(b"/proc/"):
            return b""
        if may_run(found):
            return found
        self.tree.look(t.ex, found.path, OWNER, found.st)
        return None

    def _pending(self, t: Tracee, absolute: bytes, found: Found | bytes, argv: int, envp: int) -> Pending | None:
        inherited = Inherited(t, self.streams.standing_for)
        kinds = inherited.kinds
        if (
            kinds[0] in (b"null", b"pipe")
            and any(node.command.program in MAKES for node in t.ex.chain())
            and reads_nothing(t)
        ):
            kinds = (b"nothing", *kinds[1:])
        process = t.process
        if process.attributes is None:
            process.attributes = world_inherited.attributes(t.tid)
        hidden = t.status()
        if not process.own_affinity:
            hidden = (*hidden[:-1], self.root.hidden[-1])  # as it would be without procache (``near``)
        if absolute.startswith(b"/proc/") and not isinstance(found, bytes):
            absolute = found.path  # /proc/self/fd/3 is another program each time
        command = Command(
            absolute, t.strings(argv), t.cwd(), self.envs.table(t.strings(envp)), kinds, hidden, process.attributes
        )
        pending = Pending(self.root if t.ex is self.outside else command, inherited, found)
        if t.ex is self.outside:
            pending.misses = self.root_misses
            pending.expected = self.verify.expected if self.verify is not None else None
        if opened_twice(inherited.kinds):
            pending.taints.append(reason("inherited-descriptor", detail="1 and 2, one file opened twice"))
        if not found:
            pending.taints.append(reason("anonymous-program", detail=absolute))
        return pending

    def _try_to_skip(self, t: Tracee, pending: Pending) -> bool | Gather:
        program = pending.command.program
        if (
            pending.taints
            or self.policy.is_never_cached(program, pending.command.argv)
            or program in self.policy.never_skipped
        ):
            return False
        if self.refresh:
            pending.misses.append(reason("refresh"))
            return False
        key = pending.command.key
        none = reason("same-run") if key in self.recorded else reason("no-record")
        file = records.find(self.layout, key)
        if file is None:
            pending.misses.append(none)
            return False
        started = time.time()
        streams = TraceeStreams(t, self.tree.world.memo, pending.gather)
        with file:
            record, tried = self._fitting(file, pending.command, streams)
        if file.damaged:
            from procache.store import fsck

            fsck.mend(self.layout, key)
        if record is None and streams.wanted and self._ask_pipe(t, pending, streams, tried):
            return (
                pending.gather
                if pending.gather is not None and pending.gather.helper
                else self._decide_again(t, pending)
            )
        if record is None:
            pending.misses += self.why_none(tried[:COMPARED], streams) or file.refused or [none]
            return False
        if self.verify is not None and self.verify.chooses(t.ex):
            pending.expected = record
            return False
        if not self.skip.put_in_place(t, pending, record):
            pending.misses.append(reason("replay-failed", detail=self.skip.failure))
            return False
        self._count_hit(t, pending, record, started)
        return True

    def _fitting(
        self, file: RecordFile, command: Command, streams: TraceeStreams
    ) -> tuple[Record | None, list[Record]]:
        """The first record that fits, and those that do not."""
        tried: list[Record] = []
        failed: tuple[Record, list[Fact]] | None = None
        repeated = command.key in self.recorded
        for record in file.likely(self.tree.world, streams, self.policy, command.fields()):
            if repeated and record.stored >= self.began:
                continue
            found = match(record, self.tree.world, streams, self.policy)
            if found.differences:
                tried.append(record)
                continue
            if not (self.policy.resume and record.status):
                self.skip.facts = found.facts
                return record, tried
            failed = failed or (record, found.facts)  # with --resume, done work goes before a failure over its results
        if failed is not None:
            self.skip.facts = failed[1]
            return failed[0], tried
        return None, tried

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

    def gathered(self, t: Tracee, status: int) -> bool | Gather:
        """What waited for the pipe on stdin has ended with this wait status: decide again, as ``execve`` does."""
        pending = t.exec
        assert isinstance(pending, Pending) and pending.gather is not None
        gather = pending.gather
        try:
            gather.done(status)
            if gather.full and gather.go_on(t, self.watcher):
                return gather
        except OSError:  # it was killed meanwhile
            gather.close()
            return False
        return self._or_runs(t, pending, self._decide_again(t, pending))

    def _decide_again(self, t: Tracee, pending: Pending) -> bool:
        gather = pending.gather
        assert gather is not None
        skipped = False
        try:
            skipped = self._try_to_skip(t, pending) is True
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

    def why_none(self, tried: list[Record], streams: TraceeStreams) -> list[Reason]:
        """All differences of the record that comes nearest."""
        nearest: list[Reason] | None = None
        for record in tried:
            found = match(record, self.tree.world, streams, self.policy, most=ALL)
            if nearest is None or len(found.differences) < len(nearest):
                nearest = found.differences
        return (nearest or [])[:TOLD]

    def _count_hit(self, t: Tracee, pending: Pending, record: Record, started: float) -> None:
        if usage.is_old(self.layout.record(pending.command.key)):
            self.writer.used(pending.command.key, record.pack())
        self.count += 1
        self.counts[HIT] += 1
        self.saved += record.wall
        t.ex.nested += record.nested
        t.ex.child_keys.append(pending.command.key)
        self.writer.event(
            journal.pack(
                execution_event(
                    self.count,
                    t.ex.number,
                    pending.command,
                    HIT,
                    [],
                    started,
                    time.time(),
                    record.status,
                    (record.utime, record.stime, record.maxrss),
                    record.wall,
                    record.nested,
                )
            )
        )

    # -- the exec happened -----------------------------------------------------------------------------------

    def started(self, t: Tracee) -> None:
        """The tracee runs a new program: from here on it belongs to a new execution."""
        pending = t.exec
        assert isinstance(pending, Pending)
        t.exec = None
        parent = None if t.ex is self.outside else t.ex
        if parent is not None:
            self.count += 1
        ex = Execution(self.count if parent is not None else 0, parent, pending.command, t.process.tgid, time.time())
        t.ex = ex
        t.process.close()
        ex.inherited = pending.inherited.files
        self._inherit(t, ex, pending)
        ex.misses, ex.expected = pending.misses, pending.expected
        pending.taints += [why for why in ex.misses if why["code"] == "unstable"]
        if pending.command.streams[0] == b"file":
            ex.stdin_file = share(t.process.tgid, 0)
        program = pending.command.program
        rule = self.policy.of_program(program)
        self.tree.ran(ex, program, rule)
        ex.timed, ex.timed_stats = bool(rule & TIMED), bool(rule & TIMED_LOOKS)
        if ex.timed and pending.command.streams[0] == b"file":
            self.streams.receive(t, (0,))  # it may tell of its stdin without reading it
        if self.policy.is_never_cached(program, pending.command.argv):
            pending.taints.append(reason("never-cache", detail=program))
        for why in pending.taints:
            self.tree.taint(ex, why)
        if self.strict is not None:
            self.strict.started(t)
        if program in self.policy.never_skipped:
            ex.taint(reason("never-skipped", detail=program))
        if not isinstance(pending.found, bytes):
            self.loader.load(t, pending.found, pending.loaded)

    def _inherit(self, t: Tracee, ex: Execution, pending: Pending) -> None:
        """Follow descriptors above 2 that the exec handed on, and standard ones that it closed."""
        count = open_count(t)
        if count and count == len(ex.inherited):
            return
        files = {fd: found for fd in (0, 1, 2) if (found := t.stat_descriptor(fd)) is not None}
        if {fd: self.streams.identity(st) for fd, st in files.items()} != ex.inherited:
            pending.taints.append(reason("inherited-descriptor", detail="0 to 2, closed by the exec"))
        others = surviving(t)
        ex.further = further_kinds(t, others)
        if len(others) > MOST_WATCHED:
            pending.taints.append(reason("inherited-descriptor", detail=f"{len(others)} above 2"))
            return
        for fd, st in others.items():
            if stat.S_ISDIR(st.st_mode):
                continue
            ex.inherited[fd] = (st.st_dev, st.st_ino)
            if fd not in t.process.watched and not pending.taints and not self.watcher.watch_after_exec(t, fd):
                pending.taints.append(reason("inherited-descriptor", detail=fd))

    # -- the end ------------------------------------------------------------------------------------------------

    def exited(self, tgid: int, ex: Execution, status: int, usage: tuple[float, float, int]) -> None:
        """Process ``tgid`` of ``ex`` has ended with ``status`` (-signal for a death by signal)."""
        node: Execution | None = ex
        while node is not None and node.main_pid == tgid:
            node.status = status
            node.utime, node.stime, node.maxrss = usage
            if node is ex and node.live > 1:
                node.outlived = True
                if node.parent is not None:
                    node.taint(reason("survivor"))
            node = node.parent
        self.release(ex)

    def release(self, ex: Execution) -> None:
        """One process or child execution of ``ex`` less; the last one ends it, and what waits for it."""
        node: Execution | None = ex
        while node is not None and node is not self.outside:
            node.live -= 1
            if node.live:
                return
            self._finish(node)
            node = node.parent

    def _finish(self, ex: Execution) -> None:
        ex.ended = max(time.time(), ex.started)  # the clock may have been set back
        if ex.status < 0:
            self._killed(ex, -ex.status)
        taint_unended(ex)
        if self.policy.only_success and ex.status and not ex.taints:
            ex.taint(reason("failed", detail=ex.status))
        made = self._record(ex) if not ex.taints and (not self.no_store or ex.expected is not None) else None
        if ex.expected is not None and self.verify is not None:
            self.verify.compare(ex, made)
        ex.outcome = UNCACHEABLE if ex.taints else MISS
        for why in ex.taints:
            if why["code"] == "store":
                self.writer.lose(str(why["detail"]))
        if self.log is not None:
            self.log.decided(ex, ex.outcome)
        self.counts[ex.outcome] += 1
        self.tree.forget_writer(ex)
        if ex.parent is not None:
            ex.parent.nested += ex.nested
            ex.parent.child_keys.append(ex.command.key)
        self.writer.event(
            journal.pack(
                execution_event(
                    ex.number,
                    None if ex.parent is None else ex.parent.number,
                    ex.command,
                    ex.outcome,
                    ex.taints or ex.misses if ex.expected is None else ex.taints + ex.misses,
                    ex.started,
                    ex.ended,
                    ex.status,
                    (ex.utime, ex.stime, ex.maxrss),
                    0.0,
                    1,
                )
            )
        )
        if ex.stdin_file >= 0:
            os.close(ex.stdin_file)
        for kept in (ex.stdin, ex.output):
            if kept is not None:
                kept.close()  # type: ignore[attr-defined]

    def _record(self, ex: Execution) -> Record | None:
        took = ex.ended - ex.started
        if took >= self.policy.min_runtime or ex.expected is not None:
            made = self.capture.record(ex, ex.ended)
            if made is not None:
                self.recorded.add(ex.command.key)
            return made
        ex.misses = [*ex.misses, reason("too-short", detail=f"{took:.3f}")]
        return None

    def abandon(self, tracees: Iterable[Tracee]) -> None:
        """What still runs is followed no further: it is not recorded, nor is what contains it."""
        going = {node for t in tracees if t.ex is not self.outside for node in t.ex.chain()}
        for ex in sorted(going, key=lambda node: -node.number):
            ex.taint(reason("left-behind"))
            self._finish(ex)
        for t in tracees:
            t.ex = self.outside

    def _killed(self, ex: Execution, number: int) -> None:
        why = reason("signal", detail=number)
        if number in FROM_OUTSIDE:
            self.tree.taint(ex, why)
        else:
            ex.taint(why)


def opened_twice(kinds: tuple[bytes, ...]) -> bool:
    """True when two standard streams are one file by two opens, and do not both append: one overwrites the other."""
    for kind in kinds:
        if b" ~" in kind:
            words = kind.split()
            other = kinds[int(words[-1][1:])].split()
            if not int(words[1], 8) & int(other[1], 8) & os.O_APPEND:
                return True
    return False
