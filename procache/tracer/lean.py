"""Importing python-ptrace without what it imports for its debugger: 30 of the 70 ms that a first run takes to start.

Its package initialisers load logging, traceback, subprocess and socket. Of them nothing is used by the parts that
drive this tracer: the binding of ptrace(2), the C library and the tables of system calls. So while those are
imported, names stand in for them; afterwards they are gone, and whoever imports the real modules gets those.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from types import ModuleType

#: module -> the names that python-ptrace imports from it at once
UNUSED: dict[str, dict[str, object]] = {
    "traceback": {"format_exception": None},
    "logging": dict.fromkeys(
        ("getLogger", "debug", "info", "warning", "error", "critical", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    ),
    "ctypes.util": {"find_library": lambda name: "libc.so.6"},
}


def load() -> None:
    """Import the modules of python-ptrace that the tracer uses. Does nothing where they are loaded already."""
    if "ptrace" in sys.modules:
        return
    stand_ins = {name: made(name, names) for name, names in UNUSED.items() if name not in sys.modules}
    spec = PathFinder.find_spec("ptrace")
    places = [] if spec is None else [f"{place}/syscall" for place in spec.submodule_search_locations or ()]
    stand_ins["ptrace.syscall"] = made("ptrace.syscall", {"__path__": places})
    sys.modules.update(stand_ins)
    try:
        import ptrace.binding.func
        import ptrace.ctypes_libc
        import ptrace.syscall.names  # noqa: F401 - of the stand-in
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def made(name: str, names: dict[str, object]) -> ModuleType:
    """A module with these names and nothing else."""
    module = ModuleType(name)
    module.__dict__.update(names)
    return module
