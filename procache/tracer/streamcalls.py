"""Handlers of the calls on inherited descriptors: what is written to them is output, what is read is input.

A descriptor is told by the (device, inode) of its open file, looked up at each stop: tracees move them
about with dup2 unseen. A file that an execution itself opened is none of its streams.
"""

from __future__ import annotations

import os
import stat
import struct

from procache.capture.streamlog import StreamLog
from procache.model.aspects import BEGINS, ChangedWhileReading
from procache.model.reasons import reason
from procache.tracer import pipereads
from procache.tracer.fds import StdinLook, same_open_file
from procache.tracer.tracee import Tracee, signed
from procache.world import pseudo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.model.execution import Execution, OpenFile
    from procache.tracer.watch import Watcher
    from procache.world.states import Memo

Args = tuple[int, ...]
#: The largest piece of one write that is taken whole; more than this in one call is read in parts.
PIECE = 1 << 22
SCM_RIGHTS, SOL_SOCKET = 1, 1
#: Stands in ``Execution.inherited`` for the controlling terminal, opened by its name.
TERMINAL = -1


class StreamCalls:
    """Turns calls on watched descriptors into stream output, stream input, or taints."""

    __slots__ = ("memo", "spool_folder", "watcher", "standing_for")

    def __init__(self, memo: Memo, spool_folder: bytes, watcher: Watcher) -> None:
        self.memo = memo
        self.spool_folder = spool_folder
        self.watcher = watcher
        #: pipes of ours -> the pipes in whose place tracees have got them
        self.standing_for: dict[OpenFile, OpenFile] = {}

    def identity(self, st: os.stat_result) -> OpenFile:
        """What tells an open file from others."""
        key = (st.st_dev, st.st_ino)
        return self.standing_for.get(key, key)

    def inheriting(self, t: Tracee, fd: int) -> tuple[list[Execution], os.stat_result | None]:
        """The executions, nearest first, that inherited what ``fd`` now is, and its state."""
        st = t.stat_descriptor(fd)
        if st is None or pseudo.harmless_device(st):
            return [], None  # nothing that is written to /dev/null or read from it can be missed
        key = self.identity(st)
        nodes = []
        node: Execution | None = t.ex
        while node is not None and key in node.inherited.values():
            nodes.append(node)
            node = node.parent
        return nodes, st

    @staticmethod
    def taint(nodes: list[Execution], code: str, detail: object) -> None:
        """Taint the executions that inherited a descriptor; those that opened it themselves are not concerned."""
        for node in nodes:
            node.taint(reason(code, detail=detail))

    # -- output --------------------------------------------------------------------------------------------

    def write(self, t: Tracee, args: Args) -> None:
        """write: the bytes are known when the call returns."""
        self._output(t, signed(args[0]), lambda t, count: [(args[1], count)])

    def writev(self, t: Tracee, args: Args) -> None:
        """writev: the bytes lie in several places."""
        vectors = struct.iter_unpack("<QQ", t.read(args[1], 16 * min(args[2] & 0xFFFFFFFF, 1024)))
        places = list(vectors)
        self._output(t, signed(args[0]), lambda t, count: clipped(places, count))

    def send(self, t: Tracee, args: Args) -> None:
        """sendto: with an address, to somebody outside; else as write."""
        if args[4]:
            nodes = t.ex.chain()
            return self.taint(nodes, "socket", "sendto")
        return self.write(t, args)

    def _output(self, t: Tracee, fd: int, places: Callable[[Tracee, int], list[tuple[int, int]]]) -> None:
        nodes, st = self.inheriting(t, fd)
        nodes = [node for node in nodes if not node.taints]
        if not nodes or st is None:
            return
        key = (st.st_dev, st.st_ino)

        def written(t: Tracee, result: int) -> None:
            if result > 0:
                for address, size in places(t, result):
                    self._take(nodes, key, fd, t, address, size)

        t.at_exit = written

    def _take(self, nodes: list[Execution], key: tuple[int, int], fd: int, t: Tracee, address: int, size: int) -> None:
        for start in range(0, size, PIECE):
            length = min(PIECE, size - start)
            data = t.read(address + start, length)
            if len(data) != length:
                return self.taint(nodes, "unreadable", "output buffer")
            self.give(nodes, key, fd, data)

    def give(self, nodes: list[Execution], key: tuple[int, int], fd: int, data: bytes) -> None:
        """Add stream output to executions, each under the number by which it inherited the file."""
        for node in nodes:
            number = number_of(node, fd, key)
            if node.output is None:
                node.output = StreamLog(self.spool_folder)
            if number == TERMINAL:
                node.taint(reason("device", path=b"/dev/tty"))
                continue
            node.writes += 1
            try:
                node.output.add(number, data)  # type: ignore[attr-defined]
            except OSError as error:
                node.taint(reason("store", detail=error.strerror))

    def pwrite(self, t: Tracee, args: Args) -> None:
        """pwrite and its kin write at a place of an inherited file that a replay could not know."""
        self.taint(self.inheriting(t, signed(args[0]))[0], "seeks-stream", signed(args[0]))

    # -- input ---------------------------------------------------------------------------------------------

    def read(self, t: Tracee, args: Args) -> None:
        """read: a regular file or a pipe on descriptor 0 is an input by content; other things taint."""
        if args[2]:  # to ask for no bytes tells nothing
            self._input(t, signed(args[0]), lambda count: [(args[1], count)])

    def readv(self, t: Tracee, args: Args) -> None:
        """readv: as read, into several places."""
        places = list(struct.iter_unpack("<QQ", t.read(args[1], 16 * min(args[2] & 0xFFFFFFFF, 1024))))
        if any(size for _, size in places):
            self._input(t, signed(args[0]), lambda count: clipped(places, count))

    def receive(self, t: Tracee, args: Args) -> None:
        """recv and the like: as read, of files only."""
        self._input(t, signed(args[0]), None)

    def _input(self, t: Tracee, fd: int, places: pipereads.Places | None) -> None:
        nodes, st = self.inheriting(t, fd)
        if not nodes or st is None:
            return None
        key = self.identity(st)
        if stat.S_ISFIFO(st.st_mode):
            return pipereads.follow(t, nodes, key, fd, places)
        if fd != 0 or not stat.S_ISREG(st.st_mode):
            return self.taint(nodes, "reads-stream", f"{fd} ({pseudo.stream_kind(st).decode()})")
        for node in nodes:
            if node.stdin is None and not node.taints and same_open_file(t.process.tgid, 0, node.stdin_file):
                try:
                    node.stdin = StdinLook(t, self.memo)
                except (OSError, ChangedWhileReading) as error:
                    node.taint(reason("unreadable", detail=f"standard input: {error}"))
        return None

    def pread(self, t: Tracee, args: Args) -> None:
        """pread: as read; the offset stays."""
        self.receive(t, args)

    def mmap(self, t: Tracee, args: Args) -> None:
        """mmap of an inherited file: a read; shared and writable, a write that cannot be followed."""
        fd = signed(args[4])
        nodes, _ = self.inheriting(t, fd)
        if args[2] & 2 and args[3] & 1:  # PROT_WRITE, MAP_SHARED
            return self.taint(nodes, "shared-mapping", fd)
        return self.receive(t, (fd,))

    def lseek(self, t: Tracee, args: Args) -> None:
        """lseek: on stdin a look at its file; on an output only a question after the offset is harmless."""
        fd = signed(args[0])
        nodes, st = self.inheriting(t, fd)
        if not nodes or st is None or not stat.S_ISREG(st.st_mode):
            return None
        if fd == 0:
            return self.receive(t, args)
        if args[1] == 0 and args[2] == 1:  # SEEK_CUR by nothing: only asks
            return self.look_at_position(t, nodes, fd, (st.st_dev, st.st_ino))
        return self.taint(nodes, "seeks-stream", fd)

    def look_at_position(self, t: Tracee, nodes: list[Execution], fd: int, key: tuple[int, int]) -> None:
        """Whether an output file stood at its begin when each execution started is an input of who asks."""
        offset = t.offset(fd)
        for node in nodes:
            number = number_of(node, fd, key)
            written = sum(size for at, size in node.output.segments if at == number) if node.output is not None else 0  # type: ignore[attr-defined]
            node.extras.setdefault((b"%d" % number, BEGINS), offset - written <= 0)

    # -- copies of descriptors -----------------------------------------------------------------------------

    def dup(self, t: Tracee, args: Args) -> None:
        """dup: the copy is watched from then on."""
        self._follow_copy(t, signed(args[0]))

    def dup2(self, t: Tracee, args: Args) -> None:
        """dup2, dup3."""
        if signed(args[1]) not in t.process.watched:
            self._follow_copy(t, signed(args[0]))

    def fcntl(self, t: Tracee, args: Args) -> None:
        """fcntl: copies of descriptors; leases and notifications."""
        command = args[1] & 0xFFFFFFFF
        if command in (1024, 1026):
            return self.taint(t.ex.chain(), "watch", "fcntl")
        if is_next(t, args[2]) and args[2] in t.process.watched:
            return None  # a shell puts a stream aside, where it is watched already
        return self._follow_copy(t, signed(args[0]))

    def _follow_copy(self, t: Tracee, fd: int) -> None:
        nodes, _ = self.inheriting(t, fd)
        if nodes:
            self.follow_result(t, nodes)

    def follow_result(self, t: Tracee, nodes: list[Execution]) -> None:
        """Watch the descriptor that the present call returns, as long as any of ``nodes`` may be recorded."""
        if all(node.taints for node in nodes):
            return

        def returned(t: Tracee, result: int) -> None:
            if result >= 0 and result not in t.process.watched and not self.watcher.watch(t, result):
                self.taint(nodes, "stream-escapes", result)

        t.at_exit = returned

    def sendmsg(self, t: Tracee, args: Args) -> None:
        """sendmsg: to an address, or with descriptors, it leaves what can be followed."""
        header = t.read(args[1], 56)
        if len(header) < 56:
            return
        address, _, _, _, control, control_size = struct.unpack("<QI4xQQQQ", header[:48])
        fd = signed(args[0])
        nodes, _ = self.inheriting(t, fd)
        if nodes:
            return self.taint(nodes, "stream-escapes", "sendmsg")
        if address:
            return self.taint(t.ex.chain(), "socket", "sendmsg")
        if control and control_size and self._passes_stream(t, t.read(control, min(control_size, 4096))):
            self.taint(t.ex.chain(), "stream-escapes", "SCM_RIGHTS")
        return None

    def _passes_stream(self, t: Tracee, control: bytes) -> bool:
        at = 0
        while at + 16 <= len(control):
            size, level, kind = struct.unpack_from("<QII", control, at)
            if size < 16:
                return False
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                count = (min(size, len(control) - at) - 16) // 4
                for fd in struct.unpack_from(f"<{count}i", control, at + 16):
                    if self.inheriting(t, fd)[0]:
                        return True
            at += (size + 7) & ~7
        return False

    # -- copies of content -----------------------------------------------------------------------------------

    def copy_out(self, t: Tracee, args: Args) -> None:
        """sendfile(out, in, offset, count)."""
        self._copy(t, source=signed(args[1]), target=signed(args[0]), offset_at=args[2])

    def copy_range(self, t: Tracee, args: Args) -> None:
        """copy_file_range(in, offset, out, offset, count)."""
        if args[3] and self.inheriting(t, signed(args[2]))[0]:
            return self.pwrite(t, (args[2],))
        return self._copy(t, source=signed(args[0]), target=signed(args[2]), offset_at=args[1])

    def splice(self, t: Tracee, args: Args) -> None:
        """splice(in, offset, out, …): pages move between pipes unseen."""
        self._pages(t, args[0], args[2])

    def tee(self, t: Tracee, args: Args) -> None:
        """tee(in, out, …): as splice."""
        self._pages(t, args[0], args[1])

    def vmsplice(self, t: Tracee, args: Args) -> None:
        """vmsplice(fd, …): pages of memory move into a pipe, or out of it."""
        self._pages(t, args[0])

    def _pages(self, t: Tracee, *fds: int) -> None:
        for fd in fds:
            self.taint(self.inheriting(t, signed(fd))[0], "stream-escapes", "splice")

    def _copy(self, t: Tracee, source: int, target: int, offset_at: int) -> None:
        self.receive(t, (source,))
        nodes, st = self.inheriting(t, target)
        nodes = [node for node in nodes if not node.taints]
        from_st = t.stat_descriptor(source)
        if not nodes or st is None or from_st is None:
            return
        if not stat.S_ISREG(from_st.st_mode):
            return self.taint(nodes, "stream-escapes", "sendfile")
        data = t.read(offset_at, 8) if offset_at else b""
        offset = struct.unpack("<Q", data)[0] if len(data) == 8 else t.offset(source)
        key = (st.st_dev, st.st_ino)

        def copied(t: Tracee, result: int) -> None:
            if result > 0:
                self._take_file(nodes, key, target, t, source, offset, result)

        t.at_exit = copied

    def _take_file(
        self, nodes: list[Execution], key: tuple[int, int], target: int, t: Tracee, source: int, offset: int, size: int
    ) -> None:
        try:
            fd = os.open(b"/proc/%d/fd/%d" % (t.tid, source), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return self.taint(nodes, "unreadable", error.strerror)
        try:
            while size > 0 and (data := os.pread(fd, min(size, PIECE), offset)):
                self.give(nodes, key, target, data)
                offset, size = offset + len(data), size - len(data)
        finally:
            os.close(fd)
        if size:
            self.taint(nodes, "unreadable", "source of a copy")


def number_of(node: Execution, fd: int, key: tuple[int, int]) -> int:
    """The number by which an execution inherited an open file that now is descriptor ``fd``."""
    return fd if node.inherited.get(fd) == key else max(n for n, k in node.inherited.items() if k == key)


def clipped(places: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """The first ``count`` bytes of several pieces of memory."""
    found = []
    for address, size in places:
        if count <= 0:
            break
        found.append((address, min(size, count)))
        count -= size
    return found


def is_next(t: Tracee, fd: int) -> bool:
    """True when a copy that is to get the number ``fd`` or the next free one above gets just that."""
    process = t.process
    return len(process.threads) == 1 and not process.shares_fs and not t.has_descriptor(fd)
