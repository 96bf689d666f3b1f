"""Taking the effects of a finished execution, and the content of the files that it left."""

from __future__ import annotations

import os
import stat
import time

from procache import copying, digests
from procache.capture.streamlog import INLINE, StreamLog
from procache.model import effects as fx
from procache.model.aspects import (
    CONTENT,
    DESCRIPTORS,
    DIGEST,
    LISTING,
    OWNER,
    REPLACEABLE,
    STDIN,
    TARGET,
    UNCOUNTED,
    WHOLE,
    WRITABLE,
    ChangedWhileReading,
    Fact,
    State,
)
from procache.model.execution import Execution, Touch
from procache.model.own import before
from procache.model.pathrules import IGNORED, TAINTING
from procache.model.reasons import reason
from procache.model.record import Record
from procache.model.tree import is_folder
from procache.store.claims import Claims
from procache.store.files import drop, temporary, write_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.pathrules import PathRules
    from procache.model.tree import Tree
    from procache.store.layout import Layout
    from procache.store.writer import Writer

#: Content up to this many bytes goes to the writer as it is; larger files are copied aside first.
BY_PIPE = 1 << 18


#: A file system with less room than this (bytes) may have cut an output short: failed writes are not seen.
LITTLE_ROOM = 1 << 20


class Unrecordable(Exception):
    """Raised when the state of an execution cannot be told for certain; carries the reason."""

    def __init__(self, why: dict[str, object]) -> None:
        super().__init__(why)
        self.why = why


class NotStaged(Exception):
    """Raised when content could not be laid aside for the writer; says why."""


