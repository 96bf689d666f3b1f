"""Descriptors of tracees: what they are at an exec, the file on stdin, and sharing one with a tracee."""

from __future__ import annotations

import os
import stat

from ptrace.ctypes_libc import libc

from procache.tracer import arch
from procache.tracer.tracee import Tracee
from procache.world.pseudo import stream_kind
from procache.world.states import Memo
from procache.world.terminals import window_size

O_CLOEXEC = 0o2000000


def share(tgid: int, fd: int) -> int:
    """A descriptor of ours for the same open file as ``fd`` of a process (pidfd_getfd(2), Linux 5.6). Raises OSError."""
    pidfd = os.pidfd_open(tgid)
    try:
        found = libc.syscall(arch.NUMBERS["pidfd_getfd"], pidfd, fd, 0)
        if found < 0:
            raise OSError(0, f"descriptor {fd} cannot be shared")
        return int(found)
    finally:
        os.close(pidfd)


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


def stdin_now(t: Tracee, memo: Memo) -> tuple[int, bytes] | None:
    """(offset, digest) of the regular file on descriptor 0 of a tracee; None where it is anything else."""
    st = t.stat_descriptor(0)
    if st is None or not stat.S_ISREG(st.st_mode):
        return None
    try:
        return t.offset(0), reopened_digest(b"/proc/%d/fd/0" % t.tid, memo)
    except Exception:  # gone or changing: no record fits
        return None


class Inherited:
    """The descriptors that survive an exec: ``files`` by number, ``kinds`` for the command, ``extra`` numbers above 2."""

    __slots__ = ("files", "kinds", "extra")

    def __init__(self, t: Tracee) -> None:
        self.files: dict[int, tuple[int, int]] = {}
        self.extra: list[int] = []
        kinds: list[bytes] = []
        for fd in (0, 1, 2):
            st = t.stat_descriptor(fd)
            kinds.append(b"closed" if st is None else self._kind(t, fd, st))
            if st is not None:
                self.files[fd] = (st.st_dev, st.st_ino)
        if os.stat(b"/proc/%d/fd" % t.tid).st_size != len(self.files):
            kinds.extend(self._others(t))
        self.kinds = tuple(kinds)

    @staticmethod
    def _kind(t: Tracee, fd: int, st: os.stat_result) -> bytes:
        kind = stream_kind(st)
        if kind == b"terminal":
            return kind + window_size(b"/proc/%d/fd/%d" % (t.tid, fd))
        return kind

    def _others(self, t: Tracee) -> list[bytes]:
        """Kinds of the descriptors above 2 that are not closed by the exec, each with its number."""
        kinds = []
        for name in sorted(os.listdir(b"/proc/%d/fd" % t.tid), key=int):
            fd = int(name)
            if fd <= 2:
                continue
            with open(b"/proc/%d/fdinfo/%d" % (t.tid, fd), "rb", buffering=0) as info:
                flags = int(info.read(256).split(b"flags:", 1)[1].split(None, 1)[0], 8)
            st = t.stat_descriptor(fd)
            if flags & O_CLOEXEC or st is None:
                continue
            kinds.append(b"%d:%b" % (fd, stream_kind(st)))
            if not stat.S_ISDIR(st.st_mode):
                self.extra.append(fd)
                self.files[fd] = (st.st_dev, st.st_ino)
        return kinds

