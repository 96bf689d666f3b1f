"""Who is tested: something that runs a command, and may tell which executions it skipped."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from common import journal
from common.journal import Execution

ROOT = Path(__file__).resolve().parents[2]
WRONG = ROOT / "tests" / "common" / "wrong_cacher.py"
# Started so that neither the working folder nor PYTHONPATH has a say in what is imported first.
PROCACHE = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from procache.cli import main; sys.exit(main(sys.argv[1:]))"


class Cacher:
    """Any command prefix; ``{cache}`` in it is a folder of its own for each case.

    What it skips is not known, so only results are compared.
    """

    tells = False  # whether outcomes are known

    def __init__(self, name: str, prefix: list[str]) -> None:
        self.name, self._prefix = name, prefix

    def prefix(self, cache: Path) -> list[str]:
        """The words before the command."""
        return [word.replace("{cache}", str(cache)) for word in self._prefix]

    def environment(self, cache: Path) -> dict[str, str]:
        """Variables that it needs; the commands have them too, natively as well."""
        return {}

    def known(self, cache: Path) -> set[Path]:
        """What it has told so far."""
        return set()

    def executions(self, cache: Path, before: set[Path]) -> list[Execution]:
        """The executions that it has told of since; [] where it does not tell."""
        return []


class Journaled(Cacher):
    """Keeps its cache in $PROCACHE_DIR, and tells by procache's journal."""

    tells = True

    def environment(self, cache: Path) -> dict[str, str]:
        return {"PROCACHE_DIR": str(cache)}

    def known(self, cache: Path) -> set[Path]:
        return journal.journals(cache)

    def executions(self, cache: Path, before: set[Path]) -> list[Execution]:
        new = journal.journals(cache) - before
        return [execution for path in sorted(new) for execution in journal.executions(path)]


def choose(name: str) -> Cacher:
    """``procache``, ``wrong``, ``native``, or any command prefix."""
    if name == "procache":
        given = shlex.split(os.environ.get("PROCACHE_TEST_CMD", ""))
        return Journaled(name, [*(given or [sys.executable, "-P", "-c", PROCACHE]), "run", "--quiet", "--"])
    if name == "wrong":
        return Journaled(name, [sys.executable, str(WRONG), "run", "--"])
    return Cacher(name, [] if name == "native" else shlex.split(name))
