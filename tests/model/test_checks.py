"""Records that no execution can have left are refused, whatever they hold; those that one can have left are not."""

from __future__ import annotations

import math
import stat
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procache.model import aspects as asp
from procache.model import checks
from procache.model import effects as fx
from procache.model.record import FORMAT, Damaged, Record

from .records import PLAIN, make_record

REGULAR = (stat.S_IFREG | 0o644, 0, 0, 3, 1, 5, b"x" + bytes(16), None)
FOLDER = (stat.S_IFDIR | 0o755, 0, 0, 0, 0, 5, b"", None)
W: asp.Fact = (b"/w", asp.TYPE, stat.S_IFDIR, False)


def left(path: bytes = b"/w/out", kind: int = fx.FILE, state: Any = REGULAR, **other: Any) -> Any:
    """An effect."""
    values = {"prior": 0, "mtime": None, "in_place": False, "xattrs": None, **other}
    return (path, kind, values["prior"], state, values["mtime"], values["in_place"], values["xattrs"])


def changed(state: Any, place: int, value: object) -> tuple[Any, ...]:
    """A state with another value in one place."""
    return (*state[:place], value, *state[place + 1 :])


SOUND_FACTS: dict[str, Any] = {
    "of every kind": [
        (b"/gone", asp.ABSENT, 2, False),
        (b"/", asp.TYPE, stat.S_IFDIR, False),
        (b"/d", asp.OWNER, (stat.S_IFDIR | 0o755, 0, 0), False),
        (b"/f", asp.META, changed(REGULAR, asp.IDENTITY, (1, 2, 3)), True),
        (b"/c", asp.CONTENT, REGULAR, False),
        (b"/l", asp.TARGET, b"../c", False),
        (b"/d", asp.LISTING, b"x" + bytes(16), False),
        (b"/o", asp.WRITABLE, None, False),
        (b"/p", asp.WRITABLE, (stat.S_IFREG | 0o644, 0, 0), False),
        (b"/q", asp.REPLACEABLE, None, False),
        (b"/d", asp.FS, b"ext4", False),
        (checks.UNAME, asp.PSEUDO, b"x" + bytes(16), False),
        (b"/c", asp.XATTR, b"", False),
        (b"0", asp.STDIN, (0, b"x" + bytes(16)), False),
        (b"", asp.DESCRIPTORS, (b"3:pipe",), False),
        (b"/l", asp.LINK_META, (stat.S_IFLNK | 0o777, 0, 0, 7), False),
        (b"/l", asp.LINK_META, 2, False),
        (b"1", asp.BEGINS, True, False),
        (b"", asp.WHOLE, True, False),
        (b"cc", asp.PROGRAM, 0, False),
        (b"/i", asp.UNCOUNTED, None, False),
        (b"", asp.UNSTABLE, None, False),
    ],
    "a pipe": [(b"0", asp.STDIN, (3, b"x", True, b"x"), False)],
    "names that are unusual": [
        (b"/w/..hidden/a..b/.c/d./\xff\n", asp.CONTENT, REGULAR, False),
        (b"/" + b"d/" * 2000 + b"x", asp.ABSENT, 36, False),
    ],
}


@pytest.mark.parametrize("name", SOUND_FACTS)
def test_facts_that_executions_have_are_believed(name: str) -> None:
    checks.believe(make_record(SOUND_FACTS[name]))


def test_every_aspect_has_a_sound_fact_above() -> None:
    assert {fact[1] for fact in SOUND_FACTS["of every kind"]} == set(asp.NAMES)


