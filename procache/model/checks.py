"""What a stored record must be like to be believed.

A checksum says that bytes are as somebody wrote them, not that it was procache. Whatever a record holds, comparing it
with the world must not fail, and putting it in place must not go beyond what its execution can have done. A record that
cannot be of an execution is refused before anything of it is used.
"""

from __future__ import annotations

import stat

from procache.model import aspects as asp
from procache.model import effects as fx
from procache.model.aspects import CONTENT, DIGEST, GID, IDENTITY, META, MODE, SIZE, UID
from procache.model.record import Damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from procache.model.aspects import Fact
    from procache.model.effects import Effect
    from procache.model.record import Record

#: Paths are shorter than PATH_MAX (limits.h).
LONGEST_PATH = 4096
#: Numbers of descriptors, and of seconds, KiB and executions, are below these.
MOST_DESCRIPTORS, MOST = 1 << 30, 1 << 53
#: Times are in ns and fit into 64 bits with a sign.
LATEST = 1 << 63
#: ids are numbers of 32 bits (credentials(7)).
IDS = range(1 << 32)
SETS_ID = stat.S_ISUID | stat.S_ISGID
#: The extended attribute that gives rights to who runs a file (capabilities(7)).
CAPABILITIES = b"security.capability"

_NOTHING = type(None)
_STATES = (META, CONTENT)
#: Aspects whose name is no path: what it is is looked up, not opened.
_NO_PATHS = frozenset((asp.STDIN, asp.DESCRIPTORS, asp.BEGINS, asp.WHOLE, asp.PROGRAM, asp.UNSTABLE))
#: The one thing without a path of which PSEUDO tells (``world.pseudo.UNAME``).
UNAME = b"uname(2)"
SLASH = b"/"[0]
#: The types that a value may have, by aspect.
_VALUES: dict[int, tuple[type, ...]] = {
    asp.ABSENT: (int,),
    asp.TYPE: (int,),
    asp.OWNER: (tuple,),
    asp.META: (tuple,),
    asp.CONTENT: (tuple,),
    asp.TARGET: (bytes,),
    asp.LISTING: (bytes,),
    asp.WRITABLE: (tuple, _NOTHING),
    asp.REPLACEABLE: (_NOTHING,),
    asp.FS: (bytes,),
    asp.PSEUDO: (bytes,),
    asp.XATTR: (bytes,),
    asp.STDIN: (tuple,),
    asp.DESCRIPTORS: (tuple,),
    asp.LINK_META: (tuple, int),
    asp.BEGINS: (bool,),
    asp.WHOLE: (bool,),
    asp.PROGRAM: (int,),
    asp.UNCOUNTED: (_NOTHING,),
    asp.UNSTABLE: (_NOTHING,),
}
#: How many parts a value has that is a tuple of numbers (of standard input, it depends).
_TUPLES = {asp.OWNER: 3, asp.WRITABLE: 3, asp.LINK_META: 4, asp.STDIN: 0}
_KINDS = frozenset((aspect, kind, bool) for aspect, kinds in _VALUES.items() for kind in kinds)
#: The type bits of what each kind of effect that has a state leaves.
_LEAVES = {fx.FILE: stat.S_IFREG, fx.KEPT: stat.S_IFREG, fx.DIR: stat.S_IFDIR, fx.FIFO: stat.S_IFIFO}


def believe(record: Record, *, shared: bool = False) -> None:
    """Raise Damaged where a record cannot be of an execution. ``shared``: others can write to the store."""
    try:
        check_facts(record.facts)
        check_output(record)
        check_numbers(record)
        if record.effects:
            check_effects(record)
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise Damaged("its fields are not those of a record") from error
    if shared:
        check_ids(record.effects)


def refuse(what: str, path: bytes = b"") -> None:
    """Raise Damaged."""
    raise Damaged(f"{what}: {path[:200]!r}" if path else what)


def check_types(kind: type, values: Iterable[object], what: str) -> None:
    """Each value is of just this type; else ``what`` is wrong."""
    if any(type(value) is not kind for value in values):
        refuse(what)


def check_command(command: tuple[Any, ...]) -> None:
    """The stored form of a command has parts of the right types (``Command.fields``)."""
    texts, lists = (*command[:1], *command[2:4], *command[6:]), (command[1], *command[4:6])
    check_types(bytes, texts, "its command is none")
    check_types(tuple, lists, "its command is none")
    check_types(bytes, [word for words in lists for word in words], "its command is none")


# -- paths -----------------------------------------------------------------------------------------