class Capture:
    """Makes records. ``writer`` None means that nothing is stored (--no-store)."""

    __slots__ = ("tree", "layout", "writer", "claims")

    def __init__(self, tree: Tree, layout: Layout, writer: Writer | None) -> None:
        self.tree = tree
        self.layout = layout
        self.writer = writer
        self.claims = Claims(layout)

    def record(self, ex: Execution, now: float) -> Record | None:
        """Verify, capture and store one finished, untainted execution; None where that turned out impossible."""
        try:
            self._verify(ex)
            effects = self._effects(ex)
            segments, data, digest = self._streams(ex)
            if ex.touched:
                self._see_other_runs(ex)
        except Unrecordable as error:
            self.tree.taint(ex, error.why)
            return None
        except ChangedWhileReading:
            self.tree.taint(ex, reason("changed-outside", path=b"an output"))
            return None
        except NotStaged as error:
            self.tree.taint(ex, reason("store", detail=str(error)))
            return None
        except OSError as error:
            self.tree.taint(ex, reason("unreadable", detail=str(error)))
            return None
        made = Record(
            ex.command.fields(),
            ex.command.env.names(),
            counted(ex, facts_of(ex), self.tree.rules),
            effects,
            segments,
            data,
            digest,
            stdin_end(ex),
            ex.status,
            ex.ended - ex.started,
            ex.utime,
            ex.stime,
            ex.maxrss,
            ex.nested,
            ex.child_keys,
            now,
        )
        if self.writer is not None:
            self.writer.put_record(ex.command.key, made.pack())
        return made

    # -- facts: nobody else changed them meanwhile ------------------------------------------------------

    def _verify(self, ex: Execution) -> None:
        world, touched, rules = self.tree.world, ex.touched, self.tree.rules
        states = ex.states if rules is None else self._counting(ex, rules)
        # a file that is an input and also an open stream (``cat in >> in``) is not to be told apart later
        kinds = ex.command.streams
        outputs = tuple(ex.inherited[fd] for fd in (1, 2) if fd in ex.inherited and kinds[fd].startswith(b"file"))
        found = world.first_changed(states, touched, outputs)
        if found is not None:
            raise Unrecordable(reason("conflict" if found[1] else "changed-outside", path=found[0]))
        for (path, aspect), value in ex.extras.items():
            if aspect == LISTING and path not in touched and not (rules is not None and rules.of(path)):
                now = world.listing_digest(before(ex, path, world.entries(path)))
                if now != value:
                    raise Unrecordable(reason("changed-outside", path=path))

    @staticmethod
    def _counting(ex: Execution, rules: PathRules) -> dict[bytes, tuple[int, object, bool]]:
        """The states of paths that the policy counts. Raises Unrecordable where a tainting path was used."""
        for path in (*ex.touched, *ex.states, *(path for path, _ in ex.extras)):
            if rules.of(path) == TAINTING:
                raise Unrecordable(reason("path-rule", path=path))
        return {path: state for path, state in ex.states.items() if not rules.of(path)}

    def _see_other_runs(self, ex: Execution) -> None:
        """What was found at the end may be the work of another run, which may also have been there in between."""
        rules = self.tree.rules
        path = self.claims.meddled((path for path in ex.touched if rules is None or not rules.of(path)), ex.began)
        if path is not None:
            raise Unrecordable(reason("other-run", path=path))

    # -- effects ------------------------------------------------------------------------------------------

    def _effects(self, ex: Execution) -> list[fx.Effect]:
        if not ex.touched:
            return []
        groups: dict[tuple[int, int], bytes] = {}
        found: list[fx.Effect] = []
        inherited = set(ex.inherited.values())
        devices: set[int] = set()
        # names that were there before come first: a new name is a link to them, not they to it
        touched = sorted(ex.touched.items(), key=lambda item: not item[1].prior or item[1].replaced)
        rules, look = self.tree.rules, self.tree.world.look
        changed = [(path, touch, look(path)) for path, touch in touched if rules is None or not rules.of(path)]
        share_between_names(changed)
        share_below(changed)
        for path, touch, st in changed:
            if not isinstance(st, int) and touch.set_mtime not in (None, fx.NOW, st.st_mtime_ns):
                touch.set_mtime = None  # written again after its time was set
            if self.tree.works.meddled(path, st):
                raise Unrecordable(reason("changed-outside", path=path))
            if not isinstance(st, int) and (st.st_dev, st.st_ino) in inherited and (ex.writes or ex.stdin):
                raise Unrecordable(reason("conflict", path=path))
            effect = self._effect(ex, path, touch, st, groups)
            if not isinstance(st, int) and st.st_dev not in devices:
                devices.add(st.st_dev)
                check_room(path)
            if effect is not None:
                found.append(effect)
        self._check_links(found, groups)
        return found

    def _check_links(self, effects: list[fx.Effect], groups: dict[tuple[int, int], bytes]) -> None:
        """Every name of a file that was left with several must be known, or another one changes with it."""
        for first in groups.values():
            st = self.tree.world.look(first)
            names = 1 + sum(effect[fx.KIND] == fx.HARD and effect[fx.STATE] == first for effect in effects)
            if not isinstance(st, int) and st.st_nlink != names:
                raise Unrecordable(reason("hard-link", path=first))

    def _effect(
        self, ex: Execution, path: bytes, touch: Touch, st: os.stat_result | int, groups: dict[tuple[int, int], bytes]
    ) -> fx.Effect | None:
        if isinstance(st, int):
            weak = (path, WRITABLE) in ex.extras or (path, REPLACEABLE) in ex.extras
            return (path, fx.GONE, touch.prior, None, None, False, None) if touch.prior or weak else None
        kind = stat.S_IFMT(st.st_mode)
        xattrs = xattrs_of(path) if touch.xattrs else None
        if kind == stat.S_IFREG:
            return self._file(ex, path, touch, st, xattrs, groups)
        if kind == stat.S_IFDIR:
            return self._folder(ex, path, touch, st, xattrs)
        if kind == stat.S_IFLNK:
            target = os.readlink(path)
            fact = ex.states.get(path)
            if st.st_nlink > 1:
                raise Unrecordable(reason("hard-link", path=path))
            if (st.st_uid, st.st_gid) != (os.geteuid(), os.getegid()):
                raise Unrecordable(reason("special-file", path=path, detail="link of another owner"))
            if xattrs is not None:
                raise Unrecordable(reason("special-file", path=path, detail="link with attributes"))
            same = fact is not None and fact[0] == TARGET and fact[1] == target and touch.set_mtime is None
            return None if same else (path, fx.LINK, touch.prior, target, touch.set_mtime, False, None)
        if kind == stat.S_IFIFO:
            return path, fx.FIFO, touch.prior, plain_state(st), None, False, None
        raise Unrecordable(reason("special-file", path=path, detail="socket" if kind == stat.S_IFSOCK else "device"))

    def _file(
        self,
        ex: Execution,
        path: bytes,
        touch: Touch,
        st: os.stat_result,
        xattrs: fx.Xattrs | None,
        groups: dict[tuple[int, int], bytes],
    ) -> fx.Effect | None:
        if touch.links > 1:
            raise Unrecordable(reason("hard-link", path=path))
        if st.st_nlink > 1:
            first = groups.setdefault((st.st_dev, st.st_ino), path)
            if first != path:
                if not touch.replaced:
                    raise Unrecordable(reason("hard-link", path=path))
                return path, fx.HARD, touch.prior, first, None, False, None
        before_state = ex.state_of(path)
        state = self._content(path, st)
        if before_state is not None and before_state[DIGEST] == state[DIGEST] and not touch.replaced:
            if before_state[:3] == state[:3] and touch.set_mtime is None and xattrs is None and st.st_nlink == 1:
                return None
            return path, fx.KEPT, touch.prior, state, touch.set_mtime, True, xattrs
        return path, fx.FILE, touch.prior, state, touch.set_mtime, not touch.replaced, xattrs

    def _content(self, path: bytes, st: os.stat_result) -> State:
        """The state of an output, its content handed to the store."""
        world = self.tree.world
        known = world.memo.peek(st)
        if self.writer is None or known in self.writer.seen:
            return world.file_state(path, st)
        if st.st_size <= BY_PIPE and not copying.has_holes(st):
            began = time.time_ns()
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                data = os.read(fd, BY_PIPE + 1)
                after = os.fstat(fd)
            finally:
                os.close(fd)
            if len(data) != st.st_size or (after.st_mtime_ns, after.st_ctime_ns) != (st.st_mtime_ns, st.st_ctime_ns):
                raise ChangedWhileReading
            digest = digests.of_bytes(data)
            key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
            world.memo.remember(key, digest, st, began)
            self.writer.put_blob(digest, data)
            return world.state_of(st, digest)
        state = world.file_state(path, st)
        self._stage(path, state[DIGEST])
        return state

    def _stage(self, path: bytes, digest: bytes) -> None:
        """Copy a large output aside, so that it can be stored whatever happens to it next."""
        assert self.writer is not None
        if digest in self.writer.seen:
            return
        staged = temporary(self.layout)
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            copied, shared = copy_out(source, staged)
        except OSError as error:
            raise NotStaged(error.strerror) from error
        finally:
            os.close(source)
        if copied != digest:
            drop(staged)
            raise ChangedWhileReading
        self.writer.put_staged(digest, staged, shared=shared)

    def _folder(
        self, ex: Execution, path: bytes, touch: Touch, st: os.stat_result, xattrs: fx.Xattrs | None
    ) -> fx.Effect | None:
        fact = ex.states.get(path)
        owner = (st.st_mode, st.st_uid, st.st_gid)
        if (
            fact is not None
            and fact[0] in (OWNER, CONTENT)
            and fact[1] == owner
            and touch.set_mtime is None
            and xattrs is None
        ):
            return None
        return path, fx.DIR, touch.prior, plain_state(st), touch.set_mtime, not touch.replaced, xattrs

    # -- streams --------------------------------------------------------------------------------------------

    def _streams(self, ex: Execution) -> tuple[list[tuple[int, int]], bytes | None, bytes]:
        log = ex.output
        if not isinstance(log, StreamLog):
            return [], b"", b""
        segments, data, digest, spool = log.take()
        if ex.stdin is not None and any(ex.inherited.get(fd) == ex.inherited.get(0) for fd, _ in segments):
            raise Unrecordable(reason("seeks-stream", detail="0, which it also reads"))  # one offset for both
        if data is not None and len(data) <= INLINE:
            return segments, data, b""
        if self.writer is not None and digest not in self.writer.seen:
            if data is not None and len(data) <= BY_PIPE:
                self.writer.put_blob(digest, data)
            else:
                staged = temporary(self.layout)
                try:
                    write_new(staged, data) if data is not None else copy_out(spool, staged)
                except OSError as error:
                    raise NotStaged(error.strerror) from error
                self.writer.put_staged(digest, staged)
        return segments, None, digest


