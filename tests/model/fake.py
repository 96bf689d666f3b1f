"""A file tree in memory, with the interface that the model expects of a world.

``FakeWorld`` answers what ``procache.world.view.World`` answers of a real tree; test_fake.py holds it
to that. ``hands.FakeHands`` changes it, as programs and other people do.
"""

from __future__ import annotations

import copy
import errno
import os
import stat

from procache import digests
from procache.model.aspects import (
    ABSENT,
    CONTENT,
    DIGEST,
    LINK_META,
    LISTING,
    META,
    MTIME,
    NLINK,
    OWNER,
    STRENGTH,
    TARGET,
    TYPE,
    XATTR,
    Fact,
    State,
)
from procache.world import states

Look = os.stat_result | int
SECOND = 10**9


class Node:
    """A file, folder or link; hard links are one node under several names."""

    def __init__(self, number: int, mode: int, content: bytes, now: int) -> None:
        self.number, self.mode, self.content = number, mode, content
        self.mtime = self.ctime = now
        self.uid = self.gid = 0
        self.xattrs: tuple[tuple[bytes, bytes], ...] = ()


class FakeWorld:
    """See the module. ``remembers``: a stat finds the digest of a file in the memo."""

    def __init__(self, *, remembers: bool = False) -> None:
        self.remembers = remembers
        self.clock, self.count = 1000 * SECOND, 0
        self.nodes: dict[bytes, Node] = {}
        self.add(b"/", stat.S_IFDIR | 0o755)

    def add(self, path: bytes, mode: int, content: bytes = b"") -> None:
        """Put a new node at a path. A clock ticks at every change, so that each one shows."""
        self.clock, self.count = self.clock + SECOND, self.count + 1
        self.nodes[path] = Node(self.count, mode, content, self.clock)

    def copy(self) -> FakeWorld:
        """Another world, equal to this one, for another fate."""
        return copy.deepcopy(self)

    # -- what the model asks -----------------------------------------------------------------------

    @staticmethod
    def keeps_time(path: bytes, device: int) -> bool:
        """Times here are always those of the clock."""
        return True

    def look(self, path: bytes) -> Look:
        """lstat: a stat result or an errno."""
        for at in range(1, len(path)):
            if path[at : at + 1] == b"/":
                above = self.nodes.get(path[:at])
                if above is None or not stat.S_ISDIR(above.mode):
                    return errno.ENOENT if above is None else errno.ENOTDIR
        node = self.nodes.get(path)
        if node is None:
            return errno.ENOENT
        links = sum(other is node for other in self.nodes.values()) if stat.S_ISREG(node.mode) else 1
        times = {"st_mtime_ns": node.mtime, "st_ctime_ns": node.ctime}
        size = len(node.content)
        return os.stat_result((node.mode, node.number, 7, links, node.uid, node.gid, size, 0, 0, 0), times)

    look_to_read = look

    def value(self, aspect: int, path: bytes, st: Look) -> tuple[int, object]:
        """(aspect, value) of what ``st`` shows, for a look that wanted ``aspect``."""
        if isinstance(st, int):
            return ABSENT, st
        if aspect == TYPE:
            return TYPE, stat.S_IFMT(st.st_mode)
        if stat.S_ISLNK(st.st_mode):
            return TARGET, self.nodes[path].content
        if stat.S_ISREG(st.st_mode) and (aspect == CONTENT or (aspect == META and self.remembers)):
            state = self.file_state(path, st)
            return aspect, without_links(state) if aspect == CONTENT else state
        if aspect == META:
            return META, states.state_of(st)
        return OWNER, (st.st_mode, st.st_uid, st.st_gid)

    def extra(self, aspect: int, path: bytes) -> object:
        """Value of an aspect outside the chain. Raises OSError."""
        if aspect == LISTING:
            return self.listing_digest(self.entries(path))
        node = self.nodes.get(path)
        if node is None or aspect not in (XATTR, LINK_META):
            return b"stable"
        return repr(node.xattrs) if aspect == XATTR else (node.mode, node.uid, node.gid, node.mtime)

    def entries(self, path: bytes) -> dict[bytes, int]:
        """Entries of a folder: name to type bits. Raises OSError."""
        st = self.look(path)
        if isinstance(st, int) or not stat.S_ISDIR(st.st_mode):
            raise OSError(st if isinstance(st, int) else errno.ENOTDIR, "not a folder")
        names = ((name, os.path.split(name)) for name in self.nodes if name != b"/")
        return {base: stat.S_IFMT(self.nodes[name].mode) for name, (folder, base) in names if folder == path}

    def file_state(self, path: bytes, st: os.stat_result) -> State:
        """The full state of a regular file."""
        return states.state_of(st, digests.of_bytes(self.nodes[path].content))

    def known_digest(self, path: bytes, st: os.stat_result, most: int) -> bytes:
        """The digest of a file of up to ``most`` bytes, else b""."""
        return digests.of_bytes(self.nodes[path].content) if st.st_size <= most or self.remembers else b""

    def unchanged(self, aspect: int, path: bytes, value: object) -> bool:
        """True when what was seen earlier still is exactly so; of a folder, but for its time."""
        st = self.look(path)
        seen, now = self.value(aspect, path, st)
        if aspect in (META, CONTENT) and seen == aspect:  # the links may be left open
            end = 3 if stat.S_ISDIR(st.st_mode) else MTIME + 1  # type: ignore[union-attr]
            return all(now[at] == value[at] for at in range(end) if at != NLINK)  # type: ignore[index]
        return (seen, now) == (aspect, value)

    def differs(self, fact: Fact, st: Look) -> object:
        """None when the fact holds, else what is there now."""
        path, aspect, value, timed = fact
        if aspect not in STRENGTH:
            try:
                now = self.extra(aspect, path)
            except OSError as error:
                now = errno.errorcode[error.errno or 0]
            return None if now == value else now
        seen, now = self.value(aspect, path, st)
        if seen == aspect and aspect in (META, CONTENT):
            assert not isinstance(st, int)
            full = self.file_state(path, st) if stat.S_ISREG(st.st_mode) else states.state_of(st)
            same = counted(full, timed, value) == counted(value, timed, value)
            return None if same else full
        return None if (seen, now) == (aspect, value) else now

    def refreshed(self, fact: Fact, st: Look) -> Fact:
        """A fact that holds, with the times of now."""
        path, aspect, value, timed = fact
        if aspect not in (META, CONTENT) or isinstance(st, int):
            return fact
        state = states.state_of(st, value[DIGEST])  # type: ignore[index]
        return path, aspect, state if value[NLINK] else without_links(state), timed  # type: ignore[index]

    @staticmethod
    def writable(path: bytes) -> bool:
        """True when the user may write there: here, always."""
        return True

    same_file = staticmethod(states.same_file)
    state_of = staticmethod(states.state_of)
    listing_digest = staticmethod(states.listing_digest)


def without_links(state: State) -> State:
    """A state that leaves the number of links open: the file was opened, and not stat'ed."""
    mode, uid, gid, size, _, mtime, digest, identity = state
    return mode, uid, gid, size, 0, mtime, digest, identity


def counted(state: object, timed: bool, recorded: object) -> tuple[object, ...]:
    """What of a state must be equal: content where it was recorded, else the time that stands for it."""
    assert isinstance(state, tuple) and isinstance(recorded, tuple)
    mode, uid, gid, size, links, mtime, digest, _ = state
    if stat.S_ISDIR(recorded[0]):
        return mode, uid, gid, mtime if timed else 0
    by_time = timed or not recorded[DIGEST]
    links, mtime = links if recorded[NLINK] else 0, mtime if by_time else 0
    return mode, uid, gid, size, links, mtime, digest if recorded[DIGEST] else b""
