"""Calls of execve and execveat: what is about to run, and the new execution when it does."""

from __future__ import annotations

import os
import stat
import time

from procache.model.aspects import OWNER
from procache.model.command import Command, EnvTables
from procache.model.execution import Execution
from procache.model.policy import TIMED, TIMED_LOOKS
from procache.model.reasons import Reason, reason
from procache.tracer.calls import PathCalls
from procache.tracer.decision import Pending
from procache.tracer.fds import Inherited, further_kinds, open_count, reads_nothing, share, surviving
from procache.tracer.loading import Loader, may_run
from procache.tracer.tracee import Tracee, signed
from procache.world import inherited as world_inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.books import Books
    from procache.tracer.decision import Decision
    from procache.tracer.gather import Gather
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.strict import Strict
    from procache.tracer.watch import Watcher
    from procache.world.paths import Found

Args = tuple[int, ...]
AT_EMPTY_PATH = 0x1000
#: Of the jobs that make runs at once one gets its stdin and the others a pipe without a writer, as it happens.
MAKES = frozenset((b"make", b"gmake"))
#: More inherited descriptors than this are not followed: each takes a part of a filter.
MOST_WATCHED = 32


class Execs:
    """Starts executions, unless the decision skips them.

    ``outside`` stands for procache itself, above the root: nothing of it is recorded, and its command is that of the
    first exec, already looked up, without success for the reasons ``root_misses``.
    """

    __slots__ = (
        "policy",
        "tree",
        "paths",
        "streams",
        "watcher",
        "envs",
        "loader",
        "decision",
        "books",
        "outside",
        "root_misses",
        "strict",
    )

    def __init__(
        self,
        paths: PathCalls,
        streams: StreamCalls,
        watcher: Watcher,
        envs: EnvTables,
        decision: Decision,
        books: Books,
        outside: Execution,
        root_misses: list[Reason],
        strict: Strict | None = None,
    ) -> None:
        self.policy = decision.policy
        self.tree = paths.tree
        self.paths = paths
        self.streams = streams
        self.watcher = watcher
        self.envs = envs
        self.loader = Loader(paths)
        self.decision = decision
        self.books = books
        self.outside = outside
        self.root_misses = root_misses
        self.strict = strict

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
        pending = t.exec = self._pending(t, absolute, found, argv, envp)
        if t.ex is self.outside:
            return False
        return self._or_runs(t, pending, self.decision.take(t, pending))

    def gathered(self, t: Tracee, status: int) -> bool | Gather:
        """What waited for the pipe on stdin has ended with this wait status; returns what ``execve`` does."""
        pending = t.exec
        assert isinstance(pending, Pending)
        return self._or_runs(t, pending, self.decision.gathered(t, pending, status))

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

    def _pending(self, t: Tracee, absolute: bytes, found: Found | bytes, argv: int, envp: int) -> Pending:
        inherited = Inherited(t, self.streams.standing_for)
        if absolute.startswith(b"/proc/") and not isinstance(found, bytes):
            absolute = found.path  # /proc/self/fd/3 is another program each time
        command = self._command(t, absolute, argv, envp, inherited.kinds)
        pending = Pending(command, inherited, found)
        if t.ex is self.outside:
            verify = self.decision.verify
            pending.command, pending.misses = self.outside.command, self.root_misses
            pending.expected = verify.expected if verify is not None else None
        if rights(pending.command) != rights(self.outside.command):  # what procache may see is not what this one may
            pending.taints.append(reason("credentials", detail="run by another user"))
        if opened_twice(inherited.kinds):
            pending.taints.append(reason("inherited-descriptor", detail="1 and 2, one file opened twice"))
        if not found:
            pending.taints.append(reason("anonymous-program", detail=absolute))
        return pending

    def _command(self, t: Tracee, absolute: bytes, argv: int, envp: int, kinds: tuple[bytes, ...]) -> Command:
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
            hidden = (*hidden[:-1], self.outside.command.hidden[-1])  # as it would be without procache (``near``)
        return Command(
            absolute, t.strings(argv), t.cwd(), self.envs.table(t.strings(envp)), kinds, hidden, process.attributes
        )

    # -- the exec happened -----------------------------------------------------------------------------------

    def started(self, t: Tracee) -> None:
        """The tracee runs a new program: from here on it belongs to a new execution."""
        pending = t.exec
        assert isinstance(pending, Pending)
        t.exec = None
        parent = None if t.ex is self.outside else t.ex
        number = 0 if parent is None else self.books.next_number()
        ex = Execution(number, parent, pending.command, t.process.tgid, time.time())
        ex.began = time.monotonic_ns()
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


def rights(command: Command) -> list[bytes]:
    """What decides over access to files, of what a command inherits: ids and capabilities."""
    fields = zip(world_inherited.FIELDS, command.hidden, strict=True)
    return [value for name, value in fields if name in (b"Uid", b"Gid", b"Groups", b"CapEff")]


def opened_twice(kinds: tuple[bytes, ...]) -> bool:
    """True when two standard streams are one file by two opens, and do not both append: one overwrites the other."""
    for kind in kinds:
        if b" ~" in kind:
            words = kind.split()
            other = kinds[int(words[-1][1:])].split()
            if not int(words[1], 8) & int(other[1], 8) & os.O_APPEND:
                return True
    return False
