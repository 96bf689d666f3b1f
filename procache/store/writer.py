"""Writing to the store, in a process of its own so that the tracer never waits for a disk.

The tracer hands over finished records, the content of outputs, and journal events through a pipe; the
writer puts blobs before the records that name them. Everything is written to a temporary and renamed,
so a reader sees a file whole or not at all; checksums tell what a crash tore. The writer outlives a
killed tracer just long enough to finish what it was handed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time

import msgpack

from procache.errors import SCARCE
from procache.model.record import Damaged, Record
from procache.store import account, blobs, files, hosts, journal, lastuse, locks, merging, records
from procache.store.account import Account
from procache.store.named import blobs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.store.layout import Layout

_HEAD = struct.Struct("<cII")
#: Kinds of messages: a record; the content of a blob; the path of a temporary that is to be one, with content of its
#: own or with extents that it shares with another file; an event of the journal; a record that was replayed; the
#: totals of the run.
RECORD, BLOB, STAGED, SHARED, EVENT, USED, TOTALS = b"r", b"b", b"s", b"c", b"j", b"u", b"t"
_PIPE_SIZE = 1 << 20
#: How many different reasons for failing are told.
MOST_TOLD = 10
#: Having served what there was, the writer rests (s), unless that was much (bytes): while it does, handing more over
#: wakes nobody, which costs the tracer more than all else of it.
_REST, _BUSY = 0.002, 1 << 18


#: Messages are kept up to this many bytes until an event ends what belongs together: each write wakes the writer.
_TOGETHER = 1 << 16

#: Signals that the writer ignores, from its first moment on: what was finished is stored whatever ends the run.
OF_TERMINALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)


class Writer:
    """The tracer's end: hands work over. ``finish`` waits until all of it is on disk."""

    __slots__ = ("pipe", "pid", "report", "broken", "seen", "kept", "losses")

    def __init__(self, layout: Layout, journal_path: bytes, most_variants: int) -> None:
        reader, self.pipe = os.pipe()
        self.report, reporter = os.pipe()
        try:
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            pass  # a smaller pipe only means less slack
        self.broken = False
        self.losses = Losses()
        self.kept = bytearray()
        self.seen: set[bytes] = set()
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINALS)
        try:
            self.pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
            raise
        if not self.pid:
            try:
                for number in OF_TERMINALS:
                    signal.signal(number, signal.SIG_IGN)
                os.close(self.pipe)
                os.close(self.report)
                _serve(reader, reporter, layout, journal_path, most_variants)
            finally:
                os._exit(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        os.close(reader)
        os.close(reporter)

    def put_record(self, key: bytes, packed: bytes) -> None:
        """Store a record under its command key."""
        self._send(RECORD, key, packed)

    def put_blob(self, digest: bytes, content: bytes) -> None:
        """Store a blob whose content is at hand."""
        if digest not in self.seen:
            self.seen.add(digest)
            self._send(BLOB, digest, content)

    def put_staged(self, digest: bytes, staged: bytes, *, shared: bool = False) -> None:
        """Store a blob that is the file ``staged`` in the store's tmp folder: a copy, or one that shares extents."""
        self.seen.add(digest)
        self._send(SHARED if shared else STAGED, digest, staged)

    def used(self, key: bytes, packed: bytes) -> None:
        """A record was replayed that had not been used for long."""
        self._send(USED, key, packed)

    def totals(self, counts: dict[str, int], saved: float) -> None:
        """What the run has done, for the statistics."""
        self._send(TOTALS, b"", account.pack(counts, saved))

    def event(self, packed: bytes) -> None:
        """Append an event to the journal of this run; what was put before goes with it."""
        self._send(EVENT, b"", packed)
        self.flush()

    def _send(self, kind: bytes, name: bytes, body: bytes) -> None:
        self.kept += _HEAD.pack(kind, len(name), len(body)) + name + body
        if len(self.kept) > _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Hand over what was kept."""
        kept, self.kept = self.kept, bytearray()
        if self.broken:
            return
        view = memoryview(kept)
        try:
            while view:
                view = view[os.write(self.pipe, view) :]
        except OSError:
            self.broken = True

    def lose(self, why: str) -> None:
        """Count a result that could not be handed over."""
        self.losses.results += 1
        self.losses.add(why)

    def finish(self) -> str:
        """Wait for the writer; returns "" or one line that says what was not stored."""
        self.flush()
        os.close(self.pipe)
        said = b""
        while chunk := os.read(self.report, 4096):
            said += chunk
        os.close(self.report)
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass  # reaped by the tracer's wait loop
        try:
            results, reasons = msgpack.unpackb(said)
        except ValueError:
            return "the writer of the cache ended early; the last results were not stored"
        self.losses.results += results
        for why in reasons:
            self.losses.add(why)
        return self.losses.line()


class Losses:
    """What could not be stored: how many results, and why."""

    __slots__ = ("results", "reasons", "blobs")

    def __init__(self) -> None:
        self.results = 0
        self.reasons: list[str] = []
        #: digests of blobs that a record is not to name
        self.blobs: set[bytes] = set()

    def add(self, why: str) -> None:
        """One more reason, if it is another."""
        if why not in self.reasons:
            self.reasons.append(why)

    def line(self) -> str:
        """One line for the user; "" where nothing was lost."""
        reasons = ", ".join(self.reasons)
        if self.results:
            return f"{self.results} result{'s were' if self.results > 1 else ' was'} not stored: {reasons}"
        return f"not everything of this run was stored: {reasons}" if reasons else ""


def _serve(reader: int, reporter: int, layout: Layout, journal_path: bytes, most: int) -> None:
    losses, sums = Losses(), Account(layout)
    for kind, name, body in _messages(reader):
        try:
            if kind == RECORD:
                sums.added += _add_whole(layout, name, body, most, losses.blobs)
            elif kind == EVENT:
                journal.write(journal_path, body, shared=layout.shared)
                sums.added += len(body)
            elif kind == USED:
                lastuse.renew(layout, name, Record.unpack(body))
            elif kind == TOTALS:
                sums.take(body)
            else:
                sums.added += _add_blob(layout, kind, name, body)
        except SCARCE as error:
            losses.add(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            losses.results += kind == RECORD
            if kind in (BLOB, STAGED, SHARED):
                losses.blobs.add(name)
        except Incomplete:  # what could not be stored of it has been told of
            losses.results += 1
        except Gone:
            if not sums.may_be_evicted():
                losses.results += 1
                losses.add("an output is no longer in the store")
        except Damaged as error:
            losses.add(f"a record that could not be read again ({error})")
            losses.results += kind == RECORD
    sums.close()
    os.write(reporter, msgpack.packb((losses.results, losses.reasons[:MOST_TOLD])))


def _messages(reader: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(kind, name, body) of each whole message; one in whose middle the tracer was killed is dropped."""
    kept = bytearray()
    while chunk := os.read(reader, _PIPE_SIZE):
        kept += chunk
        at = 0
        while len(kept) - at >= _HEAD.size:
            kind, name_size, body_size = _HEAD.unpack_from(kept, at)
            body_at = at + _HEAD.size + name_size
            if body_at + body_size > len(kept):
                break
            yield kind, bytes(kept[at + _HEAD.size : body_at]), bytes(kept[body_at : body_at + body_size])
            at = body_at + body_size
        del kept[:at]
        if len(chunk) < _BUSY:
            time.sleep(_REST)


class Incomplete(Exception):
    """Raised for a record that names a blob which could not be stored: no replay could use it."""


class Gone(Exception):
    """Raised for a record that names a blob which was stored, and is not there any more."""


def _add_whole(layout: Layout, key: bytes, packed: bytes, most: int, lost: set[bytes]) -> int:
    """Store a record, if all that it names is there, and stays while this goes on. Returns by what the store grew.

    Raises OSError, Incomplete, Gone.
    """
    record = Record.unpack(packed)
    named = blobs_of(record)
    if lost and not lost.isdisjoint(named):
        raise Incomplete
    using = locks.using(layout) if named else -1
    try:
        if not all(blobs.renew(layout, digest) for digest in named):
            raise Gone
        return add_record(layout, key, record, packed, most)
    finally:
        locks.let_go(using)


def _add_blob(layout: Layout, kind: bytes, digest: bytes, body: bytes) -> int:
    if kind == BLOB:
        return blobs.put(layout, digest, body)
    return blobs.put_staged(layout, digest, body, shared=kind == SHARED)


def add_record(layout: Layout, key: bytes, record: Record, packed: bytes, most: int, host: bytes | None = None) -> int:
    """Read, merge and replace one record file under a lock. Returns the bytes by which that grew on disk.

    ``host``: which saw the files of the record, if it was not this one (``hosts``).
    """
    path = layout.record(key)
    with locks.Folder(os.path.dirname(path)):
        before = 0
        old = records.opened(layout, key)  # one that cannot be read now is not to lose the records that are in it
        try:
            content = merging.merged(old, key, record, packed, most, hosts.own() if host is None else host)
        finally:
            if old is not None:
                before = files.on_disk(old.st.st_size)
                old.close()
        files.write(layout, path, content)
    return files.on_disk(len(content)) - before
