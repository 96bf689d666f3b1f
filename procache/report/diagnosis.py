"""``procache check -- CMD`` and ``explain -- CMD``: asks the matcher whether CMD would be skipped now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from procache.model.reasons import Reason
from procache.model.redaction import shown
from procache.report import jsonable, text, values
from procache.report.options import Options
from procache.report.output import Output
from procache.report.text import Style

Diagnosis = dict[str, Any]

VERDICTS = {
    "hit": "would be skipped now: a recorded result fits",
    "miss": "would run now: no recorded result fits",
    "uncacheable": "would run, now and always: it cannot be cached",
}
#: How many recorded results are told of in full, without ``--all``.
VARIANTS = 3


def check(options: Options, output: Output) -> int:
    """One line (or JSON) for the command after ``--``: 0 for a hit, 1 where it would run."""
    assert options.command is not None
    found = asked(options.command, options)
    if options.json:
        output.json(as_json(options.command, found))
    else:
        output.lines([VERDICTS[found["outcome"]]])
    return 0 if found["outcome"] == "hit" else 1


def asked(argv: list[bytes], options: Options) -> Diagnosis:
    """What the matcher says of a command."""
    from procache.diagnose import diagnose  # brings the matcher; no other report needs it

    given: dict[str, object] = {name: True for name in ("resume", "strict") if getattr(options, name)}
    return diagnose(argv, options.cache_dir, options.config, given)


def run(argv: list[bytes], options: Options, output: Output) -> int:
    """Report on the command ``argv``."""
    found = asked(argv, options)
    if options.json:
        output.json(as_json(argv, found))
    else:
        output.lines(lines(argv, found, output.style, options.all))
    return 0


def as_json(argv: Sequence[bytes], found: Diagnosis) -> dict[str, Any]:
    """The answer with every reason and its sentence."""
    return {
        "argv": jsonable.plain(shown(argv)),
        "outcome": found["outcome"],
        "reasons": [jsonable.reason(why) for why in found.get("reasons", ())],
        "variants": [{"stored": item.get("stored"), **_differences(item)} for item in _variants(found)],
        "nearest": nearest_as_json(found.get("nearest")),
    }


def nearest_as_json(nearest: Diagnosis | None) -> Diagnosis | None:
    """The nearest recorded command, with every difference and its sentence."""
    return nearest and {"argv": jsonable.plain(nearest["argv"]), **_differences(nearest)}


def lines(argv: Sequence[bytes], found: Diagnosis, style: Style, everything: bool = False) -> Iterator[str]:
    """The verdict, the reasons, and how each recorded result and the nearest command differ."""
    outcome = str(found["outcome"])
    yield style.paint(style.cut(text.command(argv)), "head")
    yield style.paint(VERDICTS.get(outcome, outcome), outcome)
    yield from _bullets(found.get("reasons", ()))
    if outcome == "miss":
        yield from _recorded(_variants(found), style, everything)
        if nearest := found.get("nearest"):
            yield ""
            yield style.cut(f"the nearest recorded command is {text.command(nearest['argv'])}")
            yield from _bullets(nearest.get("differences", ()))


def _recorded(variants: Sequence[Diagnosis], style: Style, everything: bool) -> Iterator[str]:
    if not variants:
        yield "nothing is recorded for exactly this command"
        return
    shown = variants if everything else variants[:VARIANTS]
    for number, item in enumerate(shown, 1):
        yield ""
        stored = item.get("stored")
        at = text.when(stored if isinstance(stored, (int, float)) else 0)
        yield f"recorded result {number} of {len(variants)}, of {at}, does not fit:"
        yield from _bullets(item.get("differences", ()))
    if len(shown) < len(variants):
        yield f"{style.dots} {text.many(len(variants) - len(shown), 'older result')} (--all shows all)"


def _bullets(whys: Sequence[Reason]) -> Iterator[str]:
    for sentence in dict.fromkeys(values.explain(why) for why in whys):
        yield f"  - {sentence}"


def _variants(found: Diagnosis) -> list[Diagnosis]:
    """The recorded results, newest first."""
    return sorted(found.get("variants", ()), key=lambda item: -float(item.get("stored") or 0))


def _differences(item: Diagnosis) -> dict[str, Any]:
    return {"differences": [jsonable.reason(why) for why in item.get("differences", ())]}
