"""What executions read from the pipe that they inherited as stdin.

For each execution that inherited the pipe, what its processes and descendants read of it is one sequence of
bytes, known as each read returns. Only what was read to the end of the pipe tells a result: how much of an
open pipe one read gives, and so what is left for the next reader, depends on the speed of the writer.
"""

from __future__ import annotations

from procache import digests
from procache.model.reasons import reason
from procache.pipeinput import HEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procache.model.execution import Execution, OpenFile
    from procache.tracer.tracee import Tracee

    Places = Callable[[int], list[tuple[int, int]]]


class PipeLook:
    """What an execution read from the pipe on its descriptor 0.

    ``reader`` is the thread that is inside a read, 0 where none is.
    """

    __slots__ = ("state", "size", "ended", "head", "reader")

    def __init__(self) -> None:
        self.state = digests.Running()
        self.size = 0
        self.ended = False
        self.head = b""
        self.reader = 0

    def add(self, data: bytes) -> None:
        """The next bytes that were read; none at the end of the pipe."""
        self.state.update(data)
        if len(self.head) < HEAD:
            self.head = (self.head + data)[:HEAD]
        self.size += len(data)
        self.ended = self.ended or not data

    @property
    def fact(self) -> tuple[int, bytes, bool, bytes]:
        """(size, digest, whether the end was read, digest of the head)."""
        return self.size, self.state.digest(), self.ended, digests.of_bytes(self.head)

    def end(self) -> None:
        """A pipe has no offset."""

    def close(self) -> None:
        """Nothing is kept open."""


def follow(t: Tracee, nodes: list[Execution], key: OpenFile, fd: int, places: Places | None) -> None:
    """``t`` is about to read the pipe ``key``, which ``nodes`` inherited; its bytes are known when the call returns.

    ``places`` gives the (address, size) of what a result brought; None where that cannot be told.
    """
    looks = []
    for node in nodes:
        if node.taints:
            continue
        first = node.stdin is None
        if places is None or node.inherited.get(0) != key or (first and not _may_begin(t, node, key, fd)):
            node.taint(reason("reads-stream", detail="0 (pipe)"))
        elif (look := open_look(node, t.tid)) is not None:
            looks.append((node, look))
    if not looks or places is None:
        return

    def returned(t: Tracee, result: int) -> None:
        data = b"".join([t.read(address, size) for address, size in places(result)]) if result > 0 else b""
        for node, look in looks:
            look.reader = 0
            if len(data) != max(result, 0):
                node.taint(reason("unreadable", detail="input buffer"))
            elif result >= 0:
                look.add(data)

    t.at_exit = returned


def _may_begin(t: Tracee, node: Execution, key: OpenFile, fd: int) -> bool:
    """Whether what is read of a pipe can be an input: it was inherited as stdin alone, and only the whole command
    may have one with a name (a FIFO), which anybody may open."""
    return _only_as_stdin(node, key) and (node.parent is None or t.descriptor(fd).startswith(b"pipe:"))


def open_look(node: Execution, tid: int) -> PipeLook | None:
    """The account of an untainted execution for the next read; None, tainted, where another read is not over yet.

    In which order two reads at once took their bytes cannot be seen.
    """
    if node.taints:
        return None
    if node.stdin is None:
        node.stdin = PipeLook()
    look = node.stdin
    assert isinstance(look, PipeLook)
    if look.reader:
        node.taint(reason("reads-stream", detail="0 (pipe, by several processes at once)"))
        return None
    look.reader = tid
    return look


def fold(nodes: list[Execution], key: OpenFile, data: Iterable[bytes]) -> None:
    """A skipped child of ``nodes`` reads all of the pipe ``key`` that they inherited: ``data``, and its end."""
    for node in nodes:
        if not _only_as_stdin(node, key):
            node.taint(reason("reads-stream", detail="0 (pipe)"))
    looks = [look for node in nodes if (look := open_look(node, -1)) is not None]
    for piece in data:
        for look in looks:
            look.add(piece)
    for look in looks:
        look.add(b"")
        look.reader = 0


def taint_unended(ex: Execution) -> None:
    """At the end of an execution: a pipe below the whole command that was not read to its end."""
    if isinstance(ex.stdin, PipeLook) and not ex.stdin.ended and ex.parent is not None:
        ex.taint(reason("pipe-unended"))


def _only_as_stdin(node: Execution, key: OpenFile) -> bool:
    return [fd for fd, found in node.inherited.items() if found == key] == [0]
