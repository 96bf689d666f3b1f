"""Keeping the store within its limits without being told: now and then after a run, in a process of its own.

It is due when the runs since the last time have added so much that the store may have outgrown ``max_size``, and once
a day. The command never waits for it.
"""

from __future__ import annotations

import os
import signal

from procache.store import tally, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from procache.model.policy import Policy
    from procache.store.layout import Layout

#: Where pins keep more than that, a gc waits at least until this share of ``max_size`` was added.
_STEP = 0.05
_LOWEST = 19
#: Signals that the tracer passes on.
_HANDLED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCONT,
    signal.SIGTSTP,
    signal.SIGCHLD,
)


def after_run(layout: Layout, policy: Policy) -> None:
    """After a run that may have stored something: see to the store if that is due."""
    if usage.neglected(layout) or outgrown(layout, policy):
        start(layout, policy)


def outgrown(layout: Layout, policy: Policy) -> bool:
    """True when the store, as far as is known without looking, is larger than it may be."""
    sums = tally.read(layout)
    if sums.entries * usage.SIZE > usage.MUCH:
        return True
    most = policy.max_size
    return bool(most) and sums.size + sums.added > most and sums.added > most * _STEP


def start(layout: Layout, policy: Policy) -> None:
    """See to the store in a process that belongs to nobody: a session of its own, no descriptors, last in line."""
    detach(lambda: tend(layout, policy))


def tend(layout: Layout, policy: Policy) -> None:
    """Bring the store within the limits of the settings, unless somebody is at it."""
    from procache.store import choice, gc

    os.nice(_LOWEST)
    try:
        gc.collect(layout, choice.limits(policy))
    except (gc.Busy, OSError):
        pass  # the next run tries again


def detach(job: Callable[[], None]) -> None:
    """Run ``job`` in a grandchild that nothing waits for. Where no process can be made, nothing is done."""
    try:
        pid = os.fork()
    except OSError:
        return
    if not pid:
        _grandchild(job)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored, or somebody else has waited


def _grandchild(job: Callable[[], None]) -> NoReturn:
    try:
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.chdir("/")
        # the limit says nothing: some are 2^30, others lower than what is open
        os.closerange(0, 1 + max(map(int, os.listdir("/proc/self/fd"))))
        for _ in range(3):
            os.open("/dev/null", os.O_RDWR)
        if not os.fork():  # now, so that nothing of the caller is held when that goes on
            job()
    finally:
        os._exit(0)
