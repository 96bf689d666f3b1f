"""All workloads, in the order in which they are run and reported."""

from __future__ import annotations

from benchmarks.workloads.base import Workload
from benchmarks.workloads.clustalw import DRIVERS, clustalw
from benchmarks.workloads.compiles import compiles
from benchmarks.workloads.families import families
from benchmarks.workloads.hmmer import hmmer
from benchmarks.workloads.mothur import mothur
from benchmarks.workloads.raxml import raxml
from benchmarks.workloads.reads import reads
from benchmarks.workloads.sorts import sorts

JOBS = 300
COMPILES = 40
SEARCHED = 904
TREES = 3
TOOLS = ("clustalw-sh", "hmmer", "raxml", "reads", "mothur")
"""The workloads of bioinformatics tools, one of each."""


def catalogue(jobs: int | None = None, full: bool = False) -> list[Workload]:
    """With *jobs* at most so many jobs in each; *full* means every family instead of the first 300."""
    alignments = len(families()) if full else JOBS
    return [
        sorts(min(JOBS, jobs or JOBS)),
        *(clustalw(driver, min(alignments, jobs or alignments)) for driver in DRIVERS),
        compiles(min(COMPILES, jobs or COMPILES)),
        hmmer(min(SEARCHED, jobs or SEARCHED)),
        raxml(min(TREES, jobs or TREES)),
        reads(),
        mothur(),
    ]
