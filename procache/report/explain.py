"""``procache explain``: why executions of a run were not skipped, or whether a command would be now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from procache import digests
from procache.errors import UsageError
from procache.model.reasons import Reason
from procache.report import diagnosis, heading, jsonable, runs, text, values
from procache.report.causes import Consequence, Group, Verdict, judge
from procache.report.journal import Run
from procache.report.options import Options
from procache.report.output import Output
from procache.report.text import Style
from procache.report.tree import HIT, Execution, walk
from procache.store.layout import Layout, locate

#: How many executions that share their reasons are named, without ``--all``.
NAMED = 12
#: How many executions are named as the source of a consequence, without ``--all``.
SOURCES = 3
#: The reason where the command itself is new; for how many groups of such the nearest recorded one is looked for.
NEW, MOST_NEAR = "no-record", 20

Nearest = dict[str, Any]
#: By id of an execution: the nearest command, and how it differs (``procache.diagnose``).
Near = dict[int, Nearest]


def run(options: Options, output: Output) -> int:
    """Explain the run that is meant, or the command after ``--``."""
    if options.command is not None:
        return diagnosis.run(options.command, options, output)
    layout = locate(options.cache_dir)
    try:
        told = runs.load(layout, runs.resolve(layout, options.run))
    except UsageError as error:
        raise UsageError(f"{error}; a command stands after `--`") from error
    verdict = judge(told)
    near = nearest(layout, told, verdict)
    if options.json:
        output.json(as_json(told, verdict, near, options.all))
    else:
        output.lines(lines(told, verdict, near, output.style, options.all))
    return 0


def nearest(layout: Layout, told: Run, verdict: Verdict) -> Near:
    """For the first of each group that nothing was recorded for: the nearest command that was, before the run."""
    from procache.diagnose import nearest_before  # brings the matcher

    asked = [group.nodes[0] for group in verdict.causes if any(why.get("code") == NEW for why in group.reasons)]
    keys = {node.id: digests.parsed(node.key.encode()) for node in asked[:MOST_NEAR]}
    return nearest_before(layout, {number: key for number, key in keys.items() if key is not None}, told.started)


def as_json(told: Run, verdict: Verdict, near: Near, everything: bool = False) -> dict[str, Any]:
    """The run and its executions that were not hits, each with its reasons and what they come from."""
    sources = {item.node.id: [source.id for source in item.sources] for item in verdict.consequences}
    executions = [
        {
            **jsonable.execution(node, depth),
            "only_because_of": sources.get(node.id, []),
            "nearest": diagnosis.nearest_as_json(near.get(node.id)),
        }
        for node, depth in walk(told.roots)
        if everything or node.outcome != HIT
    ]
    return {**runs.summary(told), "executions": executions}


def lines(told: Run, verdict: Verdict, near: Near, style: Style, everything: bool = False) -> Iterator[str]:
    """Heading, causes, consequences, and with ``everything`` also the hits."""
    yield from heading.lines(told, style)
    unfinished = sum(1 for node in told.executions() if not node.finished)
    if unfinished:
        yield f"{text.many(unfinished, 'execution')} did not finish, or the journal does not tell of the end"
    if not verdict.causes and not verdict.consequences:
        yield ""
        which = "every execution that finished" if unfinished else "every execution"
        yield f"{which} was a hit: nothing to explain" if verdict.hits else "no execution to explain"
    if verdict.causes:
        yield from _title("Causes", style)
        for group in verdict.causes:
            yield from _group(group, verdict, told, style, everything)
            yield from _nearest(near.get(group.nodes[0].id), style)
    if verdict.consequences:
        yield from _title("Consequences", style)
        yield from _consequences(verdict.consequences, told, style, everything)
    if everything and verdict.hits:
        yield from _title("Hits", style)
        for node in verdict.hits:
            yield _named(node, told, style)


def _title(words: str, style: Style) -> Iterator[str]:
    yield ""
    yield style.paint(words, "head")


def _group(group: Group, verdict: Verdict, told: Run, style: Style, everything: bool) -> Iterator[str]:
    """The executions that share their reasons, then the reasons."""
    shown = group.nodes if everything or len(group.nodes) <= NAMED else group.nodes[: NAMED - 2]
    for node in shown:
        yield _named(node, told, style)
    if len(shown) < len(group.nodes):
        more = len(group.nodes) - len(shown)
        them = heading.plural(group.outcome, more).replace(" ", " more ", 1)
        yield f"  {style.dots} {them}, for the same reasons (--all names them)"
    yield from reasons(group.reasons, "      ")
    for node in shown:
        if node.id in verdict.mixed:
            sources = _sources(verdict.mixed[node.id], style, everything)
            yield f"      - and #{node.id} also because of what is under it: {sources}"


def _nearest(found: Nearest | None, style: Style) -> Iterator[str]:
    if found is not None:
        yield style.cut(f"        the nearest that was recorded: {text.command(found['argv'])}")
        yield from reasons(found["differences"], "          ")


def reasons(whys: Sequence[Reason], indent: str) -> Iterator[str]:
    """One line for each different reason; it says so when there is none."""
    seen = dict.fromkeys(values.explain(why) for why in whys)
    for sentence in seen or ["no reason is given"]:
        yield f"{indent}- {sentence}"


def _consequences(items: Sequence[Consequence], told: Run, style: Style, everything: bool) -> Iterator[str]:
    shown = items if everything or len(items) <= NAMED else items[: NAMED - 2]
    for item in shown:
        yield _named(item.node, told, style)
        yield f"      - only because of what is under it: {_sources(item.sources, style, everything)}"
    if len(shown) < len(items):
        yield f"  {style.dots} {len(items) - len(shown)} more (--all names them)"


def _sources(sources: Sequence[Execution], style: Style, everything: bool) -> str:
    shown = sources if everything or len(sources) <= SOURCES else sources[:SOURCES]
    named = ", ".join(f"#{node.id} {style.cut(text.command(node.argv), 40)}" for node in shown)
    more = f" and {len(sources) - len(shown)} more" if len(shown) < len(sources) else ""
    return named + more


def _named(node: Execution, told: Run, style: Style) -> str:
    """Outcome, number and command of an execution, and its folder where that is not the run's."""
    outcome, number = f"{text.safe(node.outcome):<11}", f"#{node.id:<4}"
    folder = f"  in {text.path(node.cwd)}" if node.cwd != told.cwd else ""
    room = max(20, style.width - len(f"  {outcome} {number} {folder}"))
    command = style.cut(text.command(node.argv), room)
    return f"  {style.paint(outcome, node.outcome)} {number} {command}{folder}"
