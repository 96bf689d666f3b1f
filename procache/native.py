"""Whether the parts in C are to be used: each has its twin in Python, and is built only where a compiler is at hand."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

#: ``PROCACHE_NATIVE=0`` does without them.
WANTED = os.environ.get("PROCACHE_NATIVE") != "0"
#: What Python and C expect of each other; to be raised in all three places when that changes.
INTERFACE = 4


def fitting(module: ModuleType) -> ModuleType | None:
    """The module, or None where it was built of older sources."""
    return module if getattr(module, "INTERFACE", 0) == INTERFACE else None
