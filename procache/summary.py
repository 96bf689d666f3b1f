"""The one line after a run."""

from __future__ import annotations

import os

from procache.errors import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.cli import RunOptions


def run_flags(options: RunOptions) -> dict[str, bool]:
    """The options that the journal tells."""
    return {
        "resume": options.resume,
        "refresh": options.refresh,
        "no_store": options.no_store,
        "strict": options.strict,
        "verify": bool(options.verify),
    }


def wants_summary(options: RunOptions) -> bool:
    """A summary goes to a terminal, or where it was asked for."""
    if options.quiet:
        return False
    try:
        return options.verbose or os.isatty(2)
    except OSError:
        return False


def summary(counts: dict[str, int], wall: float, saved: float, inside: int, verified: int = 0) -> None:
    """The one line after a run."""
    total = sum(counts.values())
    nested = f" with {inside - 1} inside" if inside > 1 and total == 1 and counts["hit"] else ""
    text = f"{total} execution{'s' if total != 1 else ''}: {counts['hit']} hit{nested}, {counts['miss']} run"
    if counts["uncacheable"]:
        text += f", {counts['uncacheable']} not cacheable"
    if verified:
        text += f", {verified} of them to verify"
    text += f"; {wall:.2f} s"
    if saved >= 0.01:
        text += f", saved about {saved:.1f} s"
    say(text)
