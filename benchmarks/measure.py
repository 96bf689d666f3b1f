"""Rounds over the contenders of a workload.

Machines drift: another user, a warm CPU, a fuller page cache. So the contenders take turns, one round after
the other, and share the drift; all ratios are between runs of the same rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.account import Account
from benchmarks.contenders import CHANGED, CONTENDERS, FORKS, NATIVE, ONE_JOB, Sample, State, missing
from benchmarks.processes import seconds
from benchmarks.trees import Tree, differences, snapshot
from benchmarks.workloads import Workload

MS_PER_S = 1000


@dataclass
class Row:
    """All samples of one contender in one state."""

    seconds: list[float] = field(default_factory=list)
    account: Account | None = None
    compared: bool = False
    wrong: set[str] = field(default_factory=set)
    """Paths that were not, in some round, as the native run leaves them."""

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass
class Result:
    """A measured workload; rows in the order in which they first ran."""

    workload: Workload
    rows: dict[str, Row] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Tools that are not installed, whose rows are therefore not there."""

    @property
    def correct(self) -> bool:
        return not any(row.wrong for row in self.rows.values())

    def ratio(self, row: Row) -> float | None:
        """Median over native's median."""
        native = self.rows.get(NATIVE)
        return row.median / native.median if native else None

    def skip_overhead(self) -> float | None:
        """Milliseconds per skipped job beyond the shell's own fork, in the run with one input changed.

        Start-up of procache included; the one job that ran and the forks of the driver are not.
        """
        rows = [self.rows.get(name) for name in (CHANGED, FORKS, ONE_JOB)]
        changed, forks, one_job = (row.median if row else None for row in rows)
        if changed is None or forks is None or one_job is None or self.workload.jobs < 2:
            return None
        return (changed - forks - one_job) / (self.workload.jobs - 1) * MS_PER_S


class References:
    """What native runs leave behind, one for each family of workloads and state of its inputs."""

    def __init__(self) -> None:
        self._trees: dict[tuple[str, State], Tree] = {}

    def tree(self, workload: Workload, sample: Sample, state: State) -> Tree:
        """That of the first native sample; where none has been taken, that of a native run made for it."""
        key = workload.family, state
        if key not in self._trees:
            native = sample.row == NATIVE
            self._trees[key] = snapshot(sample.folder, workload.varies) if native else _native_tree(workload, state)
        return self._trees[key]


def _native_tree(workload: Workload, state: State) -> Tree:
    with tempfile.TemporaryDirectory(prefix="procache-bench-") as place:
        folder = Path(place, "reference")
        workload.fill(folder)
        if state == "changed":
            workload.change(folder)
        seconds(workload.command, folder)
        return snapshot(folder, workload.varies)


def measure(workload: Workload, runs: int, references: References, tell: Callable[[str], None]) -> Result:
    """Runs each contender *runs* times, in turn; *tell* hears of each run."""
    result = Result(workload)
    result.missing = missing(workload.needs)
    if result.missing:
        return result
    # Nothing is deleted between rounds: ext4 searches long for inodes that were not freed just now.
    with tempfile.TemporaryDirectory(prefix="procache-bench-") as place:
        for number in range(runs):
            folder = Path(place, str(number))
            folder.mkdir()
            _round(result, folder, references, tell)
    return result


def _round(result: Result, place: Path, references: References, tell: Callable[[str], None]) -> None:
    whole: dict[str, Tree] = {}
    for name in result.workload.contenders:
        contender = CONTENDERS[name]
        if absent := missing(contender.needs):
            result.missing = sorted({*result.missing, *absent})
            continue
        for sample in contender.samples(result.workload, place):
            tell(f"{result.workload.name}: {sample.row}: {sample.seconds:.3f} s")
            _add(result, sample, references, whole)


def _add(result: Result, sample: Sample, references: References, whole: dict[str, Tree]) -> None:
    """Count a sample in; ``whole`` are the trees of the round by row, with all that varies."""
    row = result.rows.setdefault(sample.row, Row())
    row.seconds.append(sample.seconds)
    row.account = sample.account
    if sample.state:
        row.compared = True
        varies = result.workload.varies
        reference = references.tree(result.workload, sample, sample.state)
        row.wrong.update(differences(snapshot(sample.folder, varies), reference))
        if varies:
            whole[sample.row] = snapshot(sample.folder)
            if sample.like is not None and sample.account is not None and not sample.account.run:
                row.wrong.update(differences(whole[sample.row], whole[sample.like]))
