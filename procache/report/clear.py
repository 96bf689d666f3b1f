"""``procache clear``: deletes everything that is stored.

Another run may be using the store. So the whole tree is renamed aside in one step and an empty one
takes its place; only then are files deleted. A run that was replaying finds its outputs missing, which is a
miss, and stores its next results in the new tree.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from typing import NamedTuple

from procache.errors import StoreError, UsageError
from procache.report import store, text, totals
from procache.report.options import Options
from procache.report.output import Output
from procache.report.runs import NothingThere
from procache.store import claims, gc
from procache.store.layout import CLEARED, VERSION, Layout, locate

#: Parts of the store that a folder must have to be taken for one.
NEEDED = ("records", "blobs", "runs")
KNOWN = (*NEEDED, "tmp", "configs", "memo", "claims", "usage", "lock", "gc", "pins")


class Held(NamedTuple):
    """What is about to be deleted: record files, blobs, runs, and the bytes of all files."""

    records: int
    blobs: int
    runs: int
    bytes: int

    def words(self) -> str:
        """All of it in one phrase."""
        names = {"record file": self.records, "blob": self.blobs, "run": self.runs}
        parts = ", ".join(text.many(number, name) for name, number in names.items())
        return f"{parts} ({text.size(self.bytes)})"


def run(options: Options, output: Output) -> int:
    """Empty the store, once that was confirmed; 1 when the answer was no."""
    layout = locate(options.cache_dir)
    check(layout)
    held = look(layout)
    if not options.yes and not confirm(layout, held):
        output.remark("nothing was deleted")
        return 1
    empty(layout)
    store.tell_of_older(layout, output)
    if options.json:
        output.json({"cache_dir": os.fsdecode(layout.top), "deleted": held._asdict()})
    else:
        output.lines([f"deleted {held.words()} from {text.path(layout.top)}"])
    return 0


def check(layout: Layout) -> None:
    """Make sure that the folder is a store, ours, and holds nothing else.

    Raises StoreError when it is not, NothingThere when there is nothing to delete.
    """
    name = text.path(layout.top)
    entries = _entries(layout.root)
    if entries is None:
        if not _entries(layout.top):
            raise NothingThere(f"nothing to clear: there is no cache in {name}")
        raise StoreError(
            f"{name} is not a cache folder of procache (it has no {VERSION.decode()}); nothing was deleted"
        )
    layout.check()
    missing = [part for part in NEEDED if not _is_folder(getattr(layout, part))]
    foreign = sorted(entries - {os.path.basename(getattr(layout, part)) for part in KNOWN})
    if missing or not _is_folder(layout.root):
        lacks = f"no folder {missing[0]} in {VERSION.decode()}" if missing else f"{VERSION.decode()} is a link"
        raise StoreError(f"{name} is not a cache folder of procache ({lacks}); nothing was deleted")
    if foreign:
        odd = text.path(foreign[0])
        raise StoreError(f"{VERSION.decode()} in {name} holds {odd}, which is not procache's; nothing was deleted")


def _entries(folder: bytes) -> set[bytes] | None:
    """The names in a folder, None where it is missing. Raises StoreError when it cannot be read."""
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {text.path(folder)}: {error.strerror}; nothing was deleted") from error


def _is_folder(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def look(layout: Layout) -> Held:
    """Count what is stored. Raises NothingThere when that is nothing."""
    records, blobs, journals = map(totals.measure, (layout.records, layout.blobs, layout.runs))
    held = Held(records.files, blobs.files, journals.files, totals.measure(layout.root).bytes)
    if not any(held):
        raise NothingThere(f"nothing to clear: the cache in {text.path(layout.top)} is empty")
    return held


def confirm(layout: Layout, held: Held) -> bool:
    """Ask on the terminal. Raises UsageError when there is none to ask on."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise UsageError("clear asks before it deletes, and there is no terminal to ask on; say --yes")
    print(f"Delete {held.words()} from {text.path(layout.top)}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def empty(layout: Layout) -> None:
    """Put an empty tree in the place of the store's and delete the old one. Raises StoreError."""
    gc.sweep(layout, gc.Figures(), time.time(), dry=False)  # while there are notes of what is left in other folders
    aside = layout.top + b"/" + CLEARED + b"%d" % os.getpid()
    try:
        os.rename(layout.root, aside)
    except OSError as error:
        root = text.path(layout.root)
        raise StoreError(f"cannot rename {root}: {error.strerror}; nothing was deleted") from error
    layout.prepare()
    claims.carry_over(layout, aside)
    for name in sorted(_entries(layout.top) or ()):
        if name.startswith(CLEARED):  # ours, or of a clear that was interrupted
            shutil.rmtree(layout.top + b"/" + name, ignore_errors=True)
    if os.path.lexists(aside):
        raise StoreError(f"not everything could be deleted; the rest is in {text.path(aside)}")
