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
BLOCK = 1 << 16  # bytes that are read, and told from zeros, at once
SPARE = 1 << 14  # bytes that a file may take less than its size without having a hole worth the name
SHOWN = 200  # contents up to this many bytes are kept as they are, for readable differences


class Entry(NamedTuple):
    """Everything of one name that must be equal in two runs; times are apart (see Snapshot)."""

    kind: str
    mode: str
    owner: tuple[int, int]
    content: bytes  # of a file: the bytes, or length and digest; of a link: its text
    group: tuple[bytes, ...]  # the names in the folder that are the same file; empty for one name
    xattrs: tuple[tuple[str, bytes], ...]
    holes: bool  # a file that takes clearly less room than its size


class Snapshot(NamedTuple):
    """The entries of a folder and their modification times (ns), by path relative to it."""

    entries: dict[bytes, Entry]
    times: dict[bytes, int]


def take(folder: bytes) -> Snapshot:
    """Look at everything below ``folder`` (not at the folder itself), however deep it is."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = dict(_walk(top, b""))
    finally:
        os.close(top)
    groups: dict[tuple[int, int], list[bytes]] = {}
    for name, (look, _) in found.items():
        groups.setdefault((look.st_dev, look.st_ino), []).append(name)
    entries = {}
    for name, (look, entry) in found.items():
        same = groups[look.st_dev, look.st_ino]
        entries[name] = entry._replace(group=tuple(sorted(same))) if len(same) > 1 else entry
    return Snapshot(entries, {name: look.st_mtime_ns for name, (look, _) in found.items()})


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


def _walk(folder: int, before: bytes) -> Iterator[tuple[bytes, tuple[os.stat_result, Entry]]]:
    """Every name below an open folder, with what it is; names are relative to where the walk began."""
    for name in sorted(map(os.fsencode, os.listdir(folder))):
        path = b"/proc/self/fd/%d/%s" % (folder, name)
        look = os.lstat(path)
        yield before + name, (look, _entry(path, look))
        if stat.S_ISDIR(look.st_mode):
            below = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                yield from _walk(below, before + name + b"/")
            finally:
                os.close(below)


def _entry(path: bytes, look: os.stat_result) -> Entry:
    kind = KINDS[stat.S_IFMT(look.st_mode)]
    content = b""
    if kind == "link":
        content = os.readlink(path)
    elif kind == "file":
        content = _content(path)
    holes = kind == "file" and look.st_blocks * 512 + SPARE < look.st_size
    return Entry(kind, oct(look.st_mode & 0o7777), (look.st_uid, look.st_gid), content, (), _xattrs(path), holes)


def _content(path: bytes) -> bytes:
    """The bytes of a file; of a larger one its length, and a digest in which holes and zeros are the same."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= SHOWN:
            return file.read()
        digest = hashlib.sha256()
        for start, end in _filled(file.fileno(), size):
            file.seek(start)
            for at in range(start, end, BLOCK):
                block = file.read(min(BLOCK, end - at))
                if block.strip(b"\0"):
                    digest.update(b"%d:%s" % (at, block.rstrip(b"\0")))
    return f"<{size} bytes, {digest.hexdigest()[:32]}>".encode()


def _filled(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes, as (start, end), rounded to whole blocks."""
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            return
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        start -= start % BLOCK
        at = min(size, at + -at % BLOCK)
        yield start, at


def _xattrs(path: bytes) -> tuple[tuple[str, bytes], ...]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))
    except OSError:
        return ()  # a file system or kind of file without them
