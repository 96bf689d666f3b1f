"""Reading the file ``usage``, and putting one entry in the place of many."""

from __future__ import annotations

import os
import time

from procache.store import CAREFUL, files, locks, opened, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procache.store.layout import Layout
    from procache.store.usage import Entry

#: How long (s) putting the file in order waits for those who append.
_PATIENCE = 5.0


class Tally:
    """The sums over the file. ``size``: bytes of the store when it was last measured; ``added``: since then.

    ``measured`` and ``evicted``: when it was measured, and when a blob was last evicted (0: never). ``evicting``: an
    eviction has begun, and nothing says that it has ended. ``entries`` and ``lost``: how many could be read, and
    bytes that could not.
    """

    __slots__ = (
        "runs",
        "hit",
        "miss",
        "uncacheable",
        "saved",
        "damaged",
        "size",
        "added",
        "measured",
        "evicted",
        "evicting",
        "entries",
        "lost",
    )

    def __init__(self) -> None:
        self.runs = self.hit = self.miss = self.uncacheable = self.damaged = 0
        self.size = self.added = self.entries = self.lost = 0
        self.saved = self.measured = self.evicted = 0.0
        self.evicting = False

    def take(self, entry: Entry, counts_as_added: bool) -> None:
        """One entry more."""
        _, kind, moment, runs, hit, miss, uncacheable, seconds, amount, damaged = entry
        self.entries += 1
        if kind == usage.ADD:
            self.runs += runs
            self.hit += hit
            self.miss += miss
            self.uncacheable += uncacheable
            self.saved += seconds
            self.damaged += damaged
            self.added += amount if counts_as_added else 0
        elif kind == usage.BEGIN:
            self.evicting = True
        elif kind == usage.MEASURED:
            self.size, self.added, self.measured, self.evicting = amount, 0, moment, False
            self.evicted = max(self.evicted, seconds)


def read(layout: Layout) -> Tally:
    """The sums; all zero where there is no file."""
    return add_up(_content(layout.usage))


def _content(path: bytes) -> bytes:
    try:
        with opened(path) as file:
            return file.read()
    except OSError:
        return b""


def entries(data: bytes) -> Iterator[tuple[int, Entry]]:
    """(offset, entry) of each that can be read."""
    at = 0
    while 0 <= at < len(data):
        entry = usage.unpack(data, at)
        if entry is None:
            at = data.find(usage.MAGIC, at + 1)
            continue
        yield at, entry
        at += usage.SIZE


def add_up(data: bytes, since: int = 0) -> Tally:
    """The sums over the content of the file; ``added`` is only of what stands at the offset ``since`` or later."""
    sums = Tally()
    for at, entry in entries(data):
        sums.take(entry, at >= since)
    sums.lost = len(data) - sums.entries * usage.SIZE
    return sums


def end(layout: Layout) -> int:
    """The size of the file: what is added beyond it was added later."""
    try:
        return os.stat(layout.usage).st_size
    except OSError:
        return 0


def begin_eviction(layout: Layout) -> None:
    """Say that blobs may be gone from now on."""
    usage.write(layout, usage.pack(usage.BEGIN, time.time()))


def settle(layout: Layout, size: int, since: int, evicted: bool) -> None:
    """The store has ``size`` bytes, measured when the file ended at ``since``; one entry for all that was before.

    Where that cannot be had, the entry goes behind the others. Raises OSError where the file cannot be opened.
    """
    now = time.time()

    def measured(sums: Tally) -> bytes:
        return usage.pack(usage.MEASURED, now, seconds=now if evicted else sums.evicted, size=size)

    if not _replace(layout, since, measured):
        usage.write(layout, measured(read(layout)))


def compact(layout: Layout) -> None:
    """One entry for all that was, and the size as it was measured last; for now nothing where the disk is full.

    Raises OSError where the file cannot be opened.
    """

    def measured(sums: Tally) -> bytes:
        known = usage.pack(usage.MEASURED, sums.measured, seconds=sums.evicted, size=sums.size)
        return known + usage.pack(usage.BEGIN, time.time()) if sums.evicting else known

    _replace(layout, 0, measured)


def _replace(layout: Layout, since: int, measured: Callable[[Tally], bytes]) -> bool:
    """Replace the file by its sums; False where the lock is not to be had in time, or the disk is full."""
    fd = os.open(layout.usage, os.O_RDONLY | os.O_CREAT | CAREFUL, 0o600)
    try:
        if not locks.hold(fd, locks.EXCLUSIVE, _PATIENCE) and not locks.refused(fd):
            return False
        if not os.fstat(fd).st_nlink:  # somebody else has just done it
            return False
        sums = add_up(_content(layout.usage), since)
        counts = (sums.runs, sums.hit, sums.miss, sums.uncacheable)
        totals = usage.pack(usage.ADD, time.time(), counts, sums.saved, damaged=sums.damaged)
        later = usage.pack(usage.ADD, time.time(), size=sums.added)
        try:
            files.write(layout, layout.usage, totals + measured(sums) + later)
        except OSError:
            return False
        return True
    finally:
        os.close(fd)
