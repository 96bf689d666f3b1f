"""Many cases at once, as many as there are processors."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from common.compiled import compile_all

from .battery import Verdict, examine
from .cachers import choose
from .cases import CASES

HERE = Path(__file__).parent
SOURCES = (HERE / "programs", HERE.parent / "scenarios" / "programs")


class Pool:
    """Examines the named cases in the background; ``verdicts`` has the future of each. A context manager."""

    def __init__(self, names: Iterable[str], cacher: str, jobs: int | None = None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="conformance-"))
        self._root.chmod(0o755)  # some cases are of other users
        programs = self._root / "programs"
        programs.mkdir()
        compile_all([source for folder in SOURCES for source in folder.glob("*.c")], programs)
        self._executor = ProcessPoolExecutor(jobs or os.cpu_count() or 1)
        self.verdicts: dict[str, Future[Verdict]] = {
            name: self._executor.submit(_examine, name, cacher, self._root, programs) for name in names
        }

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(cancel_futures=True)
        shutil.rmtree(self._root, ignore_errors=True)


def _examine(name: str, cacher: str, root: Path, programs: Path) -> Verdict:
    return examine(CASES[name], choose(cacher), root, programs)
