"""The end of executions: when the last of its processes has ended, one is recorded, or is not to be."""

from __future__ import annotations

import os
import time

from procache.model.execution import MISS, UNCACHEABLE, Execution
from procache.model.reasons import reason
from procache.tracer.pipereads import taint_unended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from procache.capture.capture import Capture
    from procache.model.policy import Policy
    from procache.model.record import Record
    from procache.model.tree import Tree
    from procache.tracer.books import Books
    from procache.tracer.tracee import Tracee
    from procache.verify import Verify

#: Signals that come from outside or from a clock: what contains such a death is not to be trusted either.
FROM_OUTSIDE = frozenset((1, 2, 3, 9, 14, 15, 24))


class Endings:
    """Finishes executions. ``outside``: what stands for procache itself, above the root, and never ends."""

    __slots__ = ("policy", "tree", "capture", "books", "outside", "verify")

    def __init__(
        self,
        policy: Policy,
        tree: Tree,
        capture: Capture,
        books: Books,
        outside: Execution,
        verify: Verify | None = None,
    ) -> None:
        self.policy = policy
        self.tree = tree
        self.capture = capture
        self.books = books
        self.outside = outside
        self.verify = verify

    def exited(self, tgid: int, ex: Execution, status: int, usage: tuple[float, float, int]) -> None:
        """Process ``tgid`` of ``ex`` has ended with ``status`` (-signal for a death by signal)."""
        node: Execution | None = ex
        while node is not None and node.main_pid == tgid:
            node.status = status
            node.utime, node.stime, node.maxrss = usage
            if node is ex and node.live > 1:
                node.outlived = True
                if node.parent is not None:
                    node.taint(reason("survivor"))
            node = node.parent
        self.release(ex)

    def release(self, ex: Execution) -> None:
        """One process or child execution of ``ex`` less; the last one ends it, and what waits for it."""
        node: Execution | None = ex
        while node is not None and node is not self.outside:
            node.live -= 1
            if node.live:
                return
            self._finish(node)
            node = node.parent

    def _finish(self, ex: Execution) -> None:
        ex.ended = max(time.time(), ex.started)  # the clock may have been set back
        if ex.status < 0:
            self._killed(ex, -ex.status)
        taint_unended(ex)
        if self.policy.only_success and ex.status and not ex.taints:
            ex.taint(reason("failed", detail=ex.status))
        made = self._record(ex) if not ex.taints else None
        if ex.expected is not None and self.verify is not None:
            self.verify.compare(ex, made)
        ex.outcome = UNCACHEABLE if ex.taints else MISS
        self.tree.forget_writer(ex)
        self.books.ended(ex)
        if ex.stdin_file >= 0:
            os.close(ex.stdin_file)
        for kept in (ex.stdin, ex.output):
            if kept is not None:
                kept.close()  # type: ignore[attr-defined]

    def _record(self, ex: Execution) -> Record | None:
        if ex.expected is None:
            if self.capture.writer is None:  # nothing is stored
                return None
            took = ex.ended - ex.started
            if took < self.policy.min_runtime:
                ex.misses = [*ex.misses, reason("too-short", detail=f"{took:.3f}")]
                return None
        made = self.capture.record(ex, ex.ended)
        if made is not None:
            self.books.recorded.add(ex.command.key)
        return made

    def _killed(self, ex: Execution, number: int) -> None:
        why = reason("signal", detail=number)
        if number in FROM_OUTSIDE:
            self.tree.taint(ex, why)
        else:
            ex.taint(why)

    def abandon(self, tracees: Iterable[Tracee]) -> None:
        """What still runs is followed no further: it is not recorded, nor is what contains it."""
        going = {node for t in tracees if t.ex is not self.outside for node in t.ex.chain()}
        for ex in sorted(going, key=lambda node: -node.number):
            ex.taint(reason("left-behind"))
            self._finish(ex)
        for t in tracees:
            t.ex = self.outside
