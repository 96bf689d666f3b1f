"""Multiple alignments of protein families with clustalw, under the drivers that people use."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.workloads.base import Workload, write_all
from benchmarks.workloads.families import first

JOB = """\
clustalw -ALIGN -INFILE=fam/$1.fa -OUTFILE=out/$1.aln -NEWTREE=out/$1.dnd -QUIET > out/$1.log
"""

SH = """\
for path in fam/*.fa; do
    n=${path#fam/} n=${n%.fa}
    clustalw -ALIGN -INFILE=fam/$n.fa -OUTFILE=out/$n.aln -NEWTREE=out/$n.dnd -QUIET > out/$n.log
done
"""

FORKS = """\
for path in fam/*.fa; do
    n=${path#fam/} n=${n%.fa}
    ( : )
done
"""

# subprocess closes the descriptors of each child with close_range.
PYTHON = """\
import os
import subprocess

for name in sorted(os.listdir("fam")):
    n = name.removesuffix(".fa")
    files = [f"-INFILE=fam/{n}.fa", f"-OUTFILE=out/{n}.aln", f"-NEWTREE=out/{n}.dnd"]
    with open(f"out/{n}.log", "wb") as log:
        subprocess.run(["clustalw", "-ALIGN", *files, "-QUIET"], stdout=log, check=True, close_fds=True)
"""

MAKEFILE = """\
all: $(patsubst fam/%.fa,out/%.aln,$(wildcard fam/*.fa))

out/%.aln: fam/%.fa
\t@clustalw -ALIGN -INFILE=$< -OUTFILE=$@ -NEWTREE=out/$*.dnd -QUIET > out/$*.log
"""

DRIVERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sh": (("sh", "driver.sh"), ("native", "procache", "strace", "floor")),
    "python": ((sys.executable, "driver.py"), ("native", "procache")),
    "xargs": (("xargs", "-a", "names", "-n1", "-P2", "sh", "job.sh"), ("native", "procache")),
    "parallel": (("parallel", "--will-cite", "-a", "names", "-j2", "sh", "job.sh"), ("native", "procache")),
    "make": (("make", "-j2"), ("native", "make", "procache")),
}
"""Name -> its command, and what it is measured with."""


def clustalw(driver: str, jobs: int) -> Workload:
    names = list(first(jobs))
    changed = names[len(names) // 2]
    command, contenders = DRIVERS[driver]

    def fill(folder: Path) -> None:
        drivers = {
            "driver.sh": SH,
            "driver.py": PYTHON,
            "job.sh": JOB,
            "forks.sh": FORKS,
            "Makefile": MAKEFILE,
        }
        drivers["names"] = "".join(f"{name}\n" for name in names)
        write_all(folder, drivers | {f"fam/{name}.fa": text for name, text in first(jobs).items()})

    def change(folder: Path) -> None:
        path = folder / "fam" / f"{changed}.fa"
        path.write_text(path.read_text().rstrip("\n") + "A\n")  # one residue more in the last sequence

    return Workload(
        name=f"clustalw-{driver}",
        title=f"{len(names)} × clustalw, driven by {' '.join(Path(word).name for word in command)}",
        family="clustalw",
        jobs=len(names),
        needs=("clustalw", command[0]),
        command=command,
        fill=fill,
        change=change,
        contenders=contenders,
        forks=("sh", "forks.sh"),
        one_job=("sh", "job.sh", changed),
        explained=driver == "sh",
    )
