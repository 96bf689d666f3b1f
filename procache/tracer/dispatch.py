"""Which handler serves which call: the table of system calls, joined with the parts of a run."""

from __future__ import annotations

from procache.tracer import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.tracer.calls import PathCalls
    from procache.tracer.execs import Execs
    from procache.tracer.processcalls import ProcessCalls
    from procache.tracer.streamcalls import StreamCalls
    from procache.tracer.tracee import Tracee

    Handler = Callable[[Tracee, tuple[int, ...]], object]


def dispatch(paths: PathCalls, streams: StreamCalls, processes: ProcessCalls, execs: Execs) -> dict[int, Handler]:
    """The handler of every traced call by number, made from the table."""
    found: dict[int, Handler] = {}
    for row in table.ROWS.values():
        if row.kind == table.READS:
            found[row.nr] = _with(getattr(paths, row.handler), row.spec)
        elif row.kind == table.CHANGES:
            found[row.nr] = _changing(getattr(paths, row.handler), row.spec, paths)
        elif row.kind == table.STREAM:
            found[row.nr] = getattr(streams, row.handler)
        elif row.kind == table.PROCESS:
            found[row.nr] = getattr(execs if row.handler.startswith("execve") else processes, row.handler)
        elif row.kind == table.TAINTS:
            found[row.nr] = _with(processes.taints, row)
    return found


def _changing(handler: Callable[..., object], spec: object, paths: PathCalls) -> Handler:
    def handle(t: Tracee, args: tuple[int, ...]) -> None:
        paths.watch_change(t, lambda: handler(t, args, spec))

    return handle


def _with(handler: Callable[..., object], extra: object) -> Handler:
    return lambda t, args: handler(t, args, extra)
