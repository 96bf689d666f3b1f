"""Removing what was not used for longest, what is too old, and what dead processes left behind.

What goes is chosen in one pass over the files of the store and removed in a second one (``choice``). What was used
since it was looked at stays.

Files are removed in small batches, while nobody replays (``locks``): a reader finds all blobs of its record, or not
its first one. Journals are removed like the rest, save those of the last runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time

from procache.store import CAREFUL, claims, files, litter, lockfile, locks, pins, scan, tally
from procache.store.choice import Choice, Limits, Sum
from procache.store.layout import CLEARED
from procache.store.scan import BLOB, JOURNAL, RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout
    from procache.store.pins import Kept
    from procache.store.scan import Entry

TEMPORARY, DAMAGED = "temporaries", "damaged"
KINDS = (RECORD, BLOB, JOURNAL, TEMPORARY, DAMAGED)
#: What was set aside as damaged may be looked at for so long (s).
DAMAGED_AGE = 7 * 86400.0
#: A memo to which nothing was added for so long (s) is of a host that is no more, such as a container.
MEMO_AGE = 30 * 86400.0
#: So many files are removed while nobody can replay, which takes a few ms; and how long (s) a batch waits for those who
#: do, at first and after one waited in vain.
_BATCH, _PATIENCE, _NO_PATIENCE = 64, 10.0, 0.05


class Figures:
    """What was removed, by kind, and what remains of records, blobs and journals."""

    __slots__ = ("removed", "before")

    def __init__(self) -> None:
        self.removed = {kind: Sum() for kind in KINDS}
        self.before = {kind: Sum() for kind in (RECORD, BLOB, JOURNAL)}

    def remains(self, kind: str) -> tuple[int, int]:
        """(files, bytes) left of what was seen; something that came after the first look may have gone too."""
        before, gone = self.before[kind], self.removed[kind]
        return max(0, before.files - gone.files), max(0, before.bytes - gone.bytes)

    @property
    def size(self) -> int:
        """Bytes of records, blobs and journals that remain."""
        return sum(self.remains(kind)[1] for kind in self.before)


class Busy(Exception):
    """Raised where another process is removing things from this store."""


class Alone:
    """Held while a process removes things: there is one at a time, where the file system has locks."""

    __slots__ = ("path", "fd")

    def __init__(self, layout: Layout) -> None:
        self.path = layout.gc

    def __enter__(self) -> Alone:
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | CAREFUL, 0o600)
        if not locks.hold(self.fd, locks.EXCLUSIVE, 0.0) and not locks.refused(self.fd):
            os.close(self.fd)
            raise Busy
        return self

    def begin(self) -> None:
        """The next time is a day from now, whatever becomes of this one."""
        os.utime(self.fd)

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


class Remover:
    """Removes files in batches, each unless it was used or pinned since it was looked at."""

    __slots__ = ("layout", "kept", "figures", "batch", "dry", "patience")

    def __init__(self, layout: Layout, kept: Kept, figures: Figures, dry: bool) -> None:
        self.layout = layout
        self.kept = kept
        self.figures = figures
        self.dry = dry
        self.batch: list[Entry] = []
        self.patience = _PATIENCE

    def remove(self, entry: Entry) -> None:
        """One file more."""
        self.batch.append(entry)
        if len(self.batch) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Remove what was gathered. Raises OSError."""
        batch, self.batch = self.batch, []
        if not batch:
            return
        lock = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | CAREFUL, 0o600)
        try:
            if not self.dry and not locks.hold(lock, fcntl.LOCK_EX, self.patience):
                self.patience = _NO_PATIENCE  # a reader was stopped: what it misses, it runs
            if pins.stamp(self.layout) != self.kept.stamp:
                self.kept = pins.kept(self.layout)
            for entry in batch:
                if self._unused(entry) and (self.dry or unlink(entry.path)):
                    self.figures.removed[entry.kind].add(entry.size)
        finally:
            os.close(lock)

    def _unused(self, entry: Entry) -> bool:
        try:
            return os.lstat(entry.path).st_mtime_ns == entry.mtime and not self.kept.keeps(entry)
        except OSError:
            return False


def unlink(path: bytes) -> bool:
    """Remove a file; False where that is not to be done, or was done."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def collect(layout: Layout, limits: Limits, *, dry: bool = False) -> Figures:
    """Bring a store within its limits; with ``dry`` only say what that would remove. Raises Busy, OSError."""
    with Alone(layout) as alone:
        figures, now = Figures(), time.time()
        if not dry:
            alone.begin()
            tally.compact(layout)
        sweep(layout, figures, now, dry)
        if not dry:
            delete_cleared(layout, now)
            delete_memos(layout, now)
            for folder in scan.listed(layout.records):
                lockfile.tidy(folder.path, now)
        since = tally.end(layout)
        choice = Choice(layout, limits, now)
        for entry in scan.entries(layout):
            figures.before[entry.kind].add(entry.size)
            choice.see(entry, dry)
        choice.decide(figures.before)
        if choice.any and not dry:
            tally.begin_eviction(layout)
        remover = Remover(layout, choice.kept, figures, dry)
        if choice.any:
            for entry in choice.chosen(scan.entries(layout)):
                remover.remove(entry)
            remover.flush()
        if not dry:
            tally.settle(layout, figures.size, since, evicted=figures.removed[BLOB].files > 0)
        return figures


def delete_cleared(layout: Layout, now: float) -> None:
    """Remove what ``clear`` and ``migrate`` have put aside to delete it, and have not in a day, since they were killed.

    When it was put aside is the change time of the folder.
    """
    for entry in scan.listed(layout.top):
        if entry.name.startswith(CLEARED) and entry.is_dir(follow_symlinks=False):
            try:
                old = now - entry.stat(follow_symlinks=False).st_ctime > files.LONG_AGO
            except OSError:  # it has just gone
                continue
            if old:
                shutil.rmtree(entry.path, ignore_errors=True)


def delete_memos(layout: Layout, now: float) -> None:
    """Remove memos that nobody has written to for long; where one is used after all, that costs time only."""
    for entry in scan.listed(layout.memo):
        try:
            old = now - entry.stat(follow_symlinks=False).st_mtime > MEMO_AGE
        except OSError:
            continue
        if old:
            unlink(entry.path)


def sweep(layout: Layout, figures: Figures, now: float, dry: bool) -> None:
    """Remove the temporaries of dead processes, here and where they staged, and what was set aside long ago."""
    if not dry:
        claims.tidy(layout)
    for entry in scan.listed(layout.tmp):
        try:
            st = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        set_aside = entry.name.startswith(files.ASIDE)
        old = now - st.st_mtime > DAMAGED_AGE if set_aside else files.abandoned(entry.name, st.st_mtime, now)
        removed = figures.removed[DAMAGED if set_aside else TEMPORARY]
        if old and litter.clear_up(entry.path, now, removed, dry) and (dry or unlink(entry.path)):
            removed.add(scan.size_of(st))
