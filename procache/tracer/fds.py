"""Descriptors of tracees: what they are at an exec, the file on stdin, and sharing one with a tracee."""

from __future__ import annotations

import os
import select
import stat

from ptrace.ctypes_libc import libc

from procache.model.aspects import ChangedWhileReading
from procache.tracer import arch
from procache.tracer.source import native
from procache.tracer.tracee import Tracee
from procache.world.openfiles import kcmp
from procache.world.pseudo import file_mode, further_kind, kind_of, stream_kind, with_sharing
from procache.world.states import Memo
from procache.world.terminals import window_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.tracer.gather import Gather

O_CLOEXEC = 0o2000000


def share(tgid: int, fd: int) -> int:
    """A descriptor of ours for the open file of a process's ``fd`` (pidfd_getfd(2), Linux 5.6). Raises OSError."""
    pidfd = os.pidfd_open(tgid)
    try:
        found = libc.syscall(arch.NUMBERS["pidfd_getfd"], pidfd, fd, 0)
        if found < 0:
            raise OSError(0, f"descriptor {fd} cannot be shared")
        return int(found)
    finally:
        os.close(pidfd)


def same_open_file(tgid: int, fd: int, ours: int) -> bool:
    """True when a descriptor of a process and one of ours share one open file, not only its inode (kcmp(2)).

    Where the kernel cannot tell (no CONFIG_KCMP), they count as the same.
    """
    if ours < 0:
        return False
    return kcmp(tgid, fd, os.getpid(), ours)


