"""One execution while it runs: what it has looked at, what it has changed, what it has written.

An execution is one program image with the threads and forks that it started. Executions form a
tree; what is seen in one is seen in all its ancestors, so a parent's facts and effects are always
the composition of its subtree.
"""

from __future__ import annotations

from procache.model.aspects import State
from procache.model.command import Command
from procache.model.reasons import Reason

#: A descriptor as it was inherited: (device, inode) of the open file.
OpenFile = tuple[int, int]
MAX_REASONS = 24

MISS, HIT, UNCACHEABLE = "miss", "hit", "uncacheable"


class Touch:
    """A path that an execution changed: its type before, and what the change implies for a replay."""

    __slots__ = ("prior", "links", "set_mtime", "replaced", "xattrs")

    def __init__(self, prior: int, links: int = 0) -> None:
        self.prior = prior  # type bits before the first change, 0 where nothing was there
        self.links = links  # how many names a regular file had before
        self.set_mtime: int | None = None  # ns, where the program itself set the time last
        self.replaced = False  # the name was given to another file (rename, unlink, link)
        self.xattrs = False  # extended attributes were set or removed


class Execution:
    """The state of one execution; ``Tree`` holds the rules by which it changes."""

    __slots__ = (
        "number",
        "parent",
        "command",
        "main_pid",
        "live",
        "states",
        "extras",
        "touched",
        "touched_in",
        "made",
        "walks",
        "inherited",
        "stdin",
        "output",
        "taints",
        "misses",
        "outcome",
        "status",
        "started",
        "began",
        "ended",
        "utime",
        "stime",
        "maxrss",
        "saved",
        "nested",
        "child_keys",
        "timed",
        "timed_stats",
        "writes",
        "further",
        "stdin_file",
        "outlived",
        "expected",
    )

    def __init__(self, number: int, parent: Execution | None, command: Command, main_pid: int, started: float) -> None:
        self.number = number
        self.parent = parent
        self.command = command
        self.main_pid = main_pid
        self.live = 1
        #: path -> (aspect, value, whether times count), for the aspects that form a chain
        self.states: dict[bytes, tuple[int, object, bool]] = {}
        #: (path, aspect) -> value, for the others
        self.extras: dict[tuple[bytes, int], object] = {}
        self.touched: dict[bytes, Touch] = {}
        self.touched_in: dict[bytes, list[bytes]] = {}
        self.made: set[bytes] = set()
        self.walks: set[object] = set()
        #: descriptor -> open file, for every descriptor that was inherited
        self.inherited: dict[int, OpenFile] = {}
        self.stdin: object = None
        self.output: object = None
        self.taints: list[Reason] = []
        self.misses: list[Reason] = []
        self.outcome = MISS
        self.status = 0
        self.started = started
        #: the same by a clock that nobody sets (ns of CLOCK_MONOTONIC); 0 where that is not known
        self.began = 0
        self.ended = started
        self.utime = self.stime = 0.0
        self.maxrss = 0
        self.saved = 0.0
        self.nested = 1
        self.child_keys: list[bytes] = []
        self.timed = False
        self.timed_stats = False
        self.writes = 0
        #: the record that would have been replayed, where it runs to verify that
        self.expected: object = None
        #: a process of it went on when its main process had ended
        self.outlived = False
        #: descriptor of ours for the regular file that was inherited as stdin, or -1
        self.stdin_file = -1
        #: numbers and kinds of the descriptors above 2 that were inherited
        self.further: tuple[bytes, ...] = ()

    def chain(self) -> list[Execution]:
        """This execution and its ancestors, nearest first."""
        found: list[Execution] = []
        node: Execution | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found

    def contains(self, other: Execution) -> bool:
        """True when ``other`` is this execution or below it."""
        node: Execution | None = other
        while node is not None:
            if node is self:
                return True
            node = node.parent
        return False

    def taint(self, why: Reason) -> None:
        """Mark this execution alone as not to be recorded; each reason is kept once."""
        if why not in self.taints and len(self.taints) < MAX_REASONS:
            self.taints.append(why)

    def state_of(self, path: bytes) -> State | None:
        """The state recorded as a fact for ``path``, where it has one."""
        known = self.states.get(path)
        return known[1] if known is not None and isinstance(known[1], tuple) and len(known[1]) == 8 else None
