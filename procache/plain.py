"""Running a command without watching it: where procache cannot help, it must not be in the way."""

from __future__ import annotations

import os

from procache.errors import say
from procache.program import find_program
from procache.world.environment import as_mapping, own_environment, search_path
from procache.world.inherited import read_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from procache.cli import RunOptions

#: Name that the tracing process gives itself (PR_SET_NAME), by which a nested one knows it.
TRACER_NAME = b"procache-tracer"


def watched_already() -> bool:
    """True under another ``procache run``, which sees this process and everything that it starts."""
    tracer = read_status("self").split(b"\nTracerPid:\t", 1)[1].split(b"\n", 1)[0]
    if tracer == b"0":
        return False
    try:
        with open(f"/proc/{int(tracer)}/comm", "rb") as comm:
            return comm.read().strip() == TRACER_NAME
    except OSError:
        return False


def exec_plainly(options: RunOptions, why: str) -> NoReturn:
    """Become the command, unwatched. Does not return."""
    import _signal  # type: ignore[import-not-found] # signal is a file, and there may be no descriptor left to open it

    if why and not options.quiet:
        say(why)
    env = surely_own_environment()
    exe = find_program(options.command[0], search_path(env))
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execve(exe, options.command, as_mapping(env))
    except OSError as error:
        if error.errno != 8:  # ENOEXEC: a script without #!
            raise
        os.execve(b"/bin/sh", [b"/bin/sh", exe, *options.command[1:]], as_mapping(env))


def surely_own_environment() -> tuple[bytes, ...]:
    """The same, with what Python may have added where no descriptor is left to read it."""
    try:
        return own_environment()
    except OSError:
        return tuple(name + b"=" + value for name, value in os.environb.items())


def find_own_program(options: RunOptions) -> bytes:
    """The executable of the command. Raises CommandError."""
    return find_program(options.command[0], search_path(own_environment()))
