"""/proc, /sys and devices: a declared policy; and what kind of thing a stream is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from procache import digests
from procache.world import pseudo

OWN = (b"self", b"thread-self", b"42")
POLICY = {
    b"/proc/self/status": pseudo.IGNORE,
    b"/proc/42/stat": pseudo.IGNORE,
    b"/proc/self/maps": pseudo.IGNORE,
    b"/proc/thread-self/comm": pseudo.IGNORE,
    b"/proc/self/mounts": pseudo.STABLE,
    b"/proc/42/mountinfo": pseudo.STABLE,
    b"/proc/self/cgroup": pseudo.STABLE,
    b"/proc/self/limits": pseudo.STABLE,
    b"/proc/self/net/tcp": pseudo.TAINT,
    b"/proc/self/mem": pseudo.TAINT,
    b"/proc/self/pagemap": pseudo.TAINT,
    b"/proc/43/status": pseudo.TAINT,
    b"/proc/1/cmdline": pseudo.TAINT,
    b"/proc/cpuinfo": pseudo.STABLE,
    b"/proc/meminfo": pseudo.STABLE,
    b"/proc/filesystems": pseudo.STABLE,
    b"/proc/version": pseudo.STABLE,
    b"/proc/sys/kernel/ostype": pseudo.STABLE,
    b"/proc/sys/vm/overcommit_memory": pseudo.STABLE,
    b"/proc/sys/kernel/random/uuid": pseudo.IGNORE,
    b"/proc/uptime": pseudo.TAINT,
    b"/proc/loadavg": pseudo.TAINT,
    b"/proc/stat": pseudo.TAINT,
    b"/proc/net/tcp": pseudo.TAINT,
    b"/proc/never-heard-of": pseudo.TAINT,
}


@pytest.mark.parametrize("path", POLICY)
def test_policy(path: bytes) -> None:
    assert pseudo.of_proc(path, OWN) == POLICY[path]


@pytest.mark.parametrize("path", [name for name in pseudo.STABLE_FILES if name.startswith(b"/proc/")])
def test_what_is_stable_is_the_same_twice(path: bytes) -> None:
    assert pseudo.of_proc(path, OWN) == pseudo.STABLE
    assert pseudo.digest(path) == pseudo.digest(path)


MEMINFO = b"MemTotal:   100 kB\nMemFree:    %d kB\nSwapTotal:  50 kB\n"


def test_only_the_stable_lines_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "meminfo"
    monkeypatch.setitem(pseudo.STABLE_FILES, os.fsencode(path), pseudo.STABLE_FILES[b"/proc/meminfo"])
    found = []
    for text in (MEMINFO % 1, MEMINFO % 2, (MEMINFO % 1).replace(b"100", b"200")):
        path.write_bytes(text)
        found.append(pseudo.digest(os.fsencode(path)))
    assert found[0] == found[1] != found[2]


def test_a_file_without_a_rule_counts_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200_000)
    assert pseudo.digest(os.fsencode(path)) == digests.of_bytes(b"x" * 200_000)


def test_an_error_is_a_value_too(tmp_path: Path) -> None:
    assert pseudo.digest(os.fsencode(tmp_path / "none")) == b"errno 2"
    assert pseudo.digest(os.fsencode(tmp_path)) == b"errno 21"


def test_the_names_of_the_machine_are_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pseudo.digest(pseudo.UNAME)
    values = list(os.uname())
    monkeypatch.setattr(os, "uname", lambda: os.uname_result([values[0], "elsewhere", *values[2:]]))
    assert pseudo.digest(pseudo.UNAME) != before


@pytest.mark.parametrize(("path", "expected"), [(b"/proc/self", b"proc"), (b"/none/at/all", b"errno 2")])
def test_file_systems(path: bytes, expected: bytes) -> None:
    assert pseudo.file_system(path) == expected


def test_the_file_system_is_that_of_the_mount(tmp_path: Path) -> None:
    assert pseudo.file_system(b"/dev/shm") != b"?"
    assert pseudo.file_system(os.fsencode(tmp_path)) not in (b"?", b"proc")


# -- devices and streams ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["null", "zero", "full", "random", "urandom"])
def test_devices_without_a_state(name: str) -> None:
    assert pseudo.harmless_device(os.stat(f"/dev/{name}"))


def test_other_things_have_a_state(tmp_path: Path) -> None:
    assert not pseudo.harmless_device(tmp_path.stat())
    assert not pseudo.harmless_device(os.stat("/dev/tty"))


def test_kinds_of_streams(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reader, writer = os.pipe()
    master, slave = os.openpty()
    try:
        kinds = {
            "null": pseudo.stream_kind(os.stat("/dev/null")),
            "file": pseudo.stream_kind((tmp_path / "file").stat()),
            "pipe": pseudo.stream_kind(os.fstat(reader)),
            "terminal": pseudo.stream_kind(os.fstat(slave)),
        }
        assert {name: kind.decode() for name, kind in kinds.items()} == {name: name for name in kinds}
        assert pseudo.is_terminal(os.fstat(slave))
        assert not pseudo.is_terminal(os.fstat(reader))
    finally:
        for fd in (reader, writer, master, slave):
            os.close(fd)


def test_other_devices_are_told_apart() -> None:
    zero, full = (pseudo.stream_kind(os.stat(f"/dev/{name}")) for name in ("zero", "full"))
    assert zero.startswith(b"device ")
    assert zero != full
    assert pseudo.stream_kind(os.stat("/")) == b"other %o" % stat.S_IFDIR


SHARED = {
    "three of one terminal": (
        [b"terminal"] * 3,
        {0: (1, 5), 1: (1, 5), 2: (1, 5)},
        [b"terminal", b"terminal =0", b"terminal =0"],
    ),
    "three pipes": ([b"pipe"] * 3, {0: (1, 5), 1: (1, 6), 2: (1, 7)}, [b"pipe"] * 3),
    "2>&1": ([b"null", b"pipe", b"pipe"], {0: (1, 3), 1: (1, 6), 2: (1, 6)}, [b"null", b"pipe", b"pipe =1"]),
    "a file twice, opened once": ([b"null", b"file", b"file"], {1: (1, 6), 2: (1, 6)}, [b"null", b"file", b"file =1"]),
    "a file opened twice": ([b"file", b"null", b"file"], {0: (1, 8), 2: (1, 8)}, [b"file", b"null", b"file ~0"]),
    "null three times": ([b"null"] * 3, {0: (1, 3), 1: (1, 3), 2: (1, 3)}, [b"null"] * 3),
    "all closed": ([b"closed"] * 3, {}, [b"closed"] * 3),
}


@pytest.mark.parametrize("name", SHARED)
def test_streams_that_are_one_file_are_told(name: str) -> None:
    kinds, files, expected = SHARED[name]
    one_open = {frozenset((1, 2))}
    assert pseudo.with_sharing(kinds, files, lambda one, other: frozenset((one, other)) in one_open) == tuple(expected)


def test_a_folder_above_two_is_told_by_its_path(tmp_path: Path) -> None:
    assert pseudo.further_kind(7, tmp_path.stat(), b"/some/where") == b"7:/some/where"
    assert pseudo.further_kind(7, os.stat("/dev/null"), b"/dev/null") == b"7:null"


def test_how_a_file_is_open_counts() -> None:
    ways = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND]
    assert len({pseudo.file_mode(flags) for flags in ways}) == 4
    assert pseudo.file_mode(os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK) == pseudo.file_mode(os.O_WRONLY)