SOUND_EFFECTS: dict[str, list[Any]] = {
    "of every kind": [
        left(),
        left(b"/w/d", fx.DIR, FOLDER, prior=stat.S_IFDIR),
        left(b"/w/d/l", fx.LINK, b"../../anywhere", mtime=-1),
        left(b"/w/d/h", fx.HARD, b"/w/out"),
        left(b"/w/d/p", fx.FIFO, changed(FOLDER, asp.MODE, stat.S_IFIFO | 0o600)),
        left(b"/w/old", fx.GONE, None, prior=stat.S_IFREG),
        left(b"/w/kept", fx.KEPT, REGULAR, mtime=5, in_place=True, xattrs=((b"user.a", b"\0"),)),
    ],
    "in the root folder": [left(b"/out")],
    "rights of its own": [left(state=changed(REGULAR, asp.MODE, stat.S_IFREG | 0o6755))],
}


@pytest.mark.parametrize("name", SOUND_EFFECTS)
def test_effects_that_executions_have_are_believed(name: str) -> None:
    checks.believe(make_record([W], SOUND_EFFECTS[name]))


@pytest.mark.parametrize(
    "path",
    [b"w", b"", b"./x", b"/w/../x", b"/w/./x", b"/w//x", b"/w/", b"/w/..", b"/w/.", b"//", b"/..", b"/w/\0x", "/w", 5],
)
@pytest.mark.parametrize("among", [[], [(b"/z", asp.ABSENT, 2, False), W]], ids=["alone", "among others"])
def test_paths_that_no_execution_names(path: Any, among: list[Any]) -> None:
    fact = (path, asp.TYPE, stat.S_IFDIR, False)
    for facts in ([fact, *among], [*among, fact], [*among, fact, *among]):
        with pytest.raises(Damaged):
            checks.believe(make_record(facts))
    parent = path.rpartition(b"/")[0] if isinstance(path, bytes) else b"/w"
    with pytest.raises(Damaged):
        checks.believe(make_record([W, (parent, asp.TYPE, stat.S_IFDIR, False)], [left(path)]))
    with pytest.raises(Damaged):
        checks.believe(make_record([W], [left(path), left()]))