def check_paths(paths: list[bytes]) -> None:
    """Every path is absolute and canonical: it has no component that is empty, ``.`` or ``..``, and no NUL.

    All are looked at in one piece, and one by one only where something in it is unusual.
    """
    if not paths:
        return
    joined = b"/\0".join(paths) + b"/"
    plain = joined.count(b"\0/") == joined.count(b"\0") == len(paths) - 1 and joined[0] == SLASH
    if not plain or b"" in paths or b"//" in joined or b"./" in joined:
        for path in paths:
            if not is_canonical(path):
                refuse("it names a path that no execution can have named", path)


def is_canonical(path: bytes) -> bool:
    """True for an absolute path as the kernel would tell it."""
    root, *names = path.split(b"/")
    sound = path == b"/" or (names and not any(name in (b"", b".", b"..") for name in names))
    return not root and bool(sound) and b"\0" not in path


# -- facts -----------------------------------------------------------------------------------------


def check_facts(facts: Iterable[Fact]) -> None:
    """Each fact has an aspect that there is, a value of its kind, and a path that can be one."""
    if not {(aspect, type(value), type(timed)) for _, aspect, value, timed in facts} <= _KINDS:
        refuse("it holds a fact of no known kind")
    check_states([value for _, aspect, value, _ in facts if aspect in _STATES])
    for aspect, value in [fact[1:3] for fact in facts if fact[1] in _TUPLES]:
        if type(value) is tuple:
            check_tuple(aspect, value)
    for name, aspect in [fact[:2] for fact in facts if fact[1] in _NO_PATHS]:
        if type(name) is not bytes or (aspect == asp.BEGINS and not (name.isdigit() and len(name) < 10)):
            refuse("it holds a fact of no known kind")
    check_pseudo([path for path, aspect, _, _ in facts if aspect == asp.PSEUDO])
    check_paths([path for path, aspect, _, _ in facts if aspect not in _NO_PATHS and path != UNAME])


def check_states(states: list[Any]) -> None:
    """Each is a State."""
    for mode, uid, gid, size, links, mtime, digest, identity in states:
        if not (type(mode) is type(uid) is type(gid) is type(size) is type(links) is type(mtime) is int):
            refuse("it holds a state of no known kind")
        if type(digest) is not bytes:
            refuse("it holds a state of no known kind")
        if identity is not None:
            device, inode, changed = identity
            if not (type(device) is type(inode) is type(changed) is int):
                refuse("it holds a state of no known kind")


def check_tuple(aspect: int, value: tuple[Any, ...]) -> None:
    """The value of another fact that has several parts."""
    if aspect == asp.STDIN:
        if tuple(map(type, value)) not in ((int, bytes), (int, bytes, bool, bytes)):
            refuse("it holds a standard input of no known kind")
        return
    check_types(int, value, "it holds an owner of no known kind")
    if len(value) != _TUPLES[aspect]:
        refuse("it holds an owner of no known kind")


def check_trait(path: object, side: object) -> None:
    """What a record file says its records differ in (``model.traits``) can be looked at."""
    if (
        type(path) is not bytes
        or type(side) is not int
        or not (side == asp.STDIN or path == UNAME or is_canonical(path))
    ):
        refuse("it tells its records apart by what is no path")
    if side == asp.PSEUDO:
        check_pseudo([path])  # type: ignore[list-item]


def check_pseudo(paths: list[bytes]) -> None:
    """Only files that procache itself reads for such facts are opened for them: another could be a trap."""
    for path in paths:
        if path not in (UNAME, b"/dev/tty") and not path.startswith((b"/proc/", b"/sys/")):
            refuse("it holds a fact of no known kind", path)


# -- output and numbers ----------------------------------------------------------------------------


def check_output(record: Record) -> None:
    """The pieces of output are as long as the data, where that is in the record."""
    total = 0
    for fd, size in record.segments:
        if type(fd) is not int or type(size) is not int or not (0 <= fd < MOST_DESCRIPTORS and 0 <= size < MOST):
            refuse("it holds a piece of output of no known kind")
        total += size
    if type(record.data_digest) is not bytes or not (record.data is None or type(record.data) is bytes):
        refuse("it holds output of no known kind")
    if record.segments and record.data is not None and len(record.data) != total:
        refuse("its output is of another length than its pieces")


