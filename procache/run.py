"""``procache run``: a hit of the whole command if there is one, else the command itself, watched."""

from __future__ import annotations

import os
import sys
import time

from procache.config.sources import policy as settings
from procache.errors import StoreError
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
    from procache.store.layout import Layout


def run(options: RunOptions) -> int:
    """Run a command and return its exit status; a death by signal is repeated on procache itself."""
    if watched_already():
        return exec_plainly(options, "")
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
    misses: list[Reason] = []
    status = replay_root(front, options, misses)
    if status is None:
        from procache.tracer.session import trace

        front.input.give_back()
        status = trace(front, options, misses)
        front.input.stop()
    if status < 0:
        from procache.tracer.signals import die_of

        sys.stdout.flush()
        die_of(-status)
        return 128 - status
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
    try:
        status = front.replay(record)
    except ReplayFailed as error:
        misses.append(reason("replay-failed", detail=str(error)))
        return None
    front.journal_hit(record, status, run_flags(options))
    if wants_summary(options):
        summary({"hit": 1, "miss": 0, "uncacheable": 0}, time.time() - front.started, record.wall, record.nested)
    front.tend_store(record)
    return status
