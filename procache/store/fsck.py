"""Checking what is stored, and setting aside what is not as it should be. Runs may go on meanwhile.

What looks wrong is looked at again before it is told: a record file may have been replaced, a blob evicted since. A
record whose blobs are gone is a miss, and none the worse for it, where the eviction came after it was stored; blobs
that nobody has evicted are lost.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from procache import digests
from procache.model.command import told
from procache.model.record import Damaged, Record
from procache.store import CAREFUL, blobs, files, litter, locks, merging, pins, records, scan, tally
from procache.store.choice import Sum
from procache.store.gc import unlink
from procache.store.named import blobs_of
from procache.store.records import RecordFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procache.store.layout import Layout

#: What can be wrong, and the words for it.
PROBLEMS = {
    "folder": "folder that cannot be looked into",
    "record-file": "record file that cannot be read",
    "record": "damaged record",
    "key": "record that is not of its command",
    "blob": "damaged blob",
    "blob-lost": "record with a blob that is not there",
    "journal": "damaged journal",
    "pin": "pin that cannot be read",
}
#: What is no fault of the store.
REMARKS = {
    "evicted": "record with a blob that was evicted",
    "unchecked": "file that needs a package which is not installed",
    "temporary": "temporary file of a process that is gone",
    "aside": "damaged file that was set aside",
    "usage": "statistics that were cut off",
}


class Finding(NamedTuple):
    """Something that was found: its kind, where, in what way, and whether it has been repaired."""

    kind: str
    path: bytes
    detail: str = ""
    repaired: bool = False


class Checker:
    """Checks the parts of one store. ``step`` is told of each file; with ``repair`` damaged things are set aside."""

    __slots__ = ("layout", "repair", "step")

    def __init__(self, layout: Layout, repair: bool, step: Callable[[str, int], None]) -> None:
        self.layout = layout
        self.repair = repair
        self.step = step

    def folders(self) -> Iterator[Finding]:
        """Folders that cannot be looked into: what they hold is not checked, and no run finds it."""
        for path in scan.folders(self.layout):
            try:
                os.scandir(path).close()
            except FileNotFoundError:
                pass  # evicted
            except OSError as error:
                yield Finding("folder", path, error.strerror or "")

    # -- records -----------------------------------------------------------------------------------------------

    def record_files(self) -> Iterator[Finding]:
        """Every record file: its head, the checksum and form of each record, its key, its blobs."""
        for entry in scan.record_files(self.layout):
            self.step(scan.RECORD, entry.size)
            key = digests.parsed(entry.id)
            if key is not None:
                yield from self._record_file(entry.path, key)

    def _record_file(self, path: bytes, key: bytes) -> Iterator[Finding]:
        try:
            fd = os.open(path, os.O_RDONLY | CAREFUL)
        except FileNotFoundError:
            return  # evicted
        except OSError as error:
            yield Finding("record-file", path, error.strerror or "", self._unread(path))
            return
        yield from self._open_file(path, key, fd)

    def _unread(self, path: bytes) -> bool:
        """Set aside what cannot be opened, a link for one."""
        try:
            return self.aside(path, os.lstat(path))
        except OSError:  # not even that is allowed
            return False

    def _open_file(self, path: bytes, key: bytes, fd: int) -> Iterator[Finding]:
        try:
            file = RecordFile(fd, key[:1])
        except digests.Unknown as error:
            os.close(fd)
            yield Finding("unchecked", path, str(error))
            return
        except (Damaged, OSError) as error:
            st = os.fstat(fd)
            os.close(fd)
            yield Finding("record-file", path, str(error), self.aside(path, st))
            return
        with file:
            good, found = [], []
            for place in range(len(file.places) - 1):
                kind, detail = self._record(file, place, key)
                if kind:
                    found.append((kind, detail))
                else:
                    good.append(place)
            if not found or not files.is_at(path, file.st):  # replaced meanwhile
                return
            mended = self.repair and self.rebuild(path, key, file, good)
            yield from (Finding(kind, path, detail, mended) for kind, detail in found)

    def _record(self, file: RecordFile, place: int, key: bytes) -> tuple[str, str]:
        """(kind, detail) of what is wrong with one record; kind "" where all is well."""
        packed = file.packed(place) if place < file.count else None
        if packed is None:
            return "record", f"variant {place + 1} of {len(file.places) - 1}: its checksum is wrong"
        try:
            record = Record.unpack(packed)
            if not digests.fits(key, told(record.command)):
                return "key", f"variant {place + 1}"
            if file.identity(place) != record.identity():
                return "record", f"variant {place + 1}: the head says another one"
            return self._blobs_of(record, place)
        except Exception as error:  # noqa: BLE001 - a record that was made up raises whatever its values make it raise
            return "record", f"variant {place + 1}: {error}"

    def _blobs_of(self, record: Record, place: int) -> tuple[str, str]:
        for digest in blobs_of(record):
            if not blobs.present(self.layout, digest):
                sums = tally.read(self.layout)
                evicted = sums.evicting or 0 < record.stored <= sums.evicted
                name = digests.hexadecimal(digest).decode()
                return "evicted" if evicted else "blob-lost", f"variant {place + 1}: {name}"
        return "", ""

    def rebuild(self, path: bytes, key: bytes, file: RecordFile, good: list[int]) -> bool:
        """Set a record file aside and write one with its good records. False where another is in its place.

        Raises OSError.
        """
        content = merging.parted(file, key, good)
        with locks.Folder(os.path.dirname(path)):
            if not files.is_at(path, file.st) or not self._moved(path, file.st):
                return False
            if good:
                files.write(self.layout, path, content)
        return True

    def aside(self, path: bytes, st: os.stat_result) -> bool:
        """Set a file aside where that was asked for, unless another one is in its place."""
        if not self.repair:
            return False
        if not path.startswith(self.layout.records):
            return self._moved(path, st)
        with locks.Folder(os.path.dirname(path)):
            return self._moved(path, st)

    def _moved(self, path: bytes, st: os.stat_result) -> bool:
        if files.is_at(path, st):
            self.layout.set_aside(path)
        return not files.is_at(path, st)

    # -- blobs -------------------------------------------------------------------------------------------------

    def blob_files(self) -> Iterator[Finding]:
        """Every blob: does it hold what its name says?"""
        for entry in scan.blob_files(self.layout):
            self.step(scan.BLOB, entry.size)
            try:
                st = os.lstat(entry.path)
            except OSError:
                continue  # evicted
            try:
                detail = "" if blobs.check(entry.path, entry.id) else "its digest is another"
            except (digests.Unknown, ImportError) as error:
                yield Finding("unchecked", entry.path, str(error))
                continue
            except FileNotFoundError:
                continue  # evicted
            except OSError as error:
                detail = error.strerror or str(error)
            if detail and files.is_at(entry.path, st):
                yield Finding("blob", entry.path, detail, self.aside(entry.path, st))

    # -- the rest ------------------------------------------------------------------------------------------------

    def rest(self, now: float) -> Iterator[Finding]:
        """Temporaries, statistics and pins."""
        for entry in scan.listed(self.layout.tmp):
            try:
                mtime = entry.stat(follow_symlinks=False).st_mtime
            except OSError:
                continue
            if entry.name.startswith(files.ASIDE):
                yield Finding("aside", entry.path)
            elif files.abandoned(entry.name, mtime, now):
                yield Finding("temporary", entry.path, "", self.repair and self._tidied(entry.path, now))
        lost = tally.read(self.layout).lost
        if lost:
            yield Finding(
                "usage", self.layout.usage, f"{lost} bytes that are no entry", self.repair and self._put_right()
            )
        yield from self._pins()

    def _tidied(self, path: bytes, now: float) -> bool:
        return litter.clear_up(path, now, Sum(), dry=False) and unlink(path)

    def _put_right(self) -> bool:
        tally.compact(self.layout)
        return not tally.read(self.layout).lost

    def _pins(self) -> Iterator[Finding]:
        for run_id in pins.pinned(self.layout):
            path = pins.path_of(self.layout, run_id)
            try:
                st = os.lstat(path)
                detail = "a line that is no command" if None in pins.keys_of(self.layout, run_id) else ""
            except FileNotFoundError:
                continue  # unpinned
            except OSError as error:
                detail = error.strerror or str(error)
            if detail:
                yield Finding("pin", path, detail, self.aside(path, st))


def mend(layout: Layout, key: bytes) -> None:
    """Set aside the record file of a key, in which some record is damaged, and store anew those that are whole."""
    file = records.find(layout, key)
    if file is None:
        return
    with file:
        whole = [place for place in range(file.count) if file.packed(place) is not None]
        path = layout.record(key)
        if len(whole) < len(file.places) - 1 and files.is_at(path, file.st):
            try:
                Checker(layout, True, lambda kind, size: None).rebuild(path, key, file, whole)
            except OSError:
                pass  # a store that cannot be written to: what is damaged is a miss
