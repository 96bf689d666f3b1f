"""A folder that is made anew for every run, at the same path, from a state that was prepared once.

    box/work   where the command runs
    box/home   $HOME
    box/tmp    $TMPDIR

A state is a copy of the box with times, owners, links and attributes; inputs are old (EPOCH) unless the case
has set their times itself. So a program that shows times shows the same ones in every run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from common import snapshot
from common.results import Result
from common.running import finish, ordinary, wait_for

from .case import Command, Start

HELP = Path(__file__).parent / "change.sh"
EPOCH = 1_000_000_000 * 10**9  # ns: the time of the inputs
PATIENCE = 120.0  # s


class Unusable(Exception):
    """The case itself is wrong: its inputs cannot be made, or a change changes nothing."""


class Box:
    """See the module. ``root`` is a folder of its own for one case."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root, self.path, self.programs = root, root / "box", programs
        self.born = 0  # ns: when the present box was made
        self._states = 0

    def prepare(self, given: str) -> Path:
        """The state that a text makes in an empty box."""
        for name in ("work", "home", "tmp"):
            (self.path / name).mkdir(parents=True)
        begin = time.time_ns() - 10**9
        self._script(given)
        self._age(os.fsencode(self.path), begin)
        return self._keep()

    def altered(self, state: Path, do: str) -> Path:
        """Another state, made from a state by a text."""
        if not do:
            return state
        self.reset(state)
        self._script(do)
        return self._keep()

    def reset(self, state: Path) -> None:
        """Make the box anew."""
        subprocess.run(["rm", "-rf", self.path], check=True)
        self.born = time.time_ns()
        subprocess.run(["cp", "-a", state, self.path], check=True)

    def run(self, prefix: list[str], start: Start, env: dict[str, str]) -> Result:
        """Run a command in the box as it is; ``prefix`` comes before it, ``env`` is added."""
        before = self.look()
        argv = [*prefix, *words(start.cmd)]
        if start.around:
            argv = ["sh", "-c", start.around, "sh", *argv]
        process = subprocess.Popen(
            argv,
            cwd=self.path / "work" / start.cwd,
            env={**self.environment(), **env, **start.env},
            stdin=subprocess.DEVNULL if start.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=start.umask,
            preexec_fn=ordinary,
        )
        status, out, err = finish(process, start.stdin, PATIENCE)
        if start.until:
            wait_for(self.path / "work" / start.until)
        return Result(status, out, err, before, self.look())

    def look(self) -> snapshot.Snapshot:
        """What is in the box now."""
        return snapshot.take(os.fsencode(self.path))

    def environment(self) -> dict[str, str]:
        """The whole environment of a command, before that of its case."""
        return {
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path / "tmp"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }

    def _script(self, text: str) -> None:
        done = subprocess.run(
            ["sh", "-euc", f'. "$0"\n{text}', HELP],
            cwd=self.path / "work",
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            umask=0o022,
        )
        if done.returncode != 0:
            raise Unusable(f"{text!r} failed: {done.stderr.decode(errors='replace')}")

    def _keep(self) -> Path:
        self._states += 1
        state = self.root / f"state-{self._states}"
        subprocess.run(["cp", "-a", self.path, state], check=True)
        return state

    def _age(self, path: bytes, begin: int) -> None:
        """Give everything that is younger than ``begin`` the time EPOCH, folders after what is in them."""
        if os.path.isdir(path) and not os.path.islink(path):
            for name in os.listdir(path):
                self._age(os.path.join(path, name), begin)
        if os.lstat(path).st_mtime_ns >= begin:
            os.utime(path, ns=(EPOCH, EPOCH), follow_symlinks=False)

    def close(self) -> None:
        """Remove all."""
        subprocess.run(["rm", "-rf", self.root], check=True)


def words(cmd: Command) -> list[str | bytes]:
    """The argument vector of a command."""
    return ["sh", "-c", cmd] if isinstance(cmd, str) else list(cmd)


def possible(needs: tuple[str, ...]) -> str:
    """What is missing on this machine of the needs of a case; "" when nothing is."""
    for need in needs:
        if need == "root":
            if os.geteuid() != 0:
                return "root"
        elif need.startswith("/"):
            if not os.path.exists(need):
                return need
        elif not shutil.which(need):
            return need
    return ""
