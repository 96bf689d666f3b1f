"""Handlers of the calls that only look: stat, access, readlink, getdents and their kin."""

from __future__ import annotations

import stat

from procache.model.aspects import FS, META, OWNER, PSEUDO, TYPE, XATTR
from procache.model.reasons import reason
from procache.tracer.finding import Args, own_ids
from procache.tracer.opening import OpenCalls
from procache.tracer.table import AT_FDCWD
from procache.tracer.tracee import Tracee, signed
from procache.world import pseudo
from procache.world.paths import Found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.table import Spec

AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = 0x100, 0x1000


class ReadCalls(OpenCalls):
    """The calls that tell something of a path and change nothing."""

    def stat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """stat, newfstatat, statx: (dirfd, path, flags)."""
        flags = args[spec[2]] if spec[2] is not None else 0
        if flags & AT_EMPTY_PATH and t.string(args[spec[1] or 0]) == b"":
            return self._stat_descriptor(t, signed(args[0]))
        self._look(t, args, spec, META, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def _stat_descriptor(self, t: Tracee, fd: int) -> None:
        """What is open was looked at when it was opened; the working folder was not."""
        named = self.descriptor_path(t, fd)
        if fd == AT_FDCWD and named is not None:
            self.tree.look(t.ex, named[0], META, named[1])

    def lstat(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lstat: (dirfd, path)."""
        self._look(t, args, spec, META, follow=False)

    def access(self, t: Tracee, args: Args, spec: Spec) -> None:
        """access, faccessat: existence and permissions."""
        flags = args[spec[2]] if spec[2] is not None else 0
        self._look(t, args, spec, OWNER, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def readlink(self, t: Tracee, args: Args, spec: Spec) -> None:
        """readlink: a link's text, or that there is none."""
        self._look(t, args, spec, TYPE, follow=False, link=True)

    def _look(self, t: Tracee, args: Args, spec: Spec, aspect: int, *, follow: bool, link: bool = False) -> None:
        found = self.find(t, args, spec[0], spec[1], follow=follow)
        if found is None or (found.path + b"/").startswith(b"/proc/"):
            return self._look_pseudo(t, found, link)
        if found.blocked:
            aspect = TYPE
        if link and not isinstance(found.st, int) and stat.S_ISLNK(found.st.st_mode):
            aspect = META
        self.tree.look(t.ex, found.path, self.looked_at(t, found, aspect), found.st)

    @staticmethod
    def looked_at(t: Tracee, found: Found, aspect: int) -> int:
        """The aspect that counts: of what changes by itself not the times."""
        if aspect == META and (found.path.startswith(b"/sys/") or (t.ex.timed_stats and leads_to(found.path, t.cwd()))):
            return OWNER  # a shell follows $PWD when it starts; that the time of a folder there changed means nothing
        return aspect

    def _look_pseudo(self, t: Tracee, found: Found | None, link: bool) -> None:
        """stat of /proc entries says only whether they exist; of another process's, that it lives."""
        if found is None:
            return
        parts = found.path.split(b"/")
        if link and len(parts) == 5 and parts[3] == b"fd" and parts[4].isdigit():
            self.streams.taint(self.streams.inheriting(t, int(parts[4]))[0], "stream-escapes", "readlink")
        first = found.path.split(b"/", 3)[2:3]
        if first and first[0].isdigit() and first[0] not in own_ids(t):
            self.tree.taint(t.ex, reason("pseudo-file", path=found.path))

    def chdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """chdir: looks at the folder; the new one is asked for when it is needed."""
        self._look(t, args, spec, TYPE, follow=True)
        t.process.cwd = None

    def fchdir(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fchdir: the folder was looked at when it was opened."""
        t.process.cwd = None

    def getdents(self, t: Tracee, args: Args, spec: Spec) -> None:
        """getdents: the folder's entries."""
        path = t.descriptor(signed(args[0]))
        if (path + b"/").startswith(b"/proc/"):
            own = path.split(b"/", 3)[2:3]
            if not own or (own[0] not in own_ids(t) and not path.startswith(b"/proc/sys")):
                self.tree.taint(t.ex, reason("pseudo-file", path=path))
        elif path.startswith(b"/") and not path.endswith(b" (deleted)"):
            self.tree.look_listing(t.ex, path)

    def statfs(self, t: Tracee, args: Args, spec: Spec) -> None:
        """statfs: the type of the file system; free space is not an input."""
        found = self.find(t, args, spec[0], spec[1], follow=True)
        if found is None:
            return
        if isinstance(found.st, int):
            return self.tree.look(t.ex, found.path, TYPE, found.st)
        self.tree.look_extra(t.ex, found.path, FS)

    def fstatfs(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fstatfs: as statfs, of an open file."""
        path = t.descriptor(signed(args[0]))
        if path.startswith(b"/") and not path.endswith(b" (deleted)"):
            self.tree.look_extra(t.ex, path, FS)

    def xattr(self, t: Tracee, args: Args, spec: Spec, *, follow: bool = True) -> None:
        """getxattr, listxattr: all attributes of the file count."""
        found = self.find(t, args, spec[0], spec[1], follow=follow)
        if found is None or (found.path + b"/").startswith(b"/proc/"):
            return
        self.tree.look(t.ex, found.path, TYPE, found.st)
        if not isinstance(found.st, int):
            self.tree.attributes_count(t.ex, found.path)
            self.tree.look_extra(t.ex, found.path, XATTR)

    def lxattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """lgetxattr, llistxattr."""
        self.xattr(t, args, spec, follow=False)

    def fxattr(self, t: Tracee, args: Args, spec: Spec) -> None:
        """fgetxattr, flistxattr."""
        named = self.descriptor_path(t, signed(args[0]))
        if named is not None and not isinstance(named[1], int):
            self.tree.attributes_count(t.ex, named[0])
            self.tree.look_extra(t.ex, named[0], XATTR)

    def uname(self, t: Tracee, args: Args, spec: Spec) -> None:
        """uname: host name and kernel release are inputs of who asks."""
        self.tree.look_extra(t.ex, pseudo.UNAME, PSEUDO)


def leads_to(folder: bytes, path: bytes) -> bool:
    """True for ``path`` itself and each folder above it."""
    return path == folder or path.startswith(folder if folder == b"/" else folder + b"/")
