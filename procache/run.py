"""``procache run``: a hit of the whole command if there is one, else the command itself, watched."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from procache.errors import StoreError
from procache.front import Front
from procache.model.policy import Policy
from procache.model.reasons import Reason, reason
from procache.program import find_program
from procache.replay.apply import ReplayFailed
from procache.store.layout import locate

if TYPE_CHECKING:
    from procache.cli import RunOptions


def run(options: RunOptions) -> int:
    """Run a command and return its exit status; a death by signal is repeated on procache itself."""
    from procache.front import own_environment, search_path

    if watched_already():
        return exec_plainly(options, "")
    layout = locate(options.cache_dir)
    try:
        layout.prepare()
    except StoreError as error:
        find_program(options.command[0], search_path(own_environment()))
        return exec_plainly(options, f"{error} (the command runs without the cache)")
    front = Front(options.command, layout, Policy(resume=options.resume))
    misses: list[Reason] = []
    status = replay_root(front, options, misses)
    if status is None:
        from procache.tracer.session import trace

        status = trace(front, options, misses)
    if status < 0:
        from procache.tracer.signals import die_of

        sys.stdout.flush()
        die_of(-status)
        return 128 - status
    return status


def replay_root(front: Front, options: RunOptions, misses: list[Reason]) -> int | None:
    """The status of the whole command if it is a hit; None where it must run, with the reasons in ``misses``."""
    if options.refresh:
        misses.append(reason("refresh"))
        return None
    if front.command.program in front.policy.never_cached or front.command.program in front.policy.never_skipped:
        return None
    record = front.fitting(misses)
    if record is None:
        return None
    try:
        status = front.replay(record)
    except ReplayFailed as error:
        misses.append(reason("replay-failed", detail=str(error)))
        return None
    front.journal_hit(record, status, run_flags(options))
    if wants_summary(options):
        summary({"hit": 1, "miss": 0, "uncacheable": 0}, time.time() - front.started, record.wall, record.nested)
    return status


def run_flags(options: RunOptions) -> dict[str, bool]:
    """The options that the journal tells."""
    return {"resume": options.resume, "refresh": options.refresh, "no_store": options.no_store}


def wants_summary(options: RunOptions) -> bool:
    """A summary goes to a terminal, or where it was asked for."""
    if options.quiet:
        return False
    try:
        return options.verbose or os.isatty(2)
    except OSError:
        return False


def summary(counts: dict[str, int], wall: float, saved: float, inside: int) -> None:
    """The one line after a run."""
    total = sum(counts.values())
    nested = f" with {inside - 1} inside" if inside > 1 and total == 1 and counts["hit"] else ""
    text = f"{total} execution{'s' if total != 1 else ''}: {counts['hit']} hit{nested}, {counts['miss']} run"
    if counts["uncacheable"]:
        text += f", {counts['uncacheable']} not cacheable"
    text += f"; {wall:.2f} s"
    if saved >= 0.01:
        text += f", saved about {saved:.1f} s"
    print(f"procache: {text}", file=sys.stderr)


def watched_already() -> bool:
    """True under another ``procache run``, which sees this process and everything that it starts."""
    from procache.world.inherited import read_status

    tracer = read_status("self").split(b"\nTracerPid:\t", 1)[1].split(b"\n", 1)[0]
    if tracer == b"0":
        return False
    try:
        with open(f"/proc/{int(tracer)}/comm", "rb") as comm:
            return comm.read().strip() == TRACER_NAME
    except OSError:
        return False


#: Name that the tracing process gives itself (PR_SET_NAME), by which a nested one knows it.
TRACER_NAME = b"procache-tracer"


def exec_plainly(options: RunOptions, why: str) -> int:
    """Become the command, unwatched. Does not return."""
    import signal

    from procache.front import own_environment, search_path

    if why and not options.quiet:
        print(f"procache: {why}", file=sys.stderr)
    sys.stderr.flush()
    env = own_environment()
    exe = find_program(options.command[0], search_path(env))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execve(exe, options.command, environment(env))
    return 126


def environment(entries: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Entries as execve wants them; what has no ``=`` cannot be passed on by Python and means nothing to a libc."""
    pairs = (entry.partition(b"=") for entry in entries)
    return {name: value for name, equals, value in pairs if equals and name}


def diagnose(argv: list[bytes], cache_dir: str | None) -> dict[str, object]:
    """Would ``argv`` be a hit now? What ``explain -- CMD`` tells; runs nothing."""
    from procache.diagnose import diagnose as find

    return find(argv, cache_dir)
