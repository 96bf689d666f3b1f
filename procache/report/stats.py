"""``procache stats``: what the store holds, and what it has saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from procache.report import heading, jsonable, runs, store, text, totals
from procache.report.options import Options
from procache.report.output import Output
from procache.report.runs import NothingThere
from procache.report.text import Row, Style
from procache.report.totals import Command, Folder
from procache.store import records, tally
from procache.store.layout import Layout, locate
from procache.store.tally import Tally


class Contents(NamedTuple):
    """What a store holds: ``commands`` are record files, ``records`` the variants in them."""

    commands: Folder
    records: int
    blobs: Folder
    runs: Folder
    whole: Folder


def run(options: Options, output: Output) -> int:
    """Report on the whole store."""
    layout = locate(options.cache_dir)
    held = look(layout)
    store.there(layout)
    store.tell_of_older(layout, output)
    if not (held.commands.files or held.blobs.files or held.runs.files):
        raise NothingThere(f"nothing is stored in {text.path(layout.top)} yet; `procache run -- CMD` stores")
    best = totals.best(runs.readable(layout, runs.ids(layout), output.remark))
    if options.json:
        output.json(as_json(layout, held, tally.read(layout), best))
    else:
        output.lines(lines(layout, held, tally.read(layout), best, output.style))
    return 0


def look(layout: Layout) -> Contents:
    """Count what is in the store's folders."""
    commands, variants = totals.measure(layout.records), sum(records.count(layout, key) for key in records.keys(layout))
    blobs, journals = totals.measure(layout.blobs), totals.measure(layout.runs)
    return Contents(commands, variants, blobs, journals, totals.measure(layout.root))


def as_json(layout: Layout, held: Contents, sums: Tally, best: list[Command]) -> dict[str, Any]:
    """All numbers; sizes in bytes, times in seconds. ``best`` is of the runs whose journals are there."""
    return {
        "cache_dir": jsonable.plain(layout.top),
        "commands": held.commands.files,
        "records": {"count": held.records, "bytes": held.commands.bytes},
        "blobs": {"count": held.blobs.files, "bytes": held.blobs.bytes},
        "runs": {"count": sums.runs, "journals": held.runs.files, "bytes": held.runs.bytes},
        "bytes": held.whole.bytes,
        "hit": sums.hit,
        "miss": sums.miss,
        "uncacheable": sums.uncacheable,
        "saved": sums.saved,
        "damaged": sums.damaged,
        "best": totals.as_json(best),
    }


def lines(layout: Layout, held: Contents, sums: Tally, best: list[Command], style: Style) -> Iterator[str]:
    """The numbers as a list, then the commands that saved the most."""
    commands = text.many(held.commands.files, "command")
    counts = {"hit": sums.hit, "miss": sums.miss, "uncacheable": sums.uncacheable}
    outcomes = ", ".join(heading.plural(outcome, number) for outcome, number in counts.items())
    number = sum(counts.values())
    rate = f" ({100 * sums.hit / number:.1f} % hits)" if number else ""
    yield f"cache folder  {text.path(layout.top)}"
    yield f"records       {held.records} of {commands}, {text.size(held.commands.bytes)}"
    yield f"blobs         {held.blobs.files}, {text.size(held.blobs.bytes)}"
    yield f"runs          {sums.runs}; {text.many(held.runs.files, 'journal')}, {text.size(held.runs.bytes)}"
    yield f"in all        {text.size(held.whole.bytes)}"
    yield f"executions    {outcomes}{rate}"
    yield f"time saved    about {text.seconds(sums.saved)}"
    if sums.damaged:
        yield f"damaged       {text.many(sums.damaged, 'file')} met and set aside"
    if best:
        rows = [Row((text.seconds(one.saved), str(one.hits), text.command(one.argv))) for one in best]
        yield ""
        yield from text.table(("saved", "hits", "the commands that saved the most"), rows, ">>", style)
