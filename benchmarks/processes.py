"""One timed run of a command, and the procache under test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.account import Account, account

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INHERITED = {"HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"}
"""What the measured commands get of the caller's environment. PATH is the same for everybody: a shell looks for each
program in each of its folders, so a long one measures itself."""


class RunFailed(Exception):
    """A measured command did not end with status 0, so its time means nothing."""


def seconds(argv: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None) -> float:
    """Wall time of *argv* in *folder*; raises RunFailed when it fails."""
    environment = {name: value for name, value in os.environ.items() if name in INHERITED}
    environment |= {"LC_ALL": "C", "PATH": PATH, **(variables or {})}
    begin = time.perf_counter()
    done = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    taken = time.perf_counter() - begin
    if done.returncode != 0:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise RunFailed("\n".join([f"{' '.join(argv)}: exit status {done.returncode}", *tail]))
    return taken


class Procache:
    """The procache under test, with a store of its own."""

    def __init__(self, store: Path) -> None:
        self.variables = {"PROCACHE_DIR": str(store)}

    def seconds(self, argv: Sequence[str], folder: Path) -> float:
        return seconds([executable(), "run", "--", *argv], folder, self.variables)

    def account(self, folder: Path) -> Account | None:
        """Of the last run, which was in *folder*; None when procache does not say."""
        explain = [executable(), "explain", "last", "--all", "--json"]
        done = subprocess.run(explain, env=os.environ | self.variables, capture_output=True)
        try:
            return account(json.loads(done.stdout), folder)
        except (ValueError, KeyError):
            return None


def executable() -> str:
    """The procache to measure: $PROCACHE_BIN, else the one beside this Python."""
    path = os.environ.get("PROCACHE_BIN") or shutil.which("procache", path=str(Path(sys.executable).parent))
    if path is None:
        raise RunFailed("procache is not installed beside this Python: use scripts/bench, or set PROCACHE_BIN")
    return os.path.abspath(path)


def version() -> str:
    done = subprocess.run([executable(), "--version"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "procache, version unknown"
