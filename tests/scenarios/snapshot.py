"""The visible state of a folder as a plain value, so that two runs can be compared and told apart."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char device",
    stat.S_IFBLK: "block device",
}
SHOWN = 200  # contents up to this many bytes are kept as they are, for readable differences


class Entry(NamedTuple):
    """Everything of one name that must be equal in two runs; times are apart (see Snapshot)."""

    kind: str
    mode: str
    owner: tuple[int, int]
    content: bytes  # of a file: the bytes, or length and digest; of a link: its text
    group: tuple[bytes, ...]  # the names in the folder that are the same file; empty for one name
    xattrs: tuple[tuple[str, bytes], ...]


class Snapshot(NamedTuple):
    """The entries of a folder and their modification times (ns), by path relative to it."""

    entries: dict[bytes, Entry]
    times: dict[bytes, int]


def take(folder: bytes) -> Snapshot:
    """Look at everything below ``folder`` (not at the folder itself)."""
    looks = {os.path.relpath(path, folder): os.lstat(path) for path in _walk(folder)}
    groups: dict[tuple[int, int], list[bytes]] = {}
    for name, look in looks.items():
        groups.setdefault((look.st_dev, look.st_ino), []).append(name)
    entries = {}
    for name, look in looks.items():
        same = groups[look.st_dev, look.st_ino]
        group = tuple(sorted(same)) if len(same) > 1 else ()
        entries[name] = _entry(os.path.join(folder, name), look, group)
    return Snapshot(entries, {name: look.st_mtime_ns for name, look in looks.items()})


def differences(expected: Snapshot, seen: Snapshot, times: tuple[str, ...] = ()) -> list[str]:
    """One line for each name whose entries differ, and for each of ``times`` whose times differ."""
    lines = []
    for name in sorted(expected.entries.keys() | seen.entries.keys()):
        left, right = expected.entries.get(name), seen.entries.get(name)
        if left != right:
            lines.append(f"{os.fsdecode(name)!r}: expected {left}, seen {right}")
    for text in times:
        before, after = expected.times.get(os.fsencode(text)), seen.times.get(os.fsencode(text))
        if before != after:
            lines.append(f"{text!r}: expected modification time {before}, seen {after}")
    return lines


def changes(before: Snapshot, after: Snapshot) -> dict[bytes, Entry | None]:
    """What a run did: each name that it made, changed (its new entry) or removed (None)."""
    names = before.entries.keys() | after.entries.keys()
    pairs = {name: (before.entries.get(name), after.entries.get(name)) for name in names}
    return {name: right for name, (left, right) in pairs.items() if left != right}


def _walk(folder: bytes) -> Iterator[bytes]:
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        yield path
        if stat.S_ISDIR(os.lstat(path).st_mode):
            yield from _walk(path)


def _entry(path: bytes, look: os.stat_result, group: tuple[bytes, ...]) -> Entry:
    kind = KINDS[stat.S_IFMT(look.st_mode)]
    content = b""
    if kind == "link":
        content = os.readlink(path)
    elif kind == "file":
        content = _content(path)
    return Entry(kind, oct(look.st_mode & 0o7777), (look.st_uid, look.st_gid), content, group, _xattrs(path))


def _content(path: bytes) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    if len(data) <= SHOWN:
        return data
    return f"<{len(data)} bytes, {hashlib.sha256(data).hexdigest()[:32]}>".encode()


def _xattrs(path: bytes) -> tuple[tuple[str, bytes], ...]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))
    except OSError:
        return ()  # a file system or kind of file without them
