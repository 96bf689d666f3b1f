"""One traced run: everything is put together, the command is started, followed and accounted for."""

from __future__ import annotations

import gc
import math
import os
import resource
import time

from ptrace import PtraceError
from ptrace.ctypes_libc import libc

from procache import __version__
from procache.capture.capture import Capture
from procache.errors import SCARCE, CommandError, say
from procache.events import run_event
from procache.model.execution import Execution
from procache.model.reasons import Reason
from procache.model.redaction import shown
from procache.model.tree import Tree
from procache.plain import TRACER_NAME, exec_plainly
from procache.store import journal, memofile, upkeep
from procache.store.writer import Writer
from procache.summary import run_flags, summary, wants_summary
from procache.tracer import bpf, faults, signals
from procache.tracer.alive import Alive
from procache.tracer.books import Books
from procache.tracer.calls import PathCalls
from procache.tracer.decision import Decision
from procache.tracer.endings import Endings
from procache.tracer.execs import MOST_WATCHED, Execs
from procache.tracer.launch import fork_command
from procache.tracer.loop import Loop
from procache.tracer.near import Near
from procache.tracer.processcalls import ProcessCalls
from procache.tracer.skip import Skip
from procache.tracer.source import make
from procache.tracer.streamcalls import StreamCalls
from procache.tracer.tracee import Tracee
from procache.tracer.watch import Watcher
from procache.world import view
from procache.world.environment import as_mapping
from procache.world.paths import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.cli import RunOptions
    from procache.front import Front
    from procache.model.policy import Policy
    from procache.tracer.aside import Aside
    from procache.tracer.source import Stop
    from procache.tracer.strict import Strict
    from procache.tracer.tracelog import TraceLog
    from procache.verify import Verify

PR_SET_NAME = 15
#: Where dash and bash keep a stream that they redirect for a while: watched from the start, since watching one more
#: descriptor later costs a process several stops.
SAVED_BY_SHELLS = 10
#: How many programs that gave another result are named at the end of a run.
TOLD = 10


def trace(front: Front, options: RunOptions, misses: list[Reason]) -> int:
    """Run the command of ``front`` under the tracer; returns its status (-signal for a death by signal)."""
    if math.isinf(front.policy.follow_daemons):
        return _trace(front, options, misses, None)
    from procache.tracer import aside

    return aside.follow(lambda own: _trace(front, options, misses, own))


def _trace(front: Front, options: RunOptions, misses: list[Reason], aside: Aside | None) -> int:
    faults.debug = options.debug
    faults.watch_threads()
    run_id = journal.new_run_id(front.started)
    front.layout.fsync, front.layout.compression = front.policy.fsync, front.policy.compression
    writer = Writer(front.layout, journal.path_of(front.layout, run_id), front.policy.max_variants)
    writer.event(journal.pack(run_event(run_id, __version__, front.command, front.started, run_flags(options))))
    loop = assemble(front, options, writer, misses)
    signals.take()
    if aside is not None:
        follow_for_a_while(front, options, loop, aside)
    try:
        status = follow(front, loop, signals.ANYBODY if aside is None else aside.waiting)
    except (PtraceError, *SCARCE) as error:
        writer.finish()
        signals.give_back()
        return exec_plainly(options, f"cannot trace here ({error}); the command runs without the cache")
    except CommandError as error:
        loop.endings.books.close(error.status)
        writer.finish()
        raise
    if loop.alone:
        os._exit(0)  # the status was reported, and the books are closed
    try:
        faults.report_threads()
        close_books(front, options, loop.endings, status)
    except SCARCE as error:
        faults.report(error)
    return status


def follow_for_a_while(front: Front, options: RunOptions, loop: Loop, aside: Aside) -> None:
    """What outlives the command is followed for ``follow_daemons`` seconds; then procache ends before it."""

    def let_go() -> None:
        status = loop.root_status
        assert status is not None
        loop.endings.abandon(loop.tracees.values())
        loop.broken = loop.alone = True
        close_books(front, options, loop.endings, status)
        aside.let_go(status, front.extra)

    loop.patience, loop.let_go, loop.job_stopped = front.policy.follow_daemons, let_go, aside.stopped


