"""Resolving the paths of calls, and attributing what is walked through on the way."""

from __future__ import annotations

import errno
import os
import stat

from procache.model.reasons import reason
from procache.tracer.table import AT_FDCWD
from procache.tracer.tracee import Tracee, Unreadable, signed
from procache.world.paths import Found, Resolver, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.model.execution import Execution
    from procache.model.tree import Tree
    from procache.tracer.near import Near
    from procache.tracer.streamcalls import StreamCalls

Args = tuple[int, ...]

#: Failures whose cause is seen in the paths themselves: names that are there or not, folders, loops, bad arguments.
EXPLAINED = frozenset(
    (
        errno.EEXIST,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOTEMPTY,
        errno.ELOOP,
        errno.EINVAL,
        errno.EBADF,
        errno.EFAULT,
        errno.ENAMETOOLONG,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.ENODATA,
        errno.EXDEV,
    )
)
_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
#: Links of /proc/PID that lead to what the process has open, or works in.
_MAGIC = (b"fd", b"cwd", b"root", b"exe")
#: Results below this are the kernel's own, for calls that it makes again (ERESTARTSYS …).
MAX_ERRNO = 512


class Finding:
    """What all handlers of path-carrying calls share."""

    __slots__ = ("tree", "resolver", "near", "streams", "tracees", "names_changing", "seen", "made")

    def __init__(self, tree: Tree, resolver: Resolver, near: Near, tracees: dict[int, Tracee]) -> None:
        self.tree = tree
        self.tracees = tracees
        #: set where the present call gives a folder or link another name
        self.names_changing = False
        self.near = near
        self.resolver = resolver
        self.streams: StreamCalls
        #: what the present call looks at, where the event source has looked already
        self.seen: Found | None = None
        #: (thread, execution, path) of files that are being made by calls of tracees that went on (``settle``)
        self.made: list[tuple[int, Execution, bytes]] = []

    # -- finding -----------------------------------------------------------------------------------------

    def find(
        self, t: Tracee, args: Args, dirfd: int | None, path: int | None, *, follow: bool, named: bool = False
    ) -> Found | None:
        """Resolve the path argument at place ``path``; None where the call will fail or means no file.

        ``named``: the call is about the name itself, so that a slash behind it (``mkdir d/``) leads no further.
        """
        if self.seen is not None:
            self.walked(t.ex, self.seen)
            return self.seen
        raw = t.string(args[path] if path is not None else 0)
        if raw is None:
            return None
        if named and raw.endswith(b"/"):
            raw = raw.rstrip(b"/") or b"/"
        absolute = t.absolute(None if dirfd is None else signed(args[dirfd]), raw)
        return None if absolute is None else self.find_path(t, absolute, follow=follow)

    def find_path(self, t: Tracee, path: bytes, *, follow: bool) -> Found | None:
        """Resolve an absolute path; what was walked through becomes facts. None for pseudo files, once followed."""
        found = self.resolver.resolve(path, follow)
        if found.st == errno.ENAMETOOLONG and len(path) > 4095:
            raise Unreadable("a path longer than PATH_MAX")
        self.walked(t.ex, found)
        if found.walk.pseudo or found.path.startswith(b"/proc/"):
            return self._find_pseudo(t, found, follow)
        return found

    def walked(self, ex: Execution, found: Found) -> None:
        """Attribute the way of a resolution."""
        walk, texts = found.walk, self.resolver.texts
        if walk not in ex.walks:
            self.tree.look_at_way(ex, walk, walk.folders, walk.links, texts)
        if not found.links:
            return
        for part in found.links:
            if part in ex.walks:
                continue
            if isinstance(part, Walk):
                self.tree.look_at_way(ex, part, part.folders, part.links, texts)
            else:
                self.tree.look_at_way(ex, part, (), (part,), texts)

    def _find_pseudo(self, t: Tracee, found: Found, follow: bool) -> Found | None:
        """Follow the magic links of /proc/self to what they stand for."""
        parts = found.path.split(b"/", 4)
        if len(parts) < 4 or parts[2] not in own_ids(t) or (not follow and len(parts) < 5):
            return found
        if parts[3] == b"task" and len(parts) == 5:
            thread, _, rest = parts[4].partition(b"/")
            if thread.isdigit() and int(thread) in t.process.threads and rest.partition(b"/")[0] in _MAGIC:
                return self.find_path(t, b"/proc/self/" + rest, follow=follow)  # its threads share them
            return found
        if parts[3] == b"fd" and len(parts) == 5:
            number, slash, rest = parts[4].partition(b"/")
            target = t.descriptor(int(number)) if number.isdigit() and (follow or slash) else b""
            return self.find_path(t, target + slash + rest, follow=follow) if target.startswith(b"/") else found
        if parts[3] in _MAGIC[1:]:
            link = os.readlink(b"/proc/%d/%b" % (t.process.tgid, parts[3]))
            return self.find_path(t, link + b"/" + parts[4] if len(parts) == 5 else link, follow=follow)
        return found

    def descriptor_path(self, t: Tracee, fd: int) -> tuple[bytes, os.stat_result | int] | None:
        """The path that an open descriptor stands for and its state; None where it is no named file.

        ``AT_FDCWD`` stands for the working folder.
        """
        path = t.descriptor(fd) if fd != AT_FDCWD else t.cwd()
        if not path.startswith(b"/") or path.endswith(b" (deleted)") or path.startswith((b"/proc/", b"/memfd:")):
            return None
        st = self.tree.world.look(path)
        if path.startswith(b"/dev/") and not isinstance(st, int) and stat.S_IFMT(st.st_mode) in _DEVICES:
            return None  # opening it has said all
        return path, st

    def watch_change(self, t: Tracee, handle: Callable[[], object]) -> None:
        """Handle a changing call and see whether it succeeds.

        Where it fails, why is a fact already, or it may pass (a full disk, say); and what was announced as
        changed is not: in either case the execution is not to be recorded.
        """
        before = self.tree.touches
        self.names_changing = False
        handle()
        touched, renames = self.tree.touches != before, self.names_changing
        then = t.at_exit

        def changed(t: Tracee, result: int) -> None:
            if renames:
                self.forget_names()  # others may have walked the old way while the call was under way
            if -MAX_ERRNO < result < 0 and (touched or -result not in EXPLAINED):
                self.tree.taint(t.ex, reason("failed-change", detail=errno.errorcode.get(-result, str(-result))))
            elif then is not None:
                then(t, result)

        t.at_exit = changed

    def settle(self, tid: int) -> None:
        """See whether the files are there that were about to be made, now that thread ``tid`` has stopped.

        Each is seen to before anything else can be done to it, since that is a stop too. One that is not there when
        its own thread has stopped was not made; why is not known here, and need not be.
        """
        made, self.made = self.made, []
        for one in made:
            maker, ex, path = one
            st = self.tree.world.look(path)
            if not isinstance(st, int):
                self.tree.created(ex, path, st)
            elif maker == tid:
                self.tree.taint(ex, reason("failed-change", detail="creating a file"))
            else:
                self.made.append(one)

    def comes(self, path: bytes) -> None:
        """A name is about to be made: ways may lead through it that ended there before."""
        if path in self.resolver.missing:
            self.forget_names()

    def forget_names(self) -> None:
        """A folder or link gets another name or none: what was remembered of paths may be wrong now."""
        self.names_changing = True
        self.resolver.forget()
        for t in self.tracees.values():
            t.process.cwd = None


#: The tracer's own process id, as a name below /proc.
OWN_PID = b"%d" % os.getpid()


def own_ids(t: Tracee) -> tuple[bytes, ...]:
    """The names below /proc that mean the tracee itself."""
    return b"self", b"thread-self", b"%d" % t.process.tgid, b"%d" % t.tid


def own_path(path: bytes, own: tuple[bytes, ...]) -> bytes:
    """A path below /proc as any process would say it of itself."""
    parts = path.split(b"/", 3)
    return b"/proc/self/" + parts[3] if parts[2] in own and len(parts) == 4 else path
