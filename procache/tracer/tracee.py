"""Tracees: threads and the processes they make up, and reading what they hold."""

from __future__ import annotations

import errno
import os

from procache.model.authors import Author
from procache.model.execution import Execution
from procache.tracer.source import native
from procache.world import inherited
from procache.world.paths import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATH_MAX = 4096
#: Strings of an environment lie close together; this much of memory is read in one piece.
BLOCK = 4096


#: The kernel's mark on the path of a file that has no name any more.
DELETED = b" (deleted)"


class Unreadable(Exception):
    """Raised when a tracee's memory cannot be read, though the address may be good (PR_SET_DUMPABLE …)."""


class Process:
    """What the threads of one process share."""

    __slots__ = (
        "tgid",
        "threads",
        "mem",
        "cwd",
        "shares_fs",
        "attributes",
        "watched",
        "free",
        "own_affinity",
        "author",
    )

    def __init__(self, tgid: int, parent: Process | None) -> None:
        self.tgid = tgid
        self.threads = {tgid}
        self.mem = -1
        self.author: Author = Author(parent.author if parent is not None else None)
        #: canonical working folder, or None where it must be asked for
        self.cwd: bytes | None = parent.cwd if parent is not None else None
        self.shares_fs = False
        #: limits and the like, or None where they changed since it was taken
        self.attributes: bytes | None = parent.attributes if parent is not None else None
        #: not to be kept on the tracer's CPU (``near``), and whether it has set an affinity of its own
        self.free: bool = parent.free if parent is not None else False
        self.own_affinity: bool = parent.own_affinity if parent is not None else False
        #: descriptors on which the filter stops
        self.watched: frozenset[int] = parent.watched if parent is not None else frozenset()

    def close(self) -> None:
        """Let go of the memory file: after an exec, or at the end."""
        if self.mem >= 0:
            os.close(self.mem)
            self.mem = -1


