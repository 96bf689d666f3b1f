"""When something in the store was last used: the time (mtime) of record files and blobs.

A reader that hits a record file sets its time to now, unless that is less than an hour old, and with it the times of
the blobs that the record names and, all the way down, of the record files of its children: whoever skips a whole
command uses them too. Within the hour a hit costs nothing.
"""

from __future__ import annotations

import os

from procache.store import blobs, records, usage
from procache.store.named import blobs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.record import Record
    from procache.store.layout import Layout


def renew(layout: Layout, key: bytes, record: Record) -> None:
    """A record of this key is used now, and all that is under it. What cannot be changed stays as old as it is."""
    todo, seen = [(key, record)], {key}
    while todo:
        parent, used = todo.pop()
        _set(layout.record(parent))
        for digest in blobs_of(used):
            blobs.renew(layout, digest)
        for child in used.children:
            if child not in seen:
                seen.add(child)
                todo += ((child, found) for found in _contained(layout, child, used.stored))


def _contained(layout: Layout, key: bytes, stored: float) -> Iterator[Record]:
    """The variant that was the newest when what contains it was stored; none where the file was used lately."""
    if not usage.is_old(layout.record(key)):
        return
    for record in records.load(layout, key):
        if record.stored <= stored:
            yield record
            return


def _set(path: bytes) -> None:
    try:
        os.utime(path)
    except OSError:
        pass
