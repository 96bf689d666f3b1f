"""How a command is run, and what was seen of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.journal import Execution
from common.results import Result

Command = str | Sequence[str | bytes]


@dataclass
class How:
    """The surroundings of a command."""

    stdin: bytes | str | None = None  # bytes come through a pipe; a name is a file of the folder
    around: str | None = None  # shell text that starts the command as "$@"
    cwd: str = "."
    merged: bool = False  # stdout and stderr are one pipe
    until: str | None = None  # a native run is over when this file exists too (daemons)


@dataclass
class Run(Result):
    """A run under procache; ``executions`` is empty if no journal was written."""

    executions: list[Execution] = field(default_factory=list)
    native: Result | None = None

    @property
    def root(self) -> Execution:
        """The execution of the command itself."""
        roots = [execution for execution in self.executions if execution.parent is None]
        assert len(roots) == 1, f"{len(roots)} roots in the journal: {self.executions}"
        return roots[0]

    def of(self, words: str) -> list[Execution]:
        """The executions of a program; further words must be among its arguments."""
        return [execution for execution in self.executions if execution.matches(words)]

    def ran(self, words: str) -> list[Execution]:
        """Those of them that were not skipped."""
        return [execution for execution in self.of(words) if execution.outcome != "hit"]

    def outcomes(self, words: str) -> list[str]:
        """What became of each of them."""
        return [execution.outcome for execution in self.of(words)]