def close_books(front: Front, options: RunOptions, endings: Endings, status: int) -> None:
    """The run is over: its journal, its memo and its last lines."""
    books, verify = endings.books, endings.verify
    endings.capture.claims.end()
    books.close(status)
    memofile.append(front.layout, front.world.memo)
    if front.layout.staging is not None:
        front.layout.staging.end()
    complaint = books.writer.finish()
    if complaint and not options.quiet and not faults.said():
        faults.say(complaint)
    if verify is not None:
        tell_of(verify)
    if wants_summary(options):
        verified = verify.count if verify is not None else 0
        summary(books.counts, time.time() - front.started, books.saved, 1, verified)
    upkeep.after_run(front.layout, front.policy)


def tell_of(verify: Verify) -> None:
    """One line for each program that gave another result than was recorded."""
    import shlex

    for ex, why in verify.found[:TOLD]:
        what = shlex.join(os.fsdecode(word) for word in shown(ex.command.argv))
        say(f"not deterministic: {shortened(what)}: {why['detail']}")
    if len(verify.found) > TOLD:
        say(f"and {len(verify.found) - TOLD} more; see procache explain")


def shortened(text: str) -> str:
    """A command in no more than 80 characters, none of which is special."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= 80 else plain[:77] + "..."


def assemble(front: Front, options: RunOptions, writer: Writer, misses: list[Reason]) -> Loop:
    """Make the parts of a traced run and join them."""
    view.load_native()
    policy, layout = front.policy, front.layout
    tree = Tree(front.world)
    tree.resume = policy.resume
    tree.rules = policy.paths
    if view.native is not None:
        tree.news = view.native.new_facts
    tracees: dict[int, Tracee] = {}
    near = Near(tracees)
    paths = PathCalls(tree, Resolver(), near, tracees)
    postponed: list[Stop] = []
    watcher = Watcher(postponed.append)
    streams = StreamCalls(front.world.memo, layout.tmp, watcher)
    paths.streams = streams
    capture = Capture(tree, layout, None if options.no_store else writer)
    tree.claim = capture.claims.add
    log, verify, strict = trace_log(options), verification(front, capture), strictness(policy, tree)
    outside, books = Execution(-1, None, front.command, -1, 0.0), Books(writer, log)
    skip = Skip(layout, tree, paths, streams)
    decision = Decision(policy, layout, tree, streams, watcher, skip, books, verify, refresh=options.refresh)
    execs = Execs(paths, streams, watcher, front.envs, decision, books, outside, misses, strict)
    endings = Endings(policy, tree, capture, books, outside, verify)
    source = make(looks=log is None or not log.calls)
    loop = Loop(execs, endings, paths, streams, ProcessCalls(paths, tracees, near), tracees, near, source, log)
    if strict is not None:
        loop.handlers.update(strict.handlers())
    loop.postponed = postponed
    tree.holds_open = Alive(tracees, source).holds_open
    return loop


def trace_log(options: RunOptions) -> TraceLog | None:
    """The log that ``--log-file`` asks for."""
    if options.log_file is None:
        return None
    from procache.tracer.tracelog import TraceLog

    return TraceLog(options.log_file, options.log_level)


def verification(front: Front, capture: Capture) -> Verify | None:
    """What ``--verify`` asks for."""
    if not front.policy.verify:
        return None
    from procache.verify import Verify

    return Verify(front.policy, front.layout, front.world, capture.writer, front.expected)


def strictness(policy: Policy, tree: Tree) -> Strict | None:
    """What ``--strict`` asks for."""
    if not policy.strict:
        return None
    from procache.tracer.strict import Strict

    return Strict(policy, tree)


def follow(front: Front, loop: Loop, relay: int) -> int:
    """Start the command and serve its stops to the end; ``relay`` as in ``signals.pass_on``.

    Raises CommandError where it cannot be executed.
    """
    extra = front.extra if len(front.extra) <= MOST_WATCHED else []
    watched = tuple(sorted({0, 1, 2, SAVED_BY_SHELLS, *extra}))
    code = bpf.encode(bpf.program(watched, strict=front.policy.strict))
    libc.prctl(PR_SET_NAME, TRACER_NAME, 0, 0, 0)
    pid, said = fork_command(front.exe, front.argv, as_mapping(front.env), code, loop.seize)
    loop.tracees[pid].process.watched = frozenset(watched)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # one descriptor or two for each process that is followed
    alive = Alive(loop.tracees, loop.source)
    signals.pass_on(pid, alive.processes, alive.got, relay)
    gc.freeze()
    gc.disable()
    status = loop.run()
    loop.near.stop()
    complaint = os.read(said, 16)
    os.close(said)
    if complaint:
        number = int(complaint)
        raise CommandError(f"{os.fsdecode(front.argv[0])}: {os.strerror(number).lower()}", 127 if number == 2 else 126)
    return status
