"""The world as the model sees it: values of aspects, comparisons with now. Fakes replace it in tests."""

from __future__ import annotations

import errno
import os
import stat

from procache.model import aspects
from procache.model.aspects import (
    ABSENT,
    CONTENT,
    DIGEST,
    FS,
    IDENTITY,
    LINK_META,
    LISTING,
    META,
    NLINK,
    OWNER,
    PSEUDO,
    TARGET,
    TYPE,
    XATTR,
    ChangedWhileReading,
    Fact,
    State,
)
from procache.world import pseudo, states
from procache.world.states import Memo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

#: The twin in C of ``World.first_changed``, once it was loaded: a warm hit has no use for it.
native: ModuleType | None = None


def load_native() -> None:
    """Use the part in C, where it was built."""
    global native
    from procache.native import WANTED, fitting

    if WANTED:
        try:
            from procache.world import _looks
        except ImportError:
            return
        native = fitting(_looks)


#: A file that was only stat'ed is read up to this size: its digest excuses another mtime.
SMALL = 1 << 14

Look = "os.stat_result | int"


class World:
    """Observes the real file system. ``memo`` spares re-reading of unchanged files."""

    __slots__ = ("memo", "answers")

    def __init__(self, memo: Memo | None = None) -> None:
        self.memo = memo if memo is not None else Memo()
        #: (path, aspect) -> what ``value`` made of a stat result, where the file was old enough to be recognised
        self.answers: dict[tuple[bytes, int], tuple[os.stat_result, tuple[int, object]]] = {}

    def look(self, path: bytes) -> os.stat_result | int:
        """lstat(2) of ``path`` or the errno of its failure."""
        return states.look(path)

    def look_to_read(self, path: bytes) -> os.stat_result | int:
        """As ``look``; a file that other hosts may change is looked at as who opens it sees it."""
        return states.fresh_look(path)

    @staticmethod
    def keeps_time(path: bytes, device: int) -> bool:
        """True when changes on this device, where ``path`` is, get the time of this host's clock, and at once."""
        return states.keeps_time(path, device)

    def value(self, aspect: int, path: bytes, st: os.stat_result | int) -> tuple[int, object]:
        """(aspect, value) of what ``st`` shows, for a look that wanted ``aspect``.

        A failed look gives ABSENT, a link TARGET, and content of what is no regular file OWNER. Raises
        OSError when a file cannot be read, ChangedWhileReading when it changed meanwhile.
        """
        if type(st) is int:
            return ABSENT, st
        assert not isinstance(st, int)
        if aspect == TYPE:
            return TYPE, stat.S_IFMT(st.st_mode)
        kind = stat.S_IFMT(st.st_mode)
        if kind == stat.S_IFLNK:
            return TARGET, os.readlink(path)
        if (aspect == CONTENT and kind == stat.S_IFREG) or (aspect == META and kind in (stat.S_IFREG, stat.S_IFDIR)):
            return self._state_value(aspect, path, st)
        return OWNER, (st.st_mode, st.st_uid, st.st_gid)

    def _state_value(self, aspect: int, path: bytes, st: os.stat_result) -> tuple[int, object]:
        known = self.answers.get((path, aspect))
        if known is not None and states.same_look(known[0], st):
            return known[1]
        if aspect == CONTENT:
            state = without_links(self.file_state(path, st))
        else:
            state = self.state_of(st, self.known_digest(path, st, SMALL) if stat.S_ISREG(st.st_mode) else b"")
        if state[IDENTITY] is not None:
            self.answers[(path, aspect)] = st, (aspect, state)
        return aspect, state

    def lasting(self, aspect: int, path: bytes, st: os.stat_result | int) -> tuple[int, object] | None:
        """What ``value`` has said of ``st``, if it says so as long as just that is seen; None where it may not."""
        if isinstance(st, int) or aspect not in (META, CONTENT):
            return self.value(aspect, path, st)
        known = self.answers.get((path, aspect))
        return known[1] if known is not None and states.same_look(known[0], st) else None

    def known_digest(self, path: bytes, st: os.stat_result, most: int) -> bytes:
        """The digest of a regular file, where it is known or may be had by reading ``most`` bytes; else ``b""``."""
        if st.st_size > most:
            return self.memo.peek(st)
        try:
            return self.memo.digest(path, st)
        except (OSError, ChangedWhileReading):
            return b""

    @staticmethod
    def writable(path: bytes) -> bool:
        """True when this user may write to what is at ``path``."""
        return os.access(path, os.W_OK)

    def extra(self, aspect: int, path: bytes) -> object:
        """Value of an aspect outside the chain: PSEUDO, XATTR or FS."""
        if aspect == PSEUDO:
            return pseudo.digest(path)
        if aspect == FS:
            return pseudo.file_system(path)
        if aspect == XATTR:
            return states.xattr_digest(path)
        if aspect == LINK_META:
            st = states.look(path)
            return st if isinstance(st, int) else (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns)
        raise ValueError(aspects.NAMES[aspect])

    def state_of(self, st: os.stat_result, digest: bytes) -> State:
        """The state that goes with a stat result and a digest already taken.

        A file that was too young when it was read is not to be recognised, though it is old enough by now.
        """
        state = states.state_of(st, digest)
        return (*state[:IDENTITY], None) if digest and not self.memo.peek(st) else state

    def file_state(self, path: bytes, st: os.stat_result) -> State:
        """The full state of a regular file that ``st`` was just seen of, digest included."""
        return self.state_of(st, self.memo.digest(path, st))

    def same_file(self, state: State, st: os.stat_result) -> bool:
        """True when ``st`` shows the very file, unchanged, of which ``state`` was taken."""
        return states.same_file(state, st)

    def refreshed(self, fact: Fact, st: os.stat_result | int) -> Fact:
        """A fact that holds, with the times and identity that the path has now."""
        path, aspect, value, timed = fact
        if aspect not in (META, CONTENT) or isinstance(st, int) or states.same_file(value, st):  # type: ignore[arg-type]
            return fact
        state = self.state_of(st, value[DIGEST])  # type: ignore[index]
        return path, aspect, state if value[NLINK] else without_links(state), timed  # type: ignore[index]

    @staticmethod
    def listing_digest(entries: dict[bytes, int]) -> bytes:
        """Digest of entries, whatever their order."""
        return states.listing_digest(entries)

    def entries(self, path: bytes) -> dict[bytes, int]:
        """The entries of a folder: name to type bits."""
        return states.listing(path)

    def unchanged(self, aspect: int, path: bytes, value: object) -> bool:
        """True when a fact seen earlier in this run still shows exactly the same, times included."""
        st = states.look(path)
        if type(st) is int:
            return aspect == ABSENT and st == value
        assert not isinstance(st, int)
        if aspect in (CONTENT, META):
            assert isinstance(value, tuple)
            if (st.st_mode, st.st_uid, st.st_gid) != value[:3]:
                return False
            return stat.S_ISDIR(st.st_mode) or (st.st_mtime_ns == value[5] and st.st_size == value[3])
        if aspect == TYPE:
            return stat.S_IFMT(st.st_mode) == value
        if aspect == OWNER:
            return (st.st_mode, st.st_uid, st.st_gid) == value
        return aspect == TARGET and stat.S_ISLNK(st.st_mode) and os.readlink(path) == value

    def first_changed(
        self,
        facts: Mapping[bytes, tuple[int, object, bool]],
        touched: Mapping[bytes, object],
        files: tuple[tuple[int, int], ...],
    ) -> tuple[bytes, bool] | None:
        """The first of ``facts`` that does not hold any more, or is of one of ``files``, and which of it.

        ``facts`` are the states of an execution; what it has ``touched`` does not count. ``files``: (device, inode).
        """
        if native is not None:
            found: tuple[bytes, bool] | None = native.first_changed(facts, touched, files)
            return found
        for path, (aspect, value, _) in facts.items():
            if aspect == TYPE or path in touched:
                continue
            if not self.unchanged(aspect, path, value):
                return path, False
            if files and aspect in (CONTENT, META):
                st = states.look(path)
                if not isinstance(st, int) and (st.st_dev, st.st_ino) in files:
                    return path, True
        return None

    # -- comparison with a recorded fact: None when equal, else what is there now ---------------------

    def differs(self, fact: Fact, st: os.stat_result | int) -> object:
        """None when the path still is what ``fact`` says, else a short description of what it is now."""
        path, aspect, value, timed = fact
        if aspect in _EXTRA:
            return self._extra_differs(path, aspect, value)
        if type(st) is int:
            return None if aspect == ABSENT and st == value else describe(st)
        assert not isinstance(st, int)
        if aspect in (CONTENT, META):
            return self._state_differs(path, aspect, value, timed, st)  # type: ignore[arg-type]
        if aspect == TYPE:
            return None if stat.S_IFMT(st.st_mode) == value else describe(st)
        if aspect == OWNER:
            return None if (st.st_mode, st.st_uid, st.st_gid) == value else describe(st)
        if aspect == TARGET:
            return None if stat.S_ISLNK(st.st_mode) and os.readlink(path) == value else describe(st, path)
        return describe(st)

    def _state_differs(self, path: bytes, aspect: int, value: State, timed: bool, st: os.stat_result) -> object:
        mode, uid, gid, size, nlink, mtime, digest, _ = value
        if (st.st_mode, st.st_uid, st.st_gid) != (mode, uid, gid):
            return describe(st)
        if stat.S_ISDIR(mode):
            return describe(st) if timed and st.st_mtime_ns != mtime else None
        if st.st_size != size or (nlink and st.st_nlink != nlink):
            return describe(st)
        if st.st_mtime_ns != mtime and (timed or not digest):
            return describe(st)
        if not digest or states.same_file(value, st):
            return None
        try:
            now = self.memo.digest(path, st)
        except (OSError, ChangedWhileReading) as error:
            return str(error) or "changing"
        return None if now == digest else describe(st, digest=now)

    def _extra_differs(self, path: bytes, aspect: int, value: object) -> object:
        now: object
        if aspect == LISTING:
            try:
                now = states.listing_digest(states.listing(path))
            except OSError as error:
                return describe(error.errno or 0)
        else:
            now = self.extra(aspect, path)
        return None if now == value else now


_EXTRA = frozenset((LISTING, PSEUDO, XATTR, FS, LINK_META))


def without_links(state: State) -> State:
    """A state in which the number of links is left open (0): the file was opened, and not stat'ed."""
    mode, uid, gid, size, _, mtime, digest, identity = state
    return mode, uid, gid, size, 0, mtime, digest, identity


def describe(st: os.stat_result | int, path: bytes = b"", digest: bytes = b"") -> object:
    """What is at a path now: an errno name, link text, or (mode, uid, gid, size, nlink, mtime_ns, digest)."""
    if isinstance(st, int):
        return errno.errorcode.get(st, str(st))
    if path and stat.S_ISLNK(st.st_mode):
        return os.readlink(path)
    return (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_nlink, st.st_mtime_ns, digest)
