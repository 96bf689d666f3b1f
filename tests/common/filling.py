"""Stores made by hand: records with blobs, of a given age."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

from procache import digests
from procache.model import effects as fx
from procache.model.aspects import ABSENT
from procache.model.command import told
from procache.model.record import Record
from procache.store import blobs, records, scan, writer
from procache.store.layout import Layout

DAY = 86400.0
WORK = b"/work"
Command = tuple[object, ...]
_commands: dict[bytes, Command] = {}


def record(
    *contents: bytes,
    cwd: bytes = WORK,
    children: tuple[bytes, ...] = (),
    stored: float = 0.0,
    mark: str = "",
    stream: bytes = b"",
) -> Record:
    """A record that left files with these contents; ``mark`` tells variants apart, ``stream`` is output in a blob."""
    effects: list[fx.Effect] = []
    for number, content in enumerate(contents):
        digest = digests.of_bytes(content)
        state = (stat.S_IFREG | 0o644, 0, 0, len(content), 1, 5, digest, None)
        effects.append((b"/out/%d" % number, fx.FILE, 0, state, None, False, None))
    command = command_of(0, cwd)
    facts = [(b"/in" + mark.encode(), ABSENT, 2, False)]
    segments = [(1, len(stream))] if stream else []
    digest = digests.of_bytes(stream) if stream else b""
    data = None if stream else b""
    return Record(
        command, [], facts, effects, segments, data, digest, None, 0, 1.0, 0.5, 0.5, 10, 1, list(children), stored
    )


def command_of(number: int, cwd: bytes = WORK) -> Command:
    """The stored form of a command."""
    return (b"/bin/job", (b"job", b"%d" % number), cwd, digests.of_bytes(b"env"), (b"null",) * 3, (), b"")


def key_of(number: int) -> bytes:
    """The key of such a command."""
    key = digests.of_bytes(told(command_of(number)))
    _commands[key] = command_of(number)
    return key


def put(layout: Layout, key: bytes, made: Record, *contents: bytes, age: float = 0.0) -> None:
    """Store blobs and a record that were last used ``age`` seconds ago; the record is of the command of its key."""
    if made.command[2] == WORK:
        made.command = _commands[key]
    moment = time.time() - age
    for content in contents:
        blobs.put(layout, digests.of_bytes(content), content)
        os.utime(blob_path(layout, content), (moment, moment))
    writer.add_record(layout, key, made, made.pack(), 16)
    os.utime(layout.record(key), (moment, moment))


def blob_path(layout: Layout, content: bytes) -> bytes:
    """Where the blob with this content is."""
    return blob_paths(layout)[digests.of_bytes(content)]


def blob_paths(layout: Layout) -> dict[bytes, bytes]:
    """Digest and path of every blob."""
    return {entry.id: entry.path for entry in scan.blob_files(layout)}


def every_record(layout: Layout) -> Iterator[tuple[bytes, Record]]:
    """(command key, record) of all that can be read."""
    for key in records.keys(layout):
        for made in records.load(layout, key):
            yield key, made


def has_blob(layout: Layout, content: bytes) -> bool:
    """True when the blob with this content is there."""
    return blobs.present(layout, digests.of_bytes(content))


def has_record(layout: Layout, key: bytes) -> bool:
    """True when a record of this key can be read."""
    return any(True for _ in records.load(layout, key))
