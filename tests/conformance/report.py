"""The figures of a run of the battery, as a table that can be pasted into a README."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .battery import Check, Verdict
from .case import Hit

AFTER_OUTPUTS = ("replay", "below", "back")


def equal(checks: Iterable[Check]) -> str:
    """How many of the checks equal the native run."""
    chosen = list(checks)
    good = sum(not check.differences for check in chosen)
    return str(good) if good == len(chosen) else f"{good} of {len(chosen)}"


def required(checks: list[Check]) -> str:
    """Hits that the cases require, and those that were got."""
    chosen = [check for check in checks if check.expected is Hit.REQUIRED]
    if any(check.outcome is None for check in chosen):
        return "not told"
    return f"{len(chosen)} / {sum(check.outcome == 'hit' for check in chosen)}"


def forbidden(checks: list[Check]) -> str:
    """Hits that the cases forbid."""
    return str(sum(check.outcome == "hit" and check.expected is Hit.FORBIDDEN for check in checks))


#: Heading, and the figure under it from all the checks of a theme.
COLUMNS: tuple[tuple[str, Callable[[list[Check]], str]], ...] = (
    ("first run equal", lambda checks: equal(c for c in checks if c.stage == "first")),
    ("over its outputs equal", lambda checks: equal(c for c in checks if c.stage == "again")),
    ("replay equal", lambda checks: equal(c for c in checks if c.stage in AFTER_OUTPUTS and not c.changed)),
    ("after a change equal", lambda checks: equal(c for c in checks if c.changed)),
    ("stale", lambda checks: str(sum(c.stale for c in checks))),
    ("hits required / got", required),
    ("forbidden hits", forbidden),
)


def table(verdicts: list[Verdict]) -> list[str]:
    """One row for each theme, and the sum."""
    done = [verdict for verdict in verdicts if verdict.checks]
    lines = [
        "| | cases | " + " | ".join(name for name, _ in COLUMNS) + " |",
        "| --- |" + " ---: |" * (len(COLUMNS) + 1),
    ]
    for theme in dict.fromkeys(verdict.case.partition("/")[0] for verdict in done):
        lines.append(_row(theme, [v for v in done if v.case.startswith(f"{theme}/")]))
    return [*lines, _row("**all**", done)]


def _row(name: str, verdicts: list[Verdict]) -> str:
    checks = [check for verdict in verdicts for check in verdict.checks]
    figures = [figure(checks) for _, figure in COLUMNS]
    return f"| {name} | {len(verdicts)} | " + " | ".join(figures) + " |"


def failures(verdicts: list[Verdict]) -> list[str]:
    """What is wrong, case by case."""
    lines = []
    for verdict in verdicts:
        if found := verdict.faults():
            lines += ["", f"{verdict.case}:", *(f"  {line}" for line in found)]
    return lines


def remarks(verdicts: list[Verdict]) -> list[str]:
    """Known failures, and cases that this machine cannot do."""
    lines = [f"known to fail: {v.case}: {reason}" for v in verdicts for reason in sorted(v.known())]
    return lines + [f"left out: {v.case}: no {v.skipped}" for v in verdicts if v.skipped]