def share_between_names(changed: list[tuple[bytes, Touch, os.stat_result | int]]) -> None:
    """A time or attributes set by one name of a file are those of its other names."""
    files: dict[tuple[int, int], list[tuple[Touch, int]]] = {}
    for _, touch, st in changed:
        if not isinstance(st, int) and st.st_nlink > 1 and stat.S_ISREG(st.st_mode):
            files.setdefault((st.st_dev, st.st_ino), []).append((touch, st.st_mtime_ns))
    for names in files.values():
        times = {touch.set_mtime for touch, now in names if touch.set_mtime in (fx.NOW, now)}
        for touch, now in names:
            touch.set_mtime = now if now in times else fx.NOW if times else None
            touch.xattrs = any(name.xattrs for name, _ in names)


def share_below(changed: list[tuple[bytes, Touch, os.stat_result | int]]) -> None:
    """What is below a folder that was given attributes may have inherited some (acl(5), default ACLs)."""
    folders = tuple(path + b"/" for path, touch, st in changed if touch.xattrs and is_folder(st))
    for path, touch, st in changed if folders else ():
        if path.startswith(folders) and not isinstance(st, int) and not stat.S_ISLNK(st.st_mode):
            touch.xattrs = True


def check_room(path: bytes) -> None:
    """A file system without room may have cut the output short, and will not next time. Raises Unrecordable."""
    room = os.statvfs(path if os.path.isdir(path) else os.path.dirname(path))
    if room.f_blocks and room.f_bavail * room.f_frsize < LITTLE_ROOM:
        raise Unrecordable(reason("full", path=path))