def check_numbers(record: Record) -> None:
    """Status, times and counts are numbers of a possible size."""
    for number in (record.wall, record.utime, record.stime, record.stored):
        if type(number) not in (int, float) or not -MOST < number < MOST:  # nor a NaN, which is neither
            refuse("it holds a time that is none")
    end = record.stdin_end
    whole = (record.status, record.maxrss, record.nested, 0 if end is None else end)
    check_types(int, whole, "it holds an exit status or a count that is none")
    if not 0 <= record.status < 256:
        refuse("it holds an exit status or a count that is none")
    if not (0 <= record.maxrss < MOST and 0 <= record.nested < MOST and 0 <= whole[3] < LATEST):
        refuse("it holds a count that is none")
    check_types(bytes, record.children, "it holds a command key that is none")


# -- effects ---------------------------------------------------------------------------------------


def check_effects(record: Record) -> None:
    """Each effect is one that can be put in place, in a folder that the execution saw or made."""
    paths = {effect[fx.PATH] for effect in record.effects}
    if len(paths) != len(record.effects):
        refuse("it leaves a path in two states")
    if b"/" in paths:
        refuse("it changes the root folder")
    check_paths(list(paths))
    for effect in record.effects:
        check_effect(effect, paths)
    check_places(record)


def check_effect(effect: Effect, paths: set[bytes]) -> None:
    """One effect. ``paths``: of all effects; of a file with several names, each is one."""
    path, kind, prior, state, set_mtime, in_place, xattrs = effect
    if type(prior) is not int or type(in_place) is not bool or prior & ~stat.S_IFMT(0o177777):
        refuse("it holds an effect of no known kind", path)
    if set_mtime is not None and not (type(set_mtime) is int and -LATEST <= set_mtime < LATEST):
        refuse("it sets a time that is none", path)
    for name, value in xattrs or ():
        if type(name) is not bytes or type(value) is not bytes or b"\0" in name:
            refuse("it sets an extended attribute that is none", path)
    if kind in _LEAVES:
        check_state(path, kind, state)  # type: ignore[arg-type]
    elif kind == fx.GONE:
        if state is not None:
            refuse("it holds an effect of no known kind", path)
    elif kind == fx.LINK:
        if type(state) is not bytes or not 0 < len(state) < LONGEST_PATH or b"\0" in state:
            refuse("it makes a link that cannot be", path)
    elif kind != fx.HARD or state not in paths or state == path:
        refuse("it holds an effect of no known kind", path)


def check_state(path: bytes, kind: int, state: asp.State) -> None:
    """What an effect leaves: type, mode and owner that can be, and content that can be named."""
    check_states([state])
    mode = state[MODE]
    if stat.S_IFMT(mode) != _LEAVES[kind] or mode & ~stat.S_IFMT(mode) & ~0o7777 or not 0 <= mode < 1 << 16:
        refuse("it sets a mode that cannot be", path)
    if state[UID] not in IDS or state[GID] not in IDS:
        refuse("it sets an owner that cannot be", path)
    if not 0 <= state[SIZE] < LATEST or (state[IDENTITY] is not None and kind not in (fx.FILE, fx.KEPT)):
        refuse("it leaves a file that cannot be", path)
    if kind == fx.FILE and not state[DIGEST]:
        refuse("it leaves a file without content", path)


def check_places(record: Record) -> None:
    """The folder of each effect is one that the execution passed through, looked at, or made itself."""
    made = {effect[fx.PATH] for effect in record.effects if effect[fx.KIND] == fx.DIR}
    folders = {effect[fx.PATH].rpartition(b"/")[0] for effect in record.effects} - made
    folders.discard(b"")  # the root
    for path, aspect, value, _ in record.facts:
        if path in folders and is_folder(aspect, value):
            folders.discard(path)
    if folders:
        refuse("it changes something in a folder that its execution did not see", min(folders))


def is_folder(aspect: int, value: object) -> bool:
    """True for a fact that says that a path is a folder, and no link to one."""
    if aspect == asp.TYPE:
        return value == stat.S_IFDIR
    if aspect in (asp.OWNER, *_STATES):
        return stat.S_ISDIR(value[MODE])  # type: ignore[index]
    return False


def check_ids(effects: Iterable[Effect]) -> None:
    """No effect gives a file the rights of its owner or group, or others: who wrote the record cannot be told."""
    for effect in effects:
        if any(name == CAPABILITIES for name, _ in effect[fx.XATTRS] or ()):
            refuse("it sets capabilities of a file, which a shared store is not believed", effect[fx.PATH])
        if effect[fx.KIND] in (fx.FILE, fx.KEPT) and effect[fx.STATE][MODE] & SETS_ID:  # type: ignore[index]
            refuse("it sets a set-user-ID or set-group-ID bit, which a shared store is not believed", effect[fx.PATH])
