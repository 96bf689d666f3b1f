"""A damaged store is a smaller store: never a crash, never a wrong result."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Lab

SCRIPT = "blob 100000 > big; steps cat in open small wct write little; steps say end"


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[len(data) // 2] ^= 0x41
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": _cut,
    "empty": lambda path: os.truncate(path, 0),
    "one byte flipped": _flip,
    "garbage": lambda path: path.write_bytes(b"\xc1\x00garbage" * 50),
    "removed": lambda path: path.unlink(),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"tail"),
}


def _files(lab: Lab, part: str) -> list[Path]:
    found = [path for path in (lab.cache / "v2" / part).rglob("*") if path.is_file()]
    for path in found:
        path.chmod(0o600)
    return found


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        *((part, damage) for part in ("records", "blobs") for damage in DAMAGES),
        ("memo", "garbage"),
        ("runs", "cut in half"),
    ],
)
def test_damage_is_a_miss(lab: Lab, part: str, damage: str) -> None:
    lab.write("in", "1\n")
    lab.both(SCRIPT)
    for path in _files(lab, part):
        DAMAGES[damage](path)
    lab.remove("big", "small")
    assert lab.both(SCRIPT).err == b""
    lab.remove("big", "small")
    assert lab.both(SCRIPT).root.outcome == "hit", "the store works again"


def test_the_store_is_private(lab: Lab) -> None:
    lab.both("umask 0; steps say x", around='umask 0; exec "$@"')
    for path in [lab.cache, *lab.cache.rglob("*")]:
        if path == lab.cache or path.parent == lab.cache:
            assert path.stat().st_mode & 0o077 == 0, path


def test_values_of_the_environment_are_not_stored(lab: Lab) -> None:
    lab.env["PASSWORD"] = "open-sesame-4711"
    lab.both("steps say x; sh -c 'steps say y'")
    for path in lab.cache.rglob("*"):
        if path.is_file():
            assert b"open-sesame-4711" not in path.read_bytes(), path


@pytest.mark.parametrize("obstacle", ["a file", "read only", "a file in its place inside"])
def test_a_store_that_cannot_be_used_never_stops_the_command(lab: Lab, obstacle: str) -> None:
    """The command runs and its status is its own; procache may say a word on stderr."""
    if obstacle == "a file":
        lab.cache.write_text("in the way")
    elif obstacle == "read only":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        lab.cache.mkdir(0o500)
    else:
        lab.cache.mkdir(0o700)
        (lab.cache / "v2").write_text("in the way")
    lab.write("in", "1\n")
    native = lab.native("steps cat in > out; exit 3")
    run = lab.run("steps cat in > out; exit 3")
    assert (run.status, run.out, run.after.entries) == (native.status, native.out, native.after.entries)


def test_records_of_another_folder_are_not_mixed_up(lab: Lab) -> None:
    for side in ("a", "b"):
        lab.write(f"{side}/in", f"{side}\n")
        assert lab.both("steps cat in > out", cwd=side).root.outcome == "miss"
    for side in ("a", "b"):
        assert lab.both("steps cat in > out", cwd=side).root.outcome == "hit"
        assert lab.path(f"{side}/out").read_text() == f"{side}\n"
