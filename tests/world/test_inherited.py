"""What a program inherits: the environment, and the state that only /proc tells."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from procache.model.command import EnvTables
from procache.model.policy import Policy
from procache.world import inherited
from procache.world.environment import as_mapping, own_environment, search_path

STATUS = (
    b"Name:\tx\nUmask:\t0022\nState:\tR\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n"
    b"SigBlk:\t0000000000000001\nSigIgn:\t0000000000000002\n"
    b"CapInh:\tA\nCapPrm:\tB\nCapEff:\tC\nCapBnd:\tD\nCapAmb:\tE\nCpus_allowed:\tf\n"
)


def fields(text: bytes) -> dict[bytes, bytes]:
    """The fields of a status text by name."""
    return dict(zip(inherited.FIELDS, inherited.status_fields(text), strict=True))


def test_fields_are_found_in_any_order() -> None:
    lines = STATUS.splitlines(keepends=True)
    backwards = lines[0] + b"".join(reversed(lines[1:]))
    assert fields(STATUS) == fields(backwards)
    assert fields(STATUS)[b"Uid"] == b"1\t2\t3\t4"
    assert fields(STATUS)[b"Cpus_allowed"] == b"f"


def test_a_field_that_the_kernel_does_not_tell_is_empty() -> None:
    assert fields(STATUS.replace(b"CapAmb:\tE\n", b""))[b"CapAmb"] == b""


def test_own_fields_are_those_of_a_child() -> None:
    script = "import sys; sys.stdout.buffer.write(open('/proc/self/status', 'rb').read())"
    seen = fields(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    own = dict(zip(inherited.FIELDS, inherited.own_status_fields(), strict=True))
    assert int(seen.pop(b"SigIgn"), 16) & ~inherited.PYTHON_IGNORES == int(own.pop(b"SigIgn"), 16)
    assert seen == own


CHANGES: dict[str, Callable[[], object]] = {
    "a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (77, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    "niceness": lambda: os.nice(1),
    "scheduling": lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_attributes_show_what_changed(what: str) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            before = inherited.attributes("self")
            CHANGES[what]()
            os.write(writer, b"other" if inherited.attributes("self") != before else b"same")
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"other"
    os.close(reader)


def test_attributes_are_the_same_twice_and_for_a_process_id() -> None:
    assert inherited.attributes("self") == inherited.attributes("self") == inherited.attributes(os.getpid())


# -- the environment -------------------------------------------------------------------------------


def test_the_environment_is_the_one_that_was_given() -> None:
    script = "import os; from procache.world import environment as e; os.environ['X'] = '1'; print(e.own_environment())"
    given = {"B": "2", "A": "x=y", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", script], env=given, capture_output=True, check=True, text=True).stdout
    assert set(eval(told)) == {f"{name}={value}".encode() for name, value in given.items()}


def test_own_environment_is_bytes() -> None:
    assert all(isinstance(entry, bytes) and entry for entry in own_environment())


def test_entries_as_execve_takes_them() -> None:
    assert as_mapping((b"A=1", b"B=x=y", b"C=", b"noequals", b"=odd")) == {b"A": b"1", b"B": b"x=y", b"C": b""}


def test_the_search_path() -> None:
    assert search_path((b"HOME=/", b"PATH=/a:/b", b"PATH=/c")) == b"/a:/b"
    assert search_path((b"HOME=/", b"XPATH=/a")) == b"/bin:/usr/bin"


@pytest.mark.parametrize(
    "entry",
    [b"_=/bin/x", b"SHLVL=2", b"OLDPWD=/x", b"PARALLEL_SEQ=7", b"SLURM_JOB_ID=1", b"MAKEFLAGS=-j4", b"DISPLAY=:0"],
)
def test_what_changes_from_run_to_run_does_not_count(entry: bytes) -> None:
    tables = EnvTables(Policy())
    assert tables.table((b"A=1", entry)).digest == tables.table((b"A=1",)).digest


def test_what_counts_of_an_environment() -> None:
    tables = EnvTables(Policy())
    base = (b"A=1", b"B=2")
    assert tables.table(base).digest == tables.table(base[::-1]).digest
    others = [(b"A=1",), (b"A=1", b"B=3"), (*base, b"C="), (b"SHLVLX=1", *base), (b"MAKEFLAGS=n", *base)]
    assert len({tables.table(entries).digest for entries in [base, *others]}) == 6
