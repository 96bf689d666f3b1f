"""Builds the parts in C where a compiler and Python's headers are at hand; procache works without them, only slower."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("procache/tracer/_source.c", "procache/world/_looks.c")


class NativeParts(BuildHookInterface[Any]):
    """Compiles each source beside itself, whence the wheel takes it and an editable install uses it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        complaint = missing() or next(filter(None, (compiled(Path(self.root, source)) for source in SOURCES)), "")
        if complaint:
            self.app.display_warning(f"procache is installed without its parts in C, and slower for it: {complaint}")
            for source in SOURCES:
                target(Path(self.root, source)).unlink(missing_ok=True)
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [str(target(Path(source))) for source in SOURCES]


def compiler() -> list[str]:
    """The command of the C compiler: $CC, that of Python's own build, or cc."""
    named = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return named if shutil.which(named[0]) else ["cc"]


def missing() -> str:
    """What is not there to compile with, or ""."""
    if shutil.which(compiler()[0]) is None:
        return "no C compiler (Debian: apt-get install gcc)"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "no Python.h (Debian: apt-get install python3-dev)"
    return ""


def target(source: Path) -> Path:
    """Where the module made of a source goes."""
    return source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))


def compiled(source: Path) -> str:
    """Compile one source; the compiler's complaint, or ""."""
    options = [
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
        "-Wno-missing-field-initializers",
        "-fPIC",
        "-shared",
    ]
    include = f"-I{sysconfig.get_path('include')}"
    made = target(source)
    temporary = made.with_name(f"{made.name}.{os.getpid()}")
    command = [*compiler(), *options, include, str(source), "-o", str(temporary)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()
    temporary.replace(made)
    return ""
