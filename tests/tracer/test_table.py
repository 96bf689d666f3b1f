"""The system call table: every call in one class, at the right number, with its paths in the right places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ptrace.syscall.names import SYSCALL_NAMES
from ptrace.syscall.prototypes import FILENAME_ARGUMENTS, SYSCALL_PROTOTYPES

from procache.model.policy import STRICT_CALLS
from procache.model.reasons import TAINTS
from procache.tracer import arch, table
from procache.tracer.calls import PathCalls
from procache.tracer.execs import Execs
from procache.tracer.processcalls import ProcessCalls
from procache.tracer.streamcalls import StreamCalls

HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
KINDS = {table.HARMLESS, table.READS, table.CHANGES, table.STREAM, table.PROCESS, table.TAINTS, table.REFUSED}
#: Handlers that follow two paths; their places are (dirfd, path, dirfd, path, flags).
TWO_PATHS = ("rename", "link")
#: Calls with a path that are in another class: followed by handlers of their own, a result, or a taint.
ELSEWHERE = {"execve", "execveat", "getcwd", "chroot", "inotify_add_watch", "fanotify_mark"}


def places(row: table.Row, first: int) -> list[int]:
    """The argument places that a row gives at every second place of its spec from ``first`` on."""
    if len(row.spec) < 2:
        return []
    found = [row.spec[first], row.spec[first + 2]] if row.handler in TWO_PATHS else [row.spec[first]]
    return [place for place in found if place is not None]


def arguments(row: table.Row) -> list[tuple[str, str]]:
    """(type, name) of each argument, as python-ptrace knows them."""
    return list(SYSCALL_PROTOTYPES[row.name][1])


def test_every_number_has_one_row() -> None:
    known = {nr for nr in SYSCALL_NAMES if nr < 512} | set(arch.NEWER)
    assert set(table.ROWS) == known
    for nr, row in table.ROWS.items():
        assert (row.nr, row.name) == (nr, arch.NAMES[nr])
        assert row.kind in KINDS


def test_every_name_is_declared_once() -> None:
    assert {name: kinds for name, kinds in table.DECLARED.items() if len(kinds) != 1} == {}


def test_no_name_is_misspelt() -> None:
    assert set(table.DECLARED) - set(arch.NUMBERS) == set()


def test_calls_that_stop_with_strict_are_harmless_otherwise() -> None:
    assert set(table.STRICT) == STRICT_CALLS
    assert {table.ROWS[arch.NUMBERS[name]].kind for name in table.STRICT} == {table.HARMLESS}


def test_names_have_one_number() -> None:
    assert len(arch.NUMBERS) == len(arch.NAMES)


@pytest.mark.skipif(not HEADER.exists(), reason="no kernel headers here")
def test_numbers_are_those_of_the_kernel() -> None:
    pairs = re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())
    theirs = {int(nr): name for name, nr in pairs}
    assert len(theirs) > 300
    assert {
        nr: (name, arch.NAMES.get(nr)) for nr, name in theirs.items() if arch.NAMES.get(nr) not in (name, None)
    } == {}


# -- places ----------------------------------------------------------------------------------------

WITH_PATHS = [row for row in table.ROWS.values() if row.kind in (table.READS, table.CHANGES)]
COMPARED = [row for row in WITH_PATHS if row.name in SYSCALL_PROTOTYPES]


def test_most_calls_can_be_compared() -> None:
    assert len(COMPARED) > 50


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.name)
def test_paths_are_where_the_prototype_has_them(row: table.Row) -> None:
    theirs = [at for at, (kind, name) in enumerate(arguments(row)) if name in FILENAME_ARGUMENTS and "char" in kind]
    if row.handler == "symlink":
        theirs = theirs[1:]  # the first is the text of the link
    assert places(row, 1) == theirs


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.name)
def test_folders_are_where_the_prototype_has_them(row: table.Row) -> None:
    theirs = [at for at, (_, name) in enumerate(arguments(row)) if name in ("dfd", "dirfd", "olddfd", "newdfd")]
    assert places(row, 0) == theirs


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.name)
def test_flags_are_where_the_prototype_has_them(row: table.Row) -> None:
    theirs = [at for at, (_, name) in enumerate(arguments(row)) if name in ("flag", "flags")]
    if places(row, 1) and row.name not in VALUES:
        assert theirs == [] or theirs[-1] in row.spec


#: Calls whose flags say nothing about the way of the path.
VALUES = {"setxattr", "lsetxattr"}


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.name)
def test_calls_on_descriptors_have_no_path(row: table.Row) -> None:
    if not places(row, 1):
        assert not [name for kind, name in arguments(row) if name in FILENAME_ARGUMENTS and "char" in kind]


def test_no_call_with_a_path_is_in_another_class() -> None:
    others = [row for row in table.ROWS.values() if row not in WITH_PATHS and row.name in SYSCALL_PROTOTYPES]
    found = {row.name for row in others for _, name in arguments(row) if name in FILENAME_ARGUMENTS}
    assert found == ELSEWHERE & found
    assert not {row.name for row in others if row.kind == table.HARMLESS} & (found - {"getcwd"})


# -- handlers --------------------------------------------------------------------------------------


def holder(row: table.Row) -> type:
    """The class that has the handler of a row."""
    if row.kind in (table.READS, table.CHANGES):
        return PathCalls
    if row.kind == table.STREAM:
        return StreamCalls
    return Execs if row.handler.startswith("execve") else ProcessCalls


def test_every_handler_exists() -> None:
    for row in table.ROWS.values():
        if row.kind in (table.HARMLESS, table.REFUSED):
            assert row.handler == "", row.name
        else:
            assert callable(getattr(holder(row), row.handler)), row.name


def test_every_taint_has_words() -> None:
    for row in table.ROWS.values():
        assert (row.kind == table.TAINTS) == bool(row.code), row.name
        assert row.code in TAINTS or not row.code, row.name


@pytest.mark.parametrize("name", ["connect", "ptrace", "mount", "io_setup", "bpf", "userfaultfd", "open_by_handle_at"])
def test_what_must_never_be_let_through(name: str) -> None:
    assert table.ROWS[arch.NUMBERS[name]].kind in (table.TAINTS, table.PROCESS)