FACTS: dict[str, Any] = {
    "an aspect that there is not": (b"/x", 99, None, False),
    "no aspect": (b"/x", None, None, False),
    "too short": (b"/x", asp.TYPE, 2),
    "no tuple": 7,
    "a text for an errno": (b"/x", asp.ABSENT, b"ENOENT", False),
    "a state for a type": (b"/x", asp.TYPE, REGULAR, False),
    "a short state": (b"/x", asp.CONTENT, REGULAR[:7], False),
    "a state with a text": (b"/x", asp.CONTENT, changed(REGULAR, asp.SIZE, b"3"), False),
    "a state with a fraction": (b"/x", asp.META, changed(REGULAR, asp.MODE, 33188.0), False),
    "a state without a digest": (b"/x", asp.META, changed(REGULAR, asp.DIGEST, None), False),
    "a state with half an identity": (b"/x", asp.META, changed(REGULAR, asp.IDENTITY, (1, 2)), False),
    "an owner of four": (b"/x", asp.OWNER, (1, 2, 3, 4), False),
    "an owner of texts": (b"/x", asp.OWNER, (b"1", 2, 3), False),
    "a standard input of five": (b"0", asp.STDIN, (1, b"x", True, b"x", 5), False),
    "no number of a descriptor": (b"one", asp.BEGINS, True, False),
    "a text for a path": ("x", asp.PROGRAM, 0, False),
    "times that count a little": (b"/x", asp.TYPE, 2, 0.5),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts_of_no_known_kind(name: str) -> None:
    with pytest.raises(Damaged):
        checks.believe(make_record([W, FACTS[name]]))


EFFECTS: dict[str, Any] = {
    "no tuple": 7,
    "too short": left()[:5],
    "a kind that there is not": left(kind=99),
    "the root": left(b"/", fx.DIR, FOLDER),
    "no state": left(state=None),
    "a folder's state": left(state=FOLDER),
    "a mode with other bits": left(state=changed(REGULAR, asp.MODE, 1 << 20 | REGULAR[0])),
    "a mode below nothing": left(state=changed(REGULAR, asp.MODE, -1)),
    "a device": left(state=changed(REGULAR, asp.MODE, stat.S_IFCHR | 0o644)),
    "an owner beyond all": left(state=changed(REGULAR, asp.UID, 1 << 32)),
    "a group below nothing": left(state=changed(REGULAR, asp.GID, -1)),
    "a size below nothing": left(state=changed(REGULAR, asp.SIZE, -1)),
    "a size beyond all": left(state=changed(REGULAR, asp.SIZE, 1 << 63)),
    "no content": left(state=changed(REGULAR, asp.DIGEST, b"")),
    "a time beyond all": left(mtime=1 << 63),
    "a time that is a text": left(mtime=b"now"),
    "a prior type that is none": left(prior=0o644),
    "a link to nothing": left(kind=fx.LINK, state=b""),
    "a link with a NUL": left(kind=fx.LINK, state=b"a\0b"),
    "a link that is too long": left(kind=fx.LINK, state=b"a" * 4096),
    "another name of itself": left(kind=fx.HARD, state=b"/w/out"),
    "another name of a file outside": left(kind=fx.HARD, state=b"/etc/passwd"),
    "removed, with a state": left(kind=fx.GONE),
    "attributes that are no pairs": left(xattrs=(b"user.a",)),
    "an attribute with a NUL": left(xattrs=((b"user.\0a", b""),)),
    "written half in place": left(in_place=2),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_that_cannot_be(name: str) -> None:
    with pytest.raises(Damaged):
        checks.believe(make_record([W], [EFFECTS[name]]))


def test_a_path_is_not_left_in_two_states() -> None:
    with pytest.raises(Damaged, match="two states"):
        checks.believe(make_record([W], [left(), left(kind=fx.GONE, state=None)]))


@pytest.mark.parametrize(
    "fact",
    [
        None,
        (b"/w", asp.TYPE, stat.S_IFLNK, False),
        (b"/w", asp.TARGET, b"/etc", False),
        (b"/w", asp.ABSENT, 2, False),
        (b"/w", asp.UNCOUNTED, None, False),
        (b"/w", asp.CONTENT, REGULAR, False),
        (b"/", asp.TYPE, stat.S_IFDIR, False),
    ],
)
def test_a_change_in_a_folder_that_the_execution_did_not_see(fact: Any) -> None:
    with pytest.raises(Damaged, match="did not see: b'/w'"):
        checks.believe(make_record([fact] if fact else [], [left()]))


@pytest.mark.parametrize("kind", [fx.LINK, fx.FILE, fx.GONE, fx.FIFO])
def test_only_a_folder_that_it_made_is_its_own(kind: int) -> None:
    state = {fx.LINK: b"/etc", fx.FILE: REGULAR, fx.FIFO: changed(FOLDER, 0, stat.S_IFIFO | 0o600)}.get(kind)
    with pytest.raises(Damaged, match="did not see"):
        checks.believe(make_record([W], [left(b"/w/d", kind, state), left(b"/w/d/x")]))
    checks.believe(make_record([W], [left(b"/w/d", fx.DIR, FOLDER), left(b"/w/d/x")]))


@pytest.mark.parametrize("bits", [stat.S_ISUID, stat.S_ISGID])
@pytest.mark.parametrize("kind", [fx.FILE, fx.KEPT])
def test_a_shared_store_is_not_believed_about_rights(bits: int, kind: int) -> None:
    record = make_record([W], [left(kind=kind, state=changed(REGULAR, asp.MODE, REGULAR[0] | bits))])
    checks.believe(record)
    with pytest.raises(Damaged, match="shared store"):
        checks.believe(record, shared=True)


@pytest.mark.parametrize("kind", [fx.FILE, fx.KEPT])
def test_nor_about_capabilities(kind: int) -> None:
    record = make_record([W], [left(kind=kind, xattrs=((b"user.a", b""), (b"security.capability", b"\1")))])
    checks.believe(record)
    with pytest.raises(Damaged, match="shared store"):
        checks.believe(record, shared=True)


FIELDS: dict[str, dict[str, Any]] = {
    "output shorter than its pieces": {"segments": [(1, 5)], "data": b"four"},
    "output longer than its pieces": {"segments": [(1, 3)], "data": b"four"},
    "a piece below nothing": {"segments": [(1, -4), (1, 8)], "data": b"four"},
    "a giant piece": {"segments": [(1, 1 << 60)], "data": None, "data_digest": b"x" + bytes(16)},
    "a descriptor below nothing": {"segments": [(-1, 4)], "data": b"four"},
    "a piece of three": {"segments": [(1, 4, 5)], "data": b"four"},
    "output that is a number": {"data": 7},
    "a digest that is a number": {"data": None, "data_digest": 7},
    "a status beyond all": {"status": 256},
    "a status below nothing": {"status": -13},
    "a status that is a fraction": {"status": 0.5},
    "no time": {"wall": math.nan},
    "an endless time": {"stored": math.inf},
    "a time that is a text": {"utime": b"1"},
    "memory below nothing": {"maxrss": -1},
    "an offset below nothing": {"stdin_end": -1},
    "an offset beyond all": {"stdin_end": 1 << 63},
    "a child that is a number": {"children": [7]},
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_that_cannot_be(name: str) -> None:
    with pytest.raises(Damaged):
        checks.believe(make_record(**FIELDS[name]))


@pytest.mark.parametrize("place", range(7))
def test_a_command_of_other_types(place: int) -> None:
    command = PLAIN["command"]
    checks.check_command(command)
    with pytest.raises(Damaged):
        checks.check_command(changed(command, place, 7))
    if isinstance(command[place], tuple):
        with pytest.raises(Damaged):
            checks.check_command(changed(command, place, (7,)))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=9).map(tuple),
    max_leaves=20,
)


@given(st.tuples(*[st.just(PLAIN[name]) | ANYTHING for name in Record.__slots__]))
def test_whatever_the_fields_hold_they_are_believed_or_damaged(values: tuple[Any, ...]) -> None:
    packed = msgpack.packb((FORMAT, *values))
    try:
        record = Record.unpack(packed)
        checks.check_command(record.command)
        checks.believe(record)
    except Damaged:
        return
    assert record.pack() == packed


@given(st.lists(st.tuples(st.binary(max_size=9), st.sampled_from(sorted(asp.NAMES)), ANYTHING, st.booleans())))
def test_whatever_the_facts_hold_they_are_believed_or_damaged(facts: list[Any]) -> None:
    try:
        checks.check_facts(make_record(facts).facts)
    except (Damaged, TypeError, ValueError):
        with pytest.raises(Damaged):
            checks.believe(make_record(facts))


# -- bombs -----------------------------------------------------------------------------------------


def test_nested_arrays_that_claim_to_be_long_are_refused_with_little_memory() -> None:
    import tracemalloc

    bomb = b"\xdd\x00\xff\xff\xff" * 500
    whole = msgpack.packb((FORMAT,))[1:]
    tracemalloc.start()
    try:
        for packed in (bomb, b"\xdc\x00\x11" + whole + bomb, make_record().pack()[:40] + bomb):
            with pytest.raises(Damaged):
                Record.unpack(packed)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("head", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x80"])
def test_giant_lengths_are_refused(head: bytes) -> None:
    packed = make_record().pack()
    for at in range(len(packed)):
        try:
            record = Record.unpack(packed[:at] + head + packed[at:])
        except Damaged:
            continue
        assert record.pack() != packed, "bytes that were inside of a value"


def test_bytes_behind_a_record_are_refused() -> None:
    packed = make_record().pack()
    for more in (b"\0", packed):
        with pytest.raises(Damaged):
            Record.unpack(packed + more)