def facts_of(ex: Execution) -> list[Fact]:
    """All facts of an execution, in the order of their first look."""
    facts: list[Fact] = [(path, aspect, value, timed) for path, (aspect, value, timed) in ex.states.items()]
    facts.extend((path, aspect, value, False) for (path, aspect), value in ex.extras.items())
    facts.append((b"", DESCRIPTORS, ex.further, False))
    if ex.outlived:
        facts.append((b"", WHOLE, True, False))
    if ex.stdin is not None:
        facts.append((b"0", STDIN, ex.stdin.fact, False))  # type: ignore[attr-defined]
    return facts


def counted(ex: Execution, facts: list[Fact], rules: PathRules | None) -> list[Fact]:
    """The facts without those of paths that the policy leaves out; that it does is a fact in their stead."""
    if rules is None:
        return facts
    ignored = [path for path in (*ex.touched, *(fact[0] for fact in facts)) if rules.of(path) == IGNORED]
    return [
        *(fact for fact in facts if rules.of(fact[0]) != IGNORED),
        *((path, UNCOUNTED, None, False) for path in dict.fromkeys(ignored)),
    ]


def stdin_end(ex: Execution) -> int | None:
    """The offset at which an inherited file on descriptor 0 was left, where it was read."""
    return None if ex.stdin is None else ex.stdin.end()  # type: ignore[attr-defined]


def plain_state(st: os.stat_result) -> State:
    """The state of something that is not a regular file."""
    return (st.st_mode, st.st_uid, st.st_gid, 0, 0, st.st_mtime_ns, b"", None)


def xattrs_of(path: bytes) -> fx.Xattrs:
    """All extended attributes of ``path``, sorted."""
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return tuple((os.fsencode(name), os.getxattr(path, name, follow_symlinks=False)) for name in names)


def copy_out(source: int, staged: bytes) -> tuple[bytes, bool]:
    """Copy an open file to a temporary; returns its digest, and whether the two share their extents. Raises OSError."""
    target = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        shared = copying.copy(source, target)
        return digests.of_descriptor(target), shared
    except OSError:
        drop(staged)
        raise
    finally:
        os.close(target)
