"""The closed vocabulary of effects: in which state an execution left a path that it changed."""

from __future__ import annotations

from procache.model.aspects import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

FILE = 0  # state: the State with its digest; the content is a blob of that digest
DIR = 1  # state: the State of the folder
LINK = 2  # state: the link text
HARD = 3  # state: the path that it is another name of
FIFO = 4  # state: the State of the FIFO
GONE = 5  # state: None
KEPT = 6  # state: the State; the content is what the fact of this path says, only the rest changed

NAMES = {
    FILE: "file",
    DIR: "folder",
    LINK: "link",
    HARD: "hard link",
    FIFO: "FIFO",
    GONE: "removed",
    KEPT: "attributes",
}

#: Stands for "the program set the time to now": a replay does the same.
NOW = -1

Xattrs = tuple[tuple[bytes, bytes], ...]
#: (path, kind, type bits before or 0, state, mtime_ns set by the program, NOW, or None, written in place,
#:  extended attributes where the program changed them or None)
Effect = tuple[bytes, int, int, "State | bytes | None", "int | None", bool, "Xattrs | None"]
PATH: Final = 0
KIND: Final = 1
PRIOR: Final = 2
STATE: Final = 3
SET_MTIME: Final = 4
IN_PLACE: Final = 5
XATTRS: Final = 6
