"""``procache log``: the runs, one line each, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from procache.report import jsonable, runs, text
from procache.report.journal import Run
from procache.report.options import Options
from procache.report.output import Output
from procache.report.text import Row, Style
from procache.store.layout import locate

HEADER = ("run", "started", "status", "hit", "miss", "unc", "time", "saved", "command")
ALIGN = "<<>>>>>>"


def run(options: Options, output: Output) -> int:
    """List the runs of the store."""
    layout = locate(options.cache_dir)
    known = runs.some(layout)
    chosen = known[: options.number or None]
    loaded = runs.readable(layout, chosen, output.remark)
    if options.json:
        output.lines(jsonable.dump_array(map(runs.summary, loaded)))
    else:
        output.lines(lines(list(loaded), output.style))
    if len(chosen) < len(known):
        output.remark(f"{text.many(len(known) - len(chosen), 'older run')} not listed (-n 0 lists all)")
    return 0


def lines(told: Sequence[Run], style: Style) -> Iterator[str]:
    """The table of runs. ``unc`` counts uncacheable executions."""
    return text.table(HEADER, [_row(one) for one in told], ALIGN, style)


def _row(told: Run) -> Row:
    counts = (str(number) for number in told.counts)
    saved = text.seconds(told.saved) if told.saved else "-"
    who = (text.safe(told.id), text.when(told.started), runs.state(told))
    return Row((*who, *counts, text.seconds(told.took), saved, text.command(told.argv)))
