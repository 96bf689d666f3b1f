"""``procache pin`` and ``unpin``: runs whose results and journals are kept."""

from __future__ import annotations

from procache import digests
from procache.errors import StoreError, UsageError
from procache.report import runs, text
from procache.report.options import Options
from procache.report.output import Output
from procache.store import pins
from procache.store.layout import Layout, locate


def pin(options: Options, output: Output) -> int:
    """Keep what a run has stored, or name the runs that are kept."""
    layout = locate(options.cache_dir)
    if options.listed:
        return listed(layout, options, output)
    run = runs.load(layout, runs.resolve(layout, options.run))
    if run.ended is None and runs.state(run) == "running":
        raise UsageError(f"run {text.safe(run.id)} is still going; pin it when it has ended")
    keys = {digests.parsed(node.key.encode()) for node in run.executions()} - {None}
    try:
        pins.add(layout, run.id, [key for key in keys if key is not None])
    except OSError as error:
        raise StoreError(f"cannot pin in {text.path(layout.top)}: {error.strerror}") from error
    if options.json:
        output.json({"pinned": run.id, "commands": len(keys)})
    else:
        output.lines([f"pinned {text.safe(run.id)}: {text.many(len(keys), 'command')}, and what is below them"])
    return 0


def unpin(options: Options, output: Output) -> int:
    """Keep what a run has stored no longer. Raises UsageError where it is not pinned."""
    layout = locate(options.cache_dir)
    known = pins.pinned(layout)
    wanted = runs.resolve(layout, runs.LAST) if options.run == runs.LAST else options.run
    fit = [name for name in known if wanted and name.startswith(wanted)]
    if len(fit) != 1:
        those = ", ".join(map(text.safe, known)) or "none"
        raise UsageError(f"{text.safe(options.run or '')!r} names no pinned run, or several; pinned are: {those}")
    pins.remove(layout, fit[0])
    if options.json:
        output.json({"unpinned": fit[0]})
    else:
        output.lines([f"unpinned {text.safe(fit[0])}"])
    return 0


def listed(layout: Layout, options: Options, output: Output) -> int:
    """The runs that are kept, newest first."""
    known = pins.pinned(layout)
    if options.json:
        output.json(known)
    else:
        output.lines(map(text.safe, known) if known else ["no run is pinned"])
    return 0
