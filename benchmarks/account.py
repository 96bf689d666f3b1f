"""What became of the executions of a run, and why: read from ``procache explain --json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS_OF_A_JOB = 2


@dataclass
class Account:
    """How many executions of a run were skipped (hit), and how many ran."""

    hit: int
    run: int
    hits: Counter[str] = field(default_factory=Counter)
    """Program -> how many of it were skipped."""
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(program, reason) -> how many of it ran for that reason."""

    def lines(self) -> Iterator[str]:
        """For each kind of execution a line that says what became of it."""
        if self.hits:
            yield "skipped: " + ", ".join(f"{count} × {program}" for program, count in self.hits.items())
        for (program, why), count in self.causes.items():
            yield f"ran: {count} × {program}: {why}"


def account(document: dict[str, Any], folder: Path) -> Account:
    """From the document that ``explain --all --json`` wrote for a run in *folder*, whose paths are made relative."""
    counts = document["counts"]
    result = Account(counts["hit"], counts["miss"] + counts["uncacheable"])
    for execution in document["executions"]:
        program = _program(execution["argv"])
        if execution["outcome"] == "hit":
            result.hits[program] += 1
        else:
            result.causes[program, _why(execution, f"{folder}/")] += 1
    return result


def _program(argv: list[str]) -> str:
    """The program's name, and with it the word after it where that is a subcommand."""
    name = Path(argv[0]).name
    return f"{name} {argv[1]}" if argv[1:] and argv[1].isalpha() and len(argv) > WORDS_OF_A_JOB else name


def _why(execution: dict[str, Any], folder: str) -> str:
    """The first reason, without the values that it compares."""
    if execution.get("only_because_of"):
        return "only because of what is under it"
    sentences = [reason["sentence"].partition(" (recorded")[0] for reason in execution["reasons"]]
    more = f" and {len(sentences) - 1} more" if len(sentences) > 1 else ""
    return f"{sentences[0].replace(folder, '')}{more}" if sentences else "no reason given"