def reopened_digest(path: bytes, memo: Memo) -> bytes:
    """Digest of the regular file behind a /proc/PID/fd entry, read through a descriptor of its own. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        st = os.fstat(fd)
        return memo.peek(st) or memo.digest_open(fd, st)
    finally:
        os.close(fd)


class StdinLook:
    """A regular file inherited as descriptor 0, at its first read: where it stood, and what it holds.

    ``fact`` is (offset, digest). The open file is kept, so that its offset can be told in the end, when
    the tracee is gone.
    """

    __slots__ = ("fact", "shared")

    def __init__(self, t: Tracee, memo: Memo) -> None:
        self.shared = share(t.process.tgid, 0)
        offset = os.lseek(self.shared, 0, os.SEEK_CUR)
        self.fact = (offset, reopened_digest(b"/proc/%d/fd/0" % t.tid, memo))

    def end(self) -> int:
        """Where the offset is now."""
        return os.lseek(self.shared, 0, os.SEEK_CUR)

    def close(self) -> None:
        """Let go of the open file."""
        os.close(self.shared)


class TraceeStreams:
    """What a tracee that is about to exec has open, for matching."""

    whole = False
    __slots__ = ("tracee", "memo", "gather", "wanted")

    def __init__(self, tracee: Tracee, memo: Memo, gather: Gather | None) -> None:
        self.tracee = tracee
        self.memo = memo
        #: what is known of the pipe on descriptor 0; until then, the inputs that would make a record fit
        self.gather = gather
        self.wanted: list[tuple[int, bytes, bytes]] = []

    def stdin(self) -> tuple[int, bytes] | None:
        """(offset, digest) of the regular file on descriptor 0; None where it is anything else."""
        st = self.tracee.stat_descriptor(0)
        if st is None or not stat.S_ISREG(st.st_mode):
            return None
        try:
            return self.tracee.offset(0), reopened_digest(b"/proc/%d/fd/0" % self.tracee.tid, self.memo)
        except (OSError, ChangedWhileReading):  # gone or changing: no record fits
            return None

    def pipe(self, size: int, digest: bytes, ended: bool, head: bytes) -> bool:
        """True when descriptor 0 is a pipe known to hold these bytes and to end then.

        What was read of a pipe that went on depends on the writer's speed: inside the tree it is no input.
        """
        if not ended:
            return False
        if not size and (self.gather is None or not self.gather.taken) and reads_nothing(self.tracee):
            return True
        if self.gather is not None:
            return self.gather.holds(size, digest)
        self.wanted.append((size, digest, head))
        return False

    def begins(self, fd: int) -> bool:
        """True when the file on ``fd`` stands at its begin."""
        return self.tracee.offset(fd) == 0

    def files(self, fds: tuple[int, ...]) -> frozenset[tuple[int, int]]:
        """(device, inode) of the regular files among these descriptors."""
        found = [self.tracee.stat_descriptor(fd) for fd in fds]
        return frozenset((st.st_dev, st.st_ino) for st in found if st is not None and stat.S_ISREG(st.st_mode))

    def further(self) -> tuple[bytes, ...]:
        """Numbers and kinds of the descriptors above 2 that the exec would hand on."""
        return further_kinds(self.tracee, further(self.tracee))


class Inherited:
    """The standard streams that an exec hands on: ``files`` by number, ``kinds`` for the command."""

    __slots__ = ("files", "kinds")

    def __init__(self, t: Tracee, standing_for: dict[tuple[int, int], tuple[int, int]]) -> None:
        self.files: dict[int, tuple[int, int]] = {}
        kinds: list[bytes] = []
        for fd, found in enumerate((native and native.streams(t.process.tgid)) or standard(t)):
            if found is None:
                kinds.append(b"closed")
                continue
            mode, inode, device, rdev, flags = found
            self.files[fd] = standing_for.get((device, inode), (device, inode))
            kind = kind_of(mode, rdev)
            if kind == b"file" and fd:
                kind += file_mode(flags)
            elif kind == b"terminal":
                kind += window_size(b"/proc/%d/fd/%d" % (t.tid, fd))
            kinds.append(kind)
        self.kinds = with_sharing(kinds, self.files, lambda one, other: kcmp(t.tid, one, t.tid, other))


def standard(t: Tracee) -> Iterator[tuple[int, int, int, int, int] | None]:
    """(mode, inode, device, device that it is, flags of a regular file or -1) of descriptors 0 to 2, None if closed."""
    for fd in (0, 1, 2):
        st = t.stat_descriptor(fd)
        if st is None:
            yield None
        else:
            flags = open_flags(t, fd) if fd and stat.S_ISREG(st.st_mode) else -1
            yield st.st_mode, st.st_ino, st.st_dev, st.st_rdev, flags


def reads_nothing(t: Tracee) -> bool:
    """True when descriptor 0 gives nothing but its end: /dev/null, or an empty pipe without a writer."""
    st = t.stat_descriptor(0)
    if st is None or not stat.S_ISFIFO(st.st_mode):
        return st is not None and stream_kind(st) == b"null"
    try:
        fd = os.open(b"/proc/%d/fd/0" % t.tid, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return [event for _, event in poll.poll(0)] == [select.POLLHUP]
    finally:
        os.close(fd)


def open_flags(t: Tracee, fd: int) -> int:
    """The flags with which a descriptor is open (proc_pid_fdinfo(5))."""
    info = os.open(b"/proc/%d/fdinfo/%d" % (t.tid, fd), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(info, 256).split(b"flags:", 1)[1].split(None, 1)[0], 8)
    finally:
        os.close(info)


def open_count(t: Tracee) -> int:
    """How many descriptors are open (size of /proc/PID/fd, Linux 6.2); 0 where the kernel does not say."""
    if native is not None:
        return int(native.open_count(t.tid))
    return os.stat(b"/proc/%d/fd" % t.tid).st_size


def further(t: Tracee) -> dict[int, os.stat_result]:
    """The descriptors above 2 that an exec hands on, by number: those not marked close-on-exec."""
    found = {}
    for name in os.listdir(b"/proc/%d/fd" % t.tid):
        fd = int(name)
        if fd <= 2:
            continue
        st = t.stat_descriptor(fd)
        if st is not None and not open_flags(t, fd) & O_CLOEXEC:
            found[fd] = st
    return found


def surviving(t: Tracee) -> dict[int, os.stat_result]:
    """The descriptors above 2 of a tracee that has just exec'ed: the exec closed all that are not handed on."""
    found = {}
    for name in os.listdir(b"/proc/%d/fd" % t.tid):
        fd = int(name)
        st = t.stat_descriptor(fd) if fd > 2 else None
        if st is not None:
            found[fd] = st
    return found


def further_kinds(t: Tracee, found: dict[int, os.stat_result]) -> tuple[bytes, ...]:
    """Numbers and kinds of descriptors, as a fact."""
    return tuple(further_kind(fd, found[fd], t.descriptor(fd)) for fd in sorted(found))
