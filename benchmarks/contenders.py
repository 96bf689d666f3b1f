"""How a workload is run. A contender is a generator of samples: it stops after each timed run, so that what
the run left behind can be looked at before the next one changes it.

All contenders of a round share one place, and each has a folder of its own in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.account import Account
from benchmarks.processes import PATH, Procache, seconds
from benchmarks.workloads.base import Workload, delete_outputs

State = Literal["first", "changed"]
"""Which inputs a run has seen: those that ``fill`` laid, or those that ``change`` left."""

NATIVE = "native"
COLD = "procache, cold"
CHANGED = "procache, one input changed"
FORKS = "native, empty subshells only"
ONE_JOB = "native, the changed job only"


class Sample(NamedTuple):
    """One timed run. ``state`` says which native run its folder must equal; None when it makes no outputs."""

    row: str
    seconds: float
    folder: Path
    state: State | None
    account: Account | None = None
    like: str | None = None
    """The row of this round whose outputs these must equal where nothing ran, varying parts included."""


class Contender(NamedTuple):
    needs: tuple[str, ...]
    samples: Callable[[Workload, Path], Iterator[Sample]]


def _native(workload: Workload, place: Path) -> Iterator[Sample]:
    folder = place / "native"
    workload.fill(folder)
    yield Sample(NATIVE, seconds(workload.command, folder), folder, "first")


def _procache(workload: Workload, place: Path) -> Iterator[Sample]:
    folder, procache = place / "procache", Procache(place / "store")
    workload.fill(folder)

    def sample(row: str, state: State, like: str | None = None) -> Sample:
        taken = procache.seconds(workload.command, folder)
        return Sample(row, taken, folder, state, procache.account(folder), like)

    yield sample(COLD, "first")
    yield sample("procache, warm", "first", COLD)
    delete_outputs(folder)
    yield sample("procache, outputs deleted", "first", COLD)
    workload.change(folder)
    yield sample(CHANGED, "changed")


def _strace(workload: Workload, place: Path) -> Iterator[Sample]:
    folder = place / "strace"
    workload.fill(folder)
    strace = ("strace", "-f", "--seccomp-bpf", "-e", "trace=%file", "-o", str(place / "strace.log"))
    yield Sample("strace of file calls", seconds((*strace, *workload.command), folder), folder, "first")


def _make(workload: Workload, place: Path) -> Iterator[Sample]:
    """What make skips by itself, in the folder that the native run filled."""
    folder = place / "native"
    yield Sample("make, nothing to do", seconds(workload.command, folder), folder, "first")
    workload.change(folder)
    yield Sample("make, one input changed", seconds(workload.command, folder), folder, "changed")


def _ccache(workload: Workload, place: Path) -> Iterator[Sample]:
    folder = place / "ccache"
    workload.fill(folder)
    variables = {"CC": "ccache gcc", "CCACHE_DIR": str(place / "ccache-store")}

    def sample(row: str, state: State) -> Sample:
        return Sample(row, seconds(workload.command, folder, variables), folder, state)

    yield sample("ccache, cold", "first")
    yield sample("ccache, warm", "first")
    workload.change(folder)
    yield sample("ccache, one input changed", "changed")


def _floor(workload: Workload, place: Path) -> Iterator[Sample]:
    """What the one-input-changed run cannot do without: the driver's forks, and the one changed job."""
    folder = place / "floor"
    workload.fill(folder)
    workload.change(folder)
    yield Sample(FORKS, seconds(workload.forks, folder), folder, None)
    yield Sample(ONE_JOB, seconds(workload.one_job, folder), folder, None)


CONTENDERS: dict[str, Contender] = {
    "native": Contender((), _native),
    "make": Contender(("make",), _make),
    "procache": Contender((), _procache),
    "strace": Contender(("strace",), _strace),
    "ccache": Contender(("ccache",), _ccache),
    "floor": Contender((), _floor),
}


def missing(needs: tuple[str, ...]) -> list[str]:
    """Those of *needs*, commands and paths, that are not there."""
    return [need for need in needs if not (os.path.exists(need) if "/" in need else shutil.which(need, path=PATH))]
