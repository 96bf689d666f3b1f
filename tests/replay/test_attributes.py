"""Times, owners and extended attributes of what is put in place."""

from __future__ import annotations

import os
import stat
import time

import pytest

from procache.model import effects as fx
from procache.model.effects import NOW

from .place import LONG_AGO, Place


@pytest.mark.parametrize("there", [None, b"other", b"new"], ids=["made", "replaced", "right already"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_time_that_was_set_is_set(place: Place, there: bytes | None, in_place: bool) -> None:
    if there is not None:
        (place.top / "file").write_bytes(there)
    place.replay(place.file("file", mtime=5 * 10**9 + 7, in_place=in_place))
    assert (place.top / "file").stat().st_mtime_ns == 5 * 10**9 + 7


def test_a_time_that_was_set_to_now_is_now(place: Place) -> None:
    (place.top / "file").write_bytes(b"new")
    place.age()
    place.replay(place.file("file", mtime=NOW))
    assert time.time_ns() - (place.top / "file").stat().st_mtime_ns < 10**12


def test_a_folder_gets_its_time_after_it_was_filled(place: Place) -> None:
    place.replay(place.folder("d", mtime=5 * 10**9), place.file("d/f"))
    assert (place.top / "d").stat().st_mtime_ns == 5 * 10**9


def test_the_time_of_a_link_is_its_own(place: Place) -> None:
    (place.top / "target").touch()
    place.age()
    place.replay(place.effect("link", fx.LINK, b"target", mtime=5 * 10**9))
    assert (place.top / "link").lstat().st_mtime_ns == 5 * 10**9
    assert (place.top / "target").stat().st_mtime_ns == LONG_AGO


def test_files_get_their_times_in_the_order_in_which_they_were_written(place: Place) -> None:
    effects = []
    for number, name in enumerate("dacb"):
        path, kind, prior, state, *rest = place.file(name, name.encode())
        effects.append((path, kind, prior, (*state[:5], number, *state[6:]), *rest))  # type: ignore[index]
    place.replay(*reversed(effects))
    times = [(place.top / name).stat().st_mtime_ns for name in "dacb"]
    assert times == sorted(times)


def test_attributes_alone(place: Place) -> None:
    (place.top / "file").write_bytes(b"new")
    place.age()
    state = place.file("x", b"new", 0o711)[fx.STATE]
    place.replay(place.effect("file", fx.KEPT, state, mtime=6 * 10**9, in_place=True))
    st = (place.top / "file").stat()
    assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns, (place.top / "file").read_bytes()) == (0o711, 6 * 10**9, b"new")


def test_extended_attributes_are_exactly_those_recorded(place: Place) -> None:
    try:
        os.setxattr(place.top, "user.test", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    for name, content in (("kept", b"new"), ("poured", b"other")):
        (place.top / name).write_bytes(content)
        os.setxattr(place.top / name, "user.old", b"1")
    xattrs = ((b"user.a", b"1"), (b"user.b", b"\0"))
    place.replay(*(place.file(name, xattrs=xattrs, in_place=name == "poured") for name in ("kept", "made", "poured")))
    for name in ("kept", "made", "poured"):
        path = place.top / name
        assert {key: os.getxattr(path, key) for key in os.listxattr(path)} == {"user.a": b"1", "user.b": b"\0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owners_are_put_right(place: Place) -> None:
    (place.top / "there").write_bytes(b"new")
    made = []
    for name in ("there", "made"):
        path, kind, prior, state, *rest = place.file(name, b"new", 0o4755)
        made.append((path, kind, prior, (state[0], 1234, 5678, *state[3:]), *rest))  # type: ignore[index]
    place.replay(*made)  # type: ignore[arg-type]
    for name in ("there", "made"):
        st = (place.top / name).stat()
        assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (1234, 5678, 0o4755)
