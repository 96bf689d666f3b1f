"""The vocabulary of the battery: cases, the changes of their inputs, and what is said of a hit.

A case is a value; ``cases/`` holds them as tables. All text that changes the folder (``given`` and the changes)
is for ``sh -eu``, with the few functions of ``change.sh``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

Command = str | Sequence[str | bytes]


class Hit(Enum):
    """What a case says of skipping the tested execution."""

    REQUIRED = "required"  # the result is known for certain, and a cacher worth the name sees it
    ALLOWED = "allowed"  # either is right, as long as the result is
    FORBIDDEN = "forbidden"  # whoever skips now cannot have looked


class Kind(Enum):
    """The kinds of change. The battery tells for each how many cases have one."""

    CONTENT = "content, with size and time as before"
    OTHER = "content, of another size"
    LISTING = "a name added to or removed from a listed folder"
    APPEARS = "what was looked for and missing is there"
    GONE = "what was there is missing"
    MODE = "mode"
    OWNER = "owner"
    TIME = "modification time"
    LINKED = "a further name for a file"
    SYMLINK = "a symbolic link leads elsewhere"
    PROGRAM = "interpreter, library or script"
    ENVIRONMENT = "environment variable"
    ARGUMENT = "argument"
    CWD = "working folder"
    STDIN = "stdin"
    STREAM = "what a stream is"
    UMASK = "umask"
    LIMIT = "resource limit, niceness"
    FOLDER = "a folder in place of a file, or a file in place of a folder"
    XATTR = "extended attribute"
    FIFO = "a FIFO in place of a file"
    OUTPUT = "an output is there already"
    UNRELATED = "nothing that matters"


@dataclass(frozen=True)
class Start:
    """How a command is started."""

    cmd: Command  # text is for sh -c
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None  # comes through a pipe; None is /dev/null
    around: str = ""  # shell text outside of the cacher, which starts it as "$@"
    umask: int = 0o022
    until: str = ""  # the run is over when this name exists too


@dataclass(frozen=True)
class Change:
    """One relevant input is another."""

    name: str
    kind: Kind
    do: str = ""
    start: Mapping[str, Any] = field(default_factory=dict)  # parts of Start that are replaced
    hit: Hit = Hit.FORBIDDEN
    known: str = ""  # why this is known to fail


@dataclass(frozen=True)
class Case:
    """A command with its inputs.

    name    theme/what
    given   makes the inputs
    hit     of a run from the same state again, as the command itself and (``below``) as a child of another
    again   of a run over its own outputs
    job     the tested execution, as words (program, then arguments), where it is not the command itself
    needs   what the machine must have: programs, ``root``, ``m32`` …
    times   names whose modification times the program sets, where they lie in the present
    quick   belongs to the part that always runs
    known   why first run or replay are known to fail
    """

    name: str
    start: Start
    given: str = ""
    changes: tuple[Change, ...] = ()
    hit: Hit = Hit.REQUIRED
    below: Hit | None = None
    again: Hit = Hit.ALLOWED
    job: str = ""
    needs: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    quick: bool = False
    known: str = ""

    @property
    def theme(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    def started(self, change: Change) -> Start:
        """How the command is started after a change."""
        parts = dict(change.start)
        if "env" in parts:
            parts["env"] = {**self.start.env, **parts["env"]}
        return replace(self.start, **parts)
