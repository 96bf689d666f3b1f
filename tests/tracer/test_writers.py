"""Who could still write to a pipe, and whether he is at work: judged by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from procache.tracer.writers import AT_WORK, STUCK, UNKNOWN, Writers

ENDLESS = "while :; do :; done"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def name(fd: int) -> bytes:
    """What /proc calls the pipe of a descriptor."""
    return os.fsencode(os.readlink(f"/proc/self/fd/{fd}"))


def start(script: str, *pass_fds: int, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A shell that has some of our descriptors."""
    return subprocess.Popen(["sh", "-c", script], pass_fds=pass_fds, stdin=stdin)


def doing(process: subprocess.Popen[bytes], pipe: bytes, wanted: int, reader: int = -1) -> int:
    """What is said of the writers of ``pipe``, as soon as it is ``wanted``; the process is ended."""
    try:
        end = time.monotonic() + 20
        while True:
            found = Writers(reader).of(pipe)
            if found == wanted or time.monotonic() > end:
                return found
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


def test_a_writer_that_computes(pipe: tuple[int, int]) -> None:
    assert doing(start(ENDLESS, pipe[1]), name(pipe[1]), AT_WORK) == AT_WORK


def test_a_writer_that_sleeps(pipe: tuple[int, int]) -> None:
    assert doing(start("exec sleep 60", pipe[1]), name(pipe[1]), UNKNOWN) == UNKNOWN


def test_a_pipe_that_nobody_can_be_seen_to_write(pipe: tuple[int, int]) -> None:
    assert Writers(-1).of(b"pipe:[0]") == UNKNOWN


def test_a_writer_that_reads_from_the_reader(pipe: tuple[int, int]) -> None:
    """It has the write end open, and waits for a pipe that only the reader could write."""
    answers, answer = os.pipe()
    reader = subprocess.Popen(["sleep", "60"], stdout=answer)
    os.close(answer)
    writer = start("read x", pipe[1], stdin=answers)
    try:
        assert doing(writer, name(pipe[1]), STUCK, reader.pid) == STUCK
    finally:
        reader.kill()
        reader.wait()
        os.close(answers)


def test_a_writer_that_reads_what_another_computes(pipe: tuple[int, int]) -> None:
    source, end = os.pipe()
    worker = subprocess.Popen(["sh", "-c", ENDLESS], stdout=end)
    os.close(end)
    try:
        assert doing(start("read x", pipe[1], stdin=source), name(pipe[1]), AT_WORK) == AT_WORK
    finally:
        worker.kill()
        worker.wait()
        os.close(source)


@pytest.mark.parametrize(("child", "wanted"), [("exec sleep 60", STUCK), (ENDLESS, AT_WORK)])
def test_a_parent_that_waits_for_its_child(pipe: tuple[int, int], child: str, wanted: int) -> None:
    """The child has not got the pipe. Where it sleeps, it is the reader."""
    code = "import subprocess, sys; subprocess.run(['sh', '-c', sys.argv[1]])"
    parent = subprocess.Popen([sys.executable, "-c", code, child], pass_fds=(pipe[1],))
    end = time.monotonic() + 20
    while not (pid := first_child(parent.pid)) and time.monotonic() < end:
        time.sleep(0.01)
    try:
        assert doing(parent, name(pipe[1]), wanted, pid if wanted == STUCK else -1) == wanted
    finally:
        os.kill(pid, 9)


def first_child(pid: int) -> int:
    """The process that another one has started, 0 where there is none yet."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return int((file.read().split() or ["0"])[0])
