"""``procache show``: one run as the tree of its executions, with what each took and saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from procache.report import folding, heading, jsonable, runs, text
from procache.report.folding import Folded
from procache.report.journal import Run
from procache.report.options import Options
from procache.report.output import Output
from procache.report.text import Row, Style
from procache.report.tree import HIT, UNFINISHED, Execution, walk
from procache.store.layout import locate

HEADER = ("outcome", "time", "cpu", "memory", "saved", "status", "command")
ALIGN = "<>>>>>"
#: Branches drawn of a deep tree; below that the depth is a number.
DEEPEST = 12

#: What stands before a child and a last child, and before what is under each of them.
BRANCHES = {True: ("├─ ", "└─ ", "│  ", "   "), False: ("|- ", "`- ", "|  ", "   ")}


def run(options: Options, output: Output) -> int:
    """Show the run that is meant."""
    layout = locate(options.cache_dir)
    told = runs.load(layout, runs.resolve(layout, options.run))
    if options.json:
        output.json(as_json(told))
    else:
        output.lines(lines(told, output.style, options.all))
    return 0


def as_json(told: Run) -> dict[str, Any]:
    """The run and a flat list of its executions, each before its children."""
    executions = [jsonable.execution(node, depth) for node, depth in walk(told.roots)]
    return {**runs.summary(told), "executions": executions}


def lines(told: Run, style: Style, everything: bool = False) -> Iterator[str]:
    """Heading and tree; ``everything`` shows siblings that would be folded."""
    yield from heading.lines(told, style)
    rows = list(_rows(told, style, everything))
    if rows:
        yield ""
        yield from text.table(HEADER, rows, ALIGN, style)
        if len(rows) < sum(1 for _ in told.executions()):
            yield ""
            yield "--all shows every execution"


def _rows(told: Run, style: Style, everything: bool) -> Iterator[Row]:
    known = folding.fates(told.roots)
    inner, last, beside, under = BRANCHES[style.unicode]
    todo: list[tuple[Execution | Folded, str, str, int]] = []

    def push(nodes: list[Execution], before: str, depth: int) -> None:
        items = list(nodes) if everything else folding.fold(nodes, known)
        ends = [index == len(items) - 1 for index in range(len(items))]
        for item, end in reversed(list(zip(items, ends, strict=True))):
            drawn = (last if end else inner) if depth else ""
            below = (under if end else beside) if depth else ""
            todo.append((item, before + drawn, before + below, depth))

    push(told.roots, "", 0)
    while todo:
        item, drawn, below, depth = todo.pop()
        if depth > DEEPEST:
            drawn = f"{below[: 3 * DEEPEST - 3]}[{depth}] "
        if isinstance(item, Folded):
            yield _folded(item, drawn, style)
        else:
            yield _execution(item, drawn)
            push(item.children, below[: 3 * DEEPEST], depth + 1)


def _execution(node: Execution, drawn: str) -> Row:
    if node.outcome == UNFINISHED:
        what = text.command(node.argv) if node.argv else f"(#{node.id}, which did not finish)"
        return Row((UNFINISHED, "-", "-", "-", "-", "-", drawn + what), UNFINISHED)
    hit = node.outcome == HIT
    cells = (
        text.safe(node.outcome) or "?",
        text.seconds(node.took),
        "-" if hit else text.seconds(node.utime + node.stime),
        text.size(node.maxrss * 1024) if node.maxrss and not hit else "-",
        text.seconds(node.saved) if node.saved else "-",
        text.status(node.status),
        drawn
        + text.command(node.argv)
        + (f"  (with {node.nested - 1} inside)" if node.nested > 1 else "")
        + differed(node),
    )
    return Row(cells, node.outcome)


def differed(node: Execution) -> str:
    """A remark on an execution that was verified and gave another result than was recorded."""
    return (
        "  (another result than recorded)" if any(why.get("code") == "verify-differs" for why in node.reasons) else ""
    )


def _folded(item: Folded, drawn: str, style: Style) -> Row:
    alike = item.nodes
    more = heading.plural(item.outcome, len(alike)).replace(" ", " more ", 1)
    below = f" (and {item.below} under them)" if item.below else ""
    saved = sum(node.saved for node in alike)
    cells = (
        item.outcome,
        text.seconds(sum(node.took for node in alike)),
        "-" if item.outcome == HIT else text.seconds(sum(node.utime + node.stime for node in alike)),
        "-",
        text.seconds(saved) if saved else "-",
        text.status(alike[0].status),
        f"{drawn}{style.dots} {more}{below}",
    )
    return Row(cells, item.outcome)
