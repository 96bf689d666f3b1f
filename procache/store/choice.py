"""Choosing what is to be removed from a store, of which a million files need not be kept in memory.

There are two passes over the files: the first sums up their sizes by the minute of their last use; the second removes
what was used before the minute that this gives, and of that minute as much as is needed.
"""

from __future__ import annotations

import heapq
import os
from typing import NamedTuple

from procache.store import pins, processes, scan
from procache.store.scan import BLOB, JOURNAL, JOURNALS_END, RECORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.policy import Policy
    from procache.store.layout import Layout
    from procache.store.pins import Kept
    from procache.store.scan import Entry

#: A store that has outgrown ``max_size`` is brought to this share of it, so that the next time is not soon.
SHARE = 0.8
#: Journals of so many runs stay, however old, if they are no more than this share of ``max_size``.
KEPT_RUNS, KEPT_SHARE = 100, 0.1
MINUTE = 60 * 10**9
#: A time so far ahead (ns) is of a clock that was wrong.
_AHEAD = 3600 * 10**9


class Limits(NamedTuple):
    """``size``: bytes that the store may have, None for any number; ``target``: what it is brought to beyond that.

    ``age`` and ``journal_age``: seconds since the last use, 0 for any.
    """

    size: int | None = None
    target: int = 0
    age: float = 0.0
    journal_age: float = 0.0


def limits(policy: Policy) -> Limits:
    """The limits that the settings make."""
    size = policy.max_size or None
    return Limits(size, int(policy.max_size * SHARE), policy.max_age, policy.max_journal_age)


class Sum:
    """Files of one kind, and their bytes on disk."""

    __slots__ = ("files", "bytes")

    def __init__(self) -> None:
        self.files = self.bytes = 0

    def add(self, size: int) -> None:
        """One file more."""
        self.files += 1
        self.bytes += size


class Choice:
    """What is to go: found out in one pass, told in a second one."""

    __slots__ = ("limits", "kept", "now", "floors", "aged", "any_aged", "minutes", "minute", "rest")

    def __init__(self, layout: Layout, limits: Limits, now: float) -> None:
        self.limits = limits
        self.now = int(now * 1e9)
        self.kept: Kept = pins.kept(layout)
        self.kept.runs.update(last_runs(layout, limits.size))
        ages = {RECORD: limits.age, BLOB: limits.age, JOURNAL: limits.journal_age}
        self.floors = {kind: int((now - age) * 1e9) if age else -1 for kind, age in ages.items()}
        self.aged, self.any_aged = 0, False
        #: bytes by the minute of the last use
        self.minutes: dict[int, int] = {}
        #: all before this minute goes, and of it the oldest ``rest`` bytes
        self.minute = self.rest = 0

    def see(self, entry: Entry, dry: bool) -> None:
        """The first pass."""
        if not self._may_go(entry):
            return
        if entry.mtime < self.floors[entry.kind]:
            self.aged += entry.size
            self.any_aged = True
            return
        if entry.mtime > self.now + _AHEAD and not dry:
            touch(entry.path)
        minute = self._used(entry) // MINUTE
        self.minutes[minute] = self.minutes.get(minute, 0) + entry.size

    def decide(self, before: dict[str, Sum]) -> None:
        """Between the passes: ``before`` is what there is."""
        left = sum(kind.bytes for kind in before.values()) - self.aged
        if self.limits.size is None or left <= self.limits.size:
            return
        self.rest = left - self.limits.target
        for minute in sorted(self.minutes):
            self.minute = minute
            if self.minutes[minute] >= self.rest:
                return
            self.rest -= self.minutes[minute]
        self.minute += 1  # pins keep more than the target
        self.rest = 0

    @property
    def any(self) -> bool:
        """True when something goes."""
        return self.any_aged or bool(self.minute)

    def chosen(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The second pass: what goes."""
        last: list[Entry] = []
        for entry in entries:
            if not self._may_go(entry):
                continue
            minute = self._used(entry) // MINUTE
            if entry.mtime < self.floors[entry.kind] or minute < self.minute:
                yield entry
            elif minute == self.minute:
                last.append(entry)
        last.sort(key=lambda entry: (self._used(entry), entry.path))
        for entry in last:
            if self.rest <= 0:
                return
            self.rest -= entry.size
            yield entry

    def _used(self, entry: Entry) -> int:
        """When a file was last used (ns). A blob counts as a minute younger: it goes after the record that names it."""
        return min(entry.mtime + (MINUTE if entry.kind == BLOB else 0), self.now)

    def _may_go(self, entry: Entry) -> bool:
        return not self.kept.keeps(entry) and not (entry.kind == JOURNAL and is_running(entry))


def last_runs(layout: Layout, size: int | None) -> list[bytes]:
    """Ids of the runs whose journals stay in a store that may have so many bytes: of the last one in any case."""
    names = (entry.name for entry in scan.listed(layout.runs) if entry.name.endswith(JOURNALS_END))
    found: list[bytes] = []
    taken = 0
    for name in heapq.nlargest(KEPT_RUNS, names):
        try:
            taken += scan.size_of(os.lstat(layout.runs + b"/" + name))
        except OSError:  # it has just gone
            continue
        if found and size is not None and taken > size * KEPT_SHARE:
            break
        found.append(name.removesuffix(JOURNALS_END))
    return found


def is_running(entry: Entry) -> bool:
    """True for the journal of a run that may be going on: a process with its id is on this host, since before it."""
    pid = entry.id.rpartition(b"-")[2]
    return pid.isdigit() and processes.lives(int(pid), entry.mtime / 1e9)


def touch(path: bytes) -> None:
    """Set a file's time to now; what cannot be changed stays."""
    try:
        os.utime(path)
    except OSError:
        pass
