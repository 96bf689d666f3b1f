"""``procache run``: a hit of the whole command if there is one, else the command itself, watched."""

from __future__ import annotations

import os
import time

from procache.config.sources import policy as settings
from procache.errors import SCARCE, StoreError, say
from procache.front import Front
from procache.model.policy import TRACERS
from procache.model.reasons import Reason, reason
from procache.plain import exec_plainly, find_own_program, watched_already
from procache.replay.apply import ReplayFailed
from procache.store.layout import locate
from procache.summary import run_flags, summary, wants_summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.cli import RunOptions
    from procache.model.policy import Policy
    from procache.model.record import Record
    from procache.store.layout import Layout


def run(options: RunOptions) -> int:
    """Run a command and return its exit status; a death by signal is repeated on procache itself."""
    front: Front | None = None
    try:
        if watched_already():
            return exec_plainly(options, "")
        front = begin(options)
        status = carry_out(front, options)
    except SCARCE as error:  # nothing has been started yet: ``trace`` and ``replay_root`` see to that
        if front is not None:
            front.input.give_back()
        return exec_plainly(options, f"cannot begin here ({error}); the command runs without the cache")
    if status < 0:
        from procache.tracer.signals import die_of

        die_of(-status)
        return 128 - status
    return status


def begin(options: RunOptions) -> Front:
    """What is known before anything runs; does not return where the cache is of no use to the command."""
    layout = locate(options.cache_dir)
    useless = unusable(layout)
    policy = settings(None if useless else layout, options.config, options.of_policy())
    if useless:
        find_own_program(options)
        return exec_plainly(options, f"{useless} (the command runs without the cache)")
    try:
        front = Front(options.command, layout, policy)
    except FileNotFoundError:
        return exec_plainly(options, "the working folder no longer exists; the command runs without the cache")
    if front.command.program in TRACERS:
        return exec_plainly(options, f"{os.fsdecode(front.command.program)} traces by itself; it runs unwatched")
    return front


def carry_out(front: Front, options: RunOptions) -> int:
    """Replay or run the command; returns its status, or -signal. Raises what is in SCARCE before it has begun, only."""
    misses: list[Reason] = []
    status = replay_root(front, options, misses)
    if status is None:
        from procache.tracer.session import trace

        front.input.give_back()
        status = trace(front, options, misses)
        front.input.stop()
    return status


def to_verify(policy: Policy) -> bool:
    """True when this hit is to be run for real."""
    from procache.verify import chosen

    return chosen(policy)


def unusable(layout: Layout) -> str:
    """Make the store's folders; returns "" or why the store cannot be used."""
    try:
        layout.prepare()
    except StoreError as error:
        return str(error)
    return ""


def replay_root(front: Front, options: RunOptions, misses: list[Reason]) -> int | None:
    """The status of the whole command if it is a hit; None where it must run, with the reasons in ``misses``."""
    if options.refresh:
        misses.append(reason("refresh"))
        return None
    if front.never_skipped:
        return None
    record = front.fitting(misses)
    if record is None:
        return None
    if front.policy.verify and to_verify(front.policy):
        front.expected = record
        return None
    log = None
    if options.log_file is not None:
        from procache.tracer.session import trace_log

        log = trace_log(options)
    try:
        status = front.replay(record)
    except ReplayFailed as error:
        misses.append(reason("replay-failed", detail=str(error)))
        return None
    try:
        if log is not None:
            log.skipped(0, front.command, status)
        close_books(front, options, record, status)
    except SCARCE:
        pass  # the command has its result; what is missing in journal and totals is not worth its status
    return status


def close_books(front: Front, options: RunOptions, record: Record, status: int) -> None:
    """A run that was one hit is over: its journal, its last line, what the store is due. Raises what is in SCARCE."""
    complaint = front.journal_hit(record, status, run_flags(options))
    if wants_summary(options):
        if complaint:
            say(f"the cache folder was not written to: {complaint}")
        summary({"hit": 1, "miss": 0, "uncacheable": 0}, time.time() - front.started, record.wall, record.nested)
    front.tend_store(record)