class Tracee:
    """One thread: its process, the execution it belongs to, and what is to happen at its next stop."""

    __slots__ = ("tid", "process", "ex", "at_exit", "exec")

    def __init__(self, tid: int, process: Process, ex: Execution) -> None:
        self.tid = tid
        self.process = process
        self.ex = ex
        #: called with the result at the exit stop of the present call
        self.at_exit: Callable[[Tracee, int], None] | None = None
        #: the exec that it is about to make
        self.exec: object = None

    # -- memory ----------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes of memory, short where unmapped. Raises Unreadable where none can be read at all."""
        found: bytes | None = None if native is None else native.read(self.tid, address, size)
        if found is not None:
            return found
        self._open_memory()
        try:
            return os.pread(self.process.mem, size, address)
        except OSError:
            return b""
        except OverflowError:
            return b""

    def _open_memory(self) -> None:
        if self.process.mem < 0:
            try:
                self.process.mem = os.open(f"/proc/{self.tid}/mem", os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise Unreadable(f"memory: {error.strerror}") from error

    def write(self, address: int, data: bytes) -> None:
        """Write memory. Raises OSError, Unreadable."""
        self._open_memory()
        os.pwrite(self.process.mem, data, address)

    def put(self, address: int, data: bytes) -> bool:
        """Write where the tracee could (process_vm_writev(2)); False where it could not, or nothing was tried."""
        return native is not None and bool(native.write(self.tid, address, data))

    def string(self, address: int) -> bytes | None:
        """The NUL-terminated string at ``address``; None where the call will fail for it (EFAULT, ENAMETOOLONG)."""
        if not address:
            return None
        found: bytes | None = None if native is None else native.string(self.tid, address)
        if found is not None:
            return found
        try:
            data = os.pread(self.process.mem, 256, address)
        except (OSError, OverflowError):  # the memory file is not open yet, or the address is bad
            data = self.read(address, 256)
        end = data.find(b"\0")
        while end < 0:
            if not data or len(data) > 32 * PATH_MAX:
                return None
            more = self.read(address + len(data), PATH_MAX)
            if not more:
                return None
            data += more
            end = data.find(b"\0")
        return data[:end]

    def pointers(self, address: int) -> list[int]:
        """The NULL-terminated array of pointers at ``address``."""
        found: list[int] = []
        while address:
            data = self.read(address + 8 * len(found), 1024)
            words = memoryview(data)[: len(data) & ~7].cast("Q").tolist()
            if 0 in words:
                return found + words[: words.index(0)]
            if not words:
                return found
            found += words
        return found

    def strings(self, address: int) -> tuple[bytes, ...]:
        """The strings of an argument or environment array. Those that lie close together are read at once."""
        array: tuple[bytes, ...] | None = None if native is None else native.strings(self.tid, address)
        if array is not None:
            return array
        pointers = self.pointers(address)
        found: dict[int, bytes] = {}
        block, start, end = b"", 0, 0
        for pointer in sorted(pointers):
            if pointer >= end:
                start = pointer
                block = self.read(start, BLOCK)
                end = start + len(block)
            stop = block.find(b"\0", pointer - start)
            if stop < 0:
                start = pointer
                block = self.read(start, BLOCK)
                end = start + len(block)
                stop = block.find(b"\0")
            found[pointer] = block[pointer - start : stop] if stop >= 0 else self.string(pointer) or b""
        return tuple([found[pointer] for pointer in pointers])

    def status(self) -> inherited.Values:
        """The values of ``inherited.FIELDS``. Raises OSError when it is gone."""
        found: inherited.Values | None = None if native is None else native.fields(self.tid, inherited.NEEDLES)
        return found if found is not None else inherited.status_fields(inherited.read_status(self.tid))

    # -- folders and descriptors -------------------------------------------------------------------------

    def cwd(self) -> bytes:
        """The canonical working folder. Raises Unreadable where it was removed, or is too deep to be named."""
        process = self.process
        if process.cwd is not None:
            return process.cwd
        try:
            path = os.readlink(b"/proc/%d/cwd" % self.tid)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise Unreadable("the name of its working folder is too long") from error
        if path.endswith(DELETED):
            raise Unreadable("its working folder no longer exists")
        self.was_in(path)
        return path

    def was_in(self, folder: bytes | None) -> None:
        """Keep the working folder, where it is known and nobody changes it behind this thread's back."""
        if len(self.process.threads) == 1 and not self.process.shares_fs:
            self.process.cwd = folder or self.process.cwd

    def descriptor(self, fd: int) -> bytes:
        """What /proc says of a descriptor: a path, ``pipe:[…]``, ``anon_inode:…``; b"" where it is not open."""
        try:
            path = os.readlink(b"/proc/%d/fd/%d" % (self.tid, fd))
        except OSError:
            return b""
        if path.endswith(DELETED) and os.path.exists(path):
            raise Unreadable("a name that looks deleted")
        return path

    def stat_descriptor(self, fd: int) -> os.stat_result | None:
        """stat(2) of an open descriptor; None where it is not open."""
        try:
            return os.stat(b"/proc/%d/fd/%d" % (self.tid, fd))
        except OSError:
            return None

    def has_descriptor(self, fd: int) -> bool:
        """True when a descriptor is open."""
        return os.access(b"/proc/%d/fd/%d" % (self.tid, fd), os.F_OK)

    def offset(self, fd: int) -> int:
        """The file offset of an open descriptor."""
        with open(b"/proc/%d/fdinfo/%d" % (self.tid, fd), "rb", buffering=0) as info:
            return int(info.read(256).split(b"pos:", 1)[1].split(None, 1)[0])

    def base(self, dirfd: int | None) -> bytes:
        """The folder against which a relative path is resolved; b"" where the descriptor is no folder."""
        if dirfd is None or dirfd == -100:
            return self.cwd()
        return self.descriptor(dirfd)

    def absolute(self, dirfd: int | None, path: bytes) -> bytes | None:
        """``path`` made absolute over ``dirfd``; None where the call will fail for it (ENOENT, EBADF)."""
        if path.startswith(b"/"):
            return path
        if not path:
            return None
        base = self.base(dirfd)
        return join(base, path) if base.startswith(b"/") else None


def signed(value: int) -> int:
    """A 32-bit signed argument (a descriptor, AT_FDCWD) from its register."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
