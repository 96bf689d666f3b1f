"""The warm path: the command of the root, whether a record fits it, and replaying that without tracing.

Everything here is on the path of a warm hit: only what it needs is imported.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

from procache import __version__, digests
from procache.errors import SCARCE, UsageError
from procache.model.aspects import ChangedWhileReading
from procache.model.command import Command, EnvTables
from procache.model.effects import PATH
from procache.model.match import first_fit, why_none
from procache.model.policy import Policy
from procache.model.reasons import Reason, reason
from procache.model.record import Record
from procache.pipeinput import PipeInput
from procache.program import find_program
from procache.replay import streams as out
from procache.replay.apply import Replay, ReplayFailed
from procache.store import journal, memofile, records, usage
from procache.world import inherited, pseudo
from procache.world.environment import own_environment, search_path
from procache.world.states import Memo
from procache.world.view import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.claims import Claims
    from procache.store.layout import Layout
    from procache.store.records import RecordFile

#: The files of so many executions are renewed while the command waits.
FEW = 32


class Front:
    """The root command and what is known of it before anything runs."""

    whole = True

    __slots__ = (
        "argv",
        "exe",
        "env",
        "command",
        "policy",
        "layout",
        "world",
        "envs",
        "extra",
        "extra_kinds",
        "input",
        "expected",
        "claims",
        "started",
    )

    def __init__(self, argv: list[bytes], layout: Layout, policy: Policy) -> None:
        self.started = time.time()
        try:
            digests.use(policy.digest)
        except digests.Unknown as error:
            raise UsageError(str(error)) from error
        self.input = PipeInput()
        #: the record that fits, where it is to be verified instead of replayed
        self.expected: Record | None = None
        #: what is told of a replay, while it changes something
        self.claims: Claims | None = None
        self.argv = tuple(argv)
        self.layout = layout
        self.policy = policy
        self.env = own_environment()
        self.world = World(Memo(lambda memo: memofile.load(memofile.path_of(layout), memo)))
        self.envs = EnvTables(policy)
        self.exe = find_program(argv[0], search_path(self.env))
        cwd = os.getcwdb()
        absolute = self.exe if self.exe.startswith(b"/") else cwd + b"/" + self.exe
        kinds, self.extra, self.extra_kinds = own_descriptors()
        self.command = Command(
            absolute,
            self.argv,
            cwd,
            self.envs.table(self.env),
            kinds,
            inherited.own_status_fields(),
            inherited.attributes("self"),
        )

    def stdin(self) -> tuple[int, bytes] | None:
        """(offset, digest) of a regular file on descriptor 0."""
        try:
            st = os.fstat(0)
            if not stat.S_ISREG(st.st_mode):
                return None
            fd = os.open("/proc/self/fd/0", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return os.lseek(0, 0, os.SEEK_CUR), self.world.memo.peek(st) or self.world.memo.digest_open(fd, st)
        except (OSError, ChangedWhileReading):  # no record fits
            return None
        finally:
            os.close(fd)

    def pipe(self, size: int, digest: bytes, ended: bool, head: bytes) -> bool:
        """True when the pipe on descriptor 0 begins with these bytes, and ends there if ``ended``."""
        return self.command.streams[0] == b"pipe" and self.input.matches(size, digest, ended, head)

    @property
    def never_skipped(self) -> bool:
        """True when the command is to be run whatever is recorded."""
        program = self.command.program
        return self.policy.is_never_cached(program, self.argv) or program in self.policy.never_skipped

    def further(self) -> tuple[bytes, ...]:
        """Numbers and kinds of the descriptors above 2 that the command inherits."""
        return self.extra_kinds

    def begins(self, fd: int) -> bool:
        """True when the file on ``fd`` stands at its begin."""
        try:
            return os.lseek(fd, 0, os.SEEK_CUR) == 0
        except OSError:
            return False

    def files(self, fds: tuple[int, ...]) -> frozenset[tuple[int, int]]:
        """(device, inode) of the regular files among these descriptors."""
        found = []
        for fd in fds:
            try:
                st = os.fstat(fd)
            except OSError:
                continue
            if stat.S_ISREG(st.st_mode):
                found.append((st.st_dev, st.st_ino))
        return frozenset(found)

    def fitting(self, misses: list[Reason]) -> Record | None:
        """The record that fits now; where none does, ``misses`` gets all reasons."""
        file = records.find(self.layout, self.command.key)
        if file is None:
            misses.append(reason("no-record"))
            return None
        with file:
            found = self._fitting(file, misses)
        if file.damaged:
            from procache.store import fsck

            fsck.mend(self.layout, self.command.key)
        return found

    def _fitting(self, file: RecordFile, misses: list[Reason]) -> Record | None:
        likely = file.likely(self.world, self, self.policy, self.command.fields())
        found, _, others = first_fit(likely, self.world, self, self.policy)
        if found is None:
            misses += why_none(others, self.world, self, self.policy) or file.refused or [reason("no-record")]
        return found

    def replay(self, record: Record) -> int:
        """Put a record in place and write its output; returns the status. Raises ReplayFailed, with nothing changed."""
        replay = Replay(self.layout, self.world, record.effects)
        blob = out.check(record, self.layout)
        for fd, _ in record.segments:
            try:
                os.fstat(fd)
            except OSError as error:
                raise ReplayFailed(f"descriptor {fd} is closed") from error
        replay.claim = lambda: self._claim(record)
        try:
            replay.stage()
            replay.commit()
        except SCARCE as error:
            raise ReplayFailed(str(error)) from error
        finally:
            if self.layout.staging is not None:
                self.layout.staging.end()
            if self.claims is not None:
                self.claims.end()
        try:
            self.input.consume()
            if record.stdin_end is not None:
                os.lseek(0, record.stdin_end, os.SEEK_SET)
            for fd, data in out.pieces(record, blob):
                out.write_all(fd, data)
        except BrokenPipeError:
            return -13
        except OSError as error:  # the program would have met it too, and said so
            out.complain(error)
            return record.status or 1
        return record.status

    def _claim(self, record: Record) -> None:
        """Tell other runs that go on what is about to be changed."""
        from procache.store.claims import Claims  # most hits change nothing

        self.claims = self.claims or Claims(self.layout)
        self.claims.add(*(effect[PATH] for effect in record.effects))

    def journal_hit(self, record: Record, status: int, options: dict[str, bool]) -> str:
        """Write the journal of a run that was one hit; "", or why that failed, which is no failure of the command."""
        from procache.events import execution_event, run_event

        now = max(time.time(), self.started)
        run_id = journal.new_run_id(self.started)
        usage = (record.utime, record.stime, record.maxrss)
        events = (
            run_event(run_id, __version__, self.command, self.started, options),
            execution_event(
                0, None, self.command, "hit", [], self.started, now, status, usage, record.wall, record.nested
            ),
            {"t": "end", "ended": now, "status": status, "counts": {"hit": 1, "miss": 0, "uncacheable": 0}},
        )
        try:
            journal.write(
                journal.path_of(self.layout, run_id), b"".join(map(journal.pack, events)), shared=self.layout.shared
            )
        except OSError as error:
            return error.strerror or str(error)
        memofile.append(self.layout, self.world.memo)
        return ""

    def tend_store(self, record: Record) -> None:
        """After a hit: count it, say what was used, and see to the store if that is due."""
        length = usage.append(self.layout, (1, 1, 0, 0), record.wall)
        if length and usage.is_old(self.layout.record(self.command.key)):  # in a store that can be written to
            self._tell_use(record)
        if length > usage.MUCH or (length and usage.neglected(self.layout)):
            from procache.store import upkeep

            upkeep.start(self.layout, self.policy)

    def _tell_use(self, record: Record) -> None:
        """Once an hour: what was used is renewed, by a process beside where that is much."""
        from procache.store import lastuse, upkeep

        if record.nested <= FEW:
            lastuse.renew(self.layout, self.command.key, record)
        else:
            upkeep.detach(lambda: lastuse.renew(self.layout, self.command.key, record))


def own_descriptors() -> tuple[tuple[bytes, ...], list[int], tuple[bytes, ...]]:
    """Kinds of the standard streams as a command inherits them; of those above 2 the numbers to watch, and kinds."""
    kinds: list[bytes] = []
    extra: list[int] = []
    further: list[bytes] = []
    files: dict[int, tuple[int, int]] = {}
    for fd in (0, 1, 2):
        try:
            st = os.fstat(fd)
        except OSError:
            kinds.append(b"closed")
            continue
        files[fd] = (st.st_dev, st.st_ino)
        kind = pseudo.stream_kind(st)
        if kind == b"file" and fd:
            kind += pseudo.file_mode(fcntl.fcntl(fd, fcntl.F_GETFL))
        elif kind == b"terminal":
            from procache.world.terminals import window_size

            kind += window_size(b"/proc/self/fd/%d" % fd)
        kinds.append(kind)
    for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        if fd > 2 and _inheritable(fd):
            st = os.fstat(fd)
            further.append(pseudo.further_kind(fd, st, os.readlink(b"/proc/self/fd/%d" % fd)))
            if not stat.S_ISDIR(st.st_mode):
                extra.append(fd)
    return pseudo.with_sharing(kinds, files, _one_open), extra, tuple(further)


def _one_open(one: int, other: int) -> bool:
    from procache.world.openfiles import kcmp  # only where two streams are one file

    return kcmp(os.getpid(), one, os.getpid(), other)


def _inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False
