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

from procache.model.record import Record
from procache.store import blobs, files, hosts, journal, merging, records
from procache.store.named import blobs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.store.layout import Layout

_HEAD = struct.Struct("<cII")
RECORD, BLOB, STAGED, EVENT = b"r", b"b", b"s", b"j"
_PIPE_SIZE = 1 << 20
#: Having served what there was, the writer rests (s), unless that was much (bytes): while it does, handing more over
#: wakes nobody, which costs the tracer more than all else of it.
_REST, _BUSY = 0.002, 1 << 18


#: Messages are kept up to this many bytes until an event ends what belongs together: each write wakes the writer.
_TOGETHER = 1 << 16


class Writer:
    """The tracer's end: hands work over. ``finish`` waits until all of it is on disk."""

    __slots__ = ("pipe", "pid", "report", "broken", "seen", "kept")

    def __init__(self, layout: Layout, journal_path: bytes, most_variants: int) -> None:
        reader, self.pipe = os.pipe()
        self.report, reporter = os.pipe()
        try:
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            pass  # a smaller pipe only means less slack
        self.broken = False
        self.kept = bytearray()
        self.seen: set[bytes] = set()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.close(self.pipe)
                os.close(self.report)
                _serve(reader, reporter, layout, journal_path, most_variants)
            finally:
                os._exit(0)
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

    def put_staged(self, digest: bytes, staged: bytes) -> None:
        """Store a blob that was already copied to the file ``staged`` in the store's tmp folder."""
        self.seen.add(digest)
        self._send(STAGED, digest, staged)

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
        if self.broken and not said:
            return "the writer of the cache ended early; the last results were not stored"
        return said.decode(errors="replace")


def _serve(reader: int, reporter: int, layout: Layout, journal_path: bytes, most: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    failures: dict[str, int] = {}
    lost: set[bytes] = set()
    for kind, name, body in _messages(reader):
        try:
            _carry_out(layout, journal_path, most, kind, name, body, lost)
        except OSError as error:
            text = error.strerror or str(error)
            failures[text] = failures.get(text, 0) + 1
            if kind in (BLOB, STAGED):
                lost.add(name)
            if kind == STAGED:
                files.drop(body)
    if failures:
        parts = ", ".join(f"{count} × {text}" for text, count in failures.items())
        os.write(reporter, f"not everything could be stored ({parts})".encode()[:4000])


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


def _carry_out(
    layout: Layout, journal_path: bytes, most: int, kind: bytes, name: bytes, body: bytes, lost: set[bytes]
) -> None:
    if kind == RECORD:
        record = Record.unpack(body)
        if not (lost and lost & blobs_of(record).keys()):  # a record names no blob that is not there
            add_record(layout, name, record, body, most)
    elif kind == BLOB:
        blobs.put(layout, name, body)
    elif kind == STAGED:
        blobs.put_staged(layout, name, body)
    elif kind == EVENT:
        journal.write(journal_path, body)


def add_record(layout: Layout, key: bytes, record: Record, packed: bytes, most: int, host: bytes | None = None) -> None:
    """Read, merge and replace one record file under a lock; without the lock where flock is refused.

    ``host``: which saw the files of the record, if it was not this one (``hosts``).
    """
    path = layout.record(key)
    folder = os.path.dirname(path)
    lock = _lock(folder)
    try:
        old = records.opened(layout, key)  # one that cannot be read now is not to lose the records that are in it
        try:
            content = merging.merged(old, key, record, packed, most, hosts.own() if host is None else host)
        finally:
            if old is not None:
                old.close()
        files.write(layout, path, content)
    finally:
        if lock >= 0:
            os.close(lock)


def _lock(folder: bytes) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(folder + b"/.lock", flags, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fd = os.open(folder + b"/.lock", flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks: a rare lost variant, never a torn file
    return fd
