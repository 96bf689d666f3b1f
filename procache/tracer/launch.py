"""Starting the command: a child that waits until it is seized, installs the filter on itself, and execs."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def fork_command(
    exe: bytes, argv: tuple[bytes, ...], env: dict[bytes, bytes], filter_code: bytes, seize: Callable[[int], None]
) -> tuple[int, int]:
    """Start the command stopped at its exec, seized by ``seize``. Returns (pid, descriptor of its complaints).

    The descriptor gives the errno of an exec that failed, and end of file once one succeeded. Raises
    whatever ``seize`` raises, with the child gone.
    """
    from ptrace.ctypes_libc import libc

    go_reader, go_writer = os.pipe()
    said_reader, said_writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(go_writer)
            _become(exe, argv, env, filter_code, go_reader, said_writer, libc)
        finally:
            os._exit(127)
    os.close(go_reader)
    os.close(said_writer)
    try:
        seize(pid)
        os.write(go_writer, b"go")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(said_reader)
        raise
    finally:
        os.close(go_writer)
    return pid, said_reader


def _become(
    exe: bytes,
    argv: tuple[bytes, ...],
    env: dict[bytes, bytes],
    filter_code: bytes,
    go: int,
    said: int,
    libc: ctypes.CDLL,
) -> None:
    from procache.tracer import bpf, signals

    if os.read(go, 2) != b"go":
        os._exit(127)
    signals.give_back()
    try:
        bpf.install(filter_code, libc)
        try:
            os.execve(exe, list(argv), env)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            os.execve(b"/bin/sh", [b"/bin/sh", exe, *argv[1:]], env)  # as execvp(3) runs a script without #!
    except OSError as error:
        os.write(said, b"%d" % (error.errno or errno.ENOEXEC))
    os._exit(127)
