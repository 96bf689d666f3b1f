"""All workloads, in the order in which they are run and reported."""

from __future__ import annotations

from benchmarks.workloads.base import Workload
from benchmarks.workloads.clustalw import DRIVERS, clustalw
from benchmarks.workloads.compiles import compiles
from benchmarks.workloads.families import families
from benchmarks.workloads.sorts import sorts

JOBS = 300
COMPILES = 40


def catalogue(jobs: int | None = None, full: bool = False) -> list[Workload]:
    """With *jobs* at most so many jobs in each; *full* means every family instead of the first 300."""
    alignments = len(families()) if full else JOBS
    return [
        sorts(min(JOBS, jobs or JOBS)),
        *(clustalw(driver, min(alignments, jobs or alignments)) for driver in DRIVERS),
        compiles(min(COMPILES, jobs or COMPILES)),
    ]
