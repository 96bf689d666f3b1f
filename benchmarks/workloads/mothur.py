"""Sequences of a virus sorted into units with mothur, which renames and removes what it wrote a moment ago."""

from __future__ import annotations

import gzip
from pathlib import Path

from benchmarks.workloads.base import Varying, Workload, write_all

EXAMPLE = "/usr/share/doc/mothur/HA.fasta.gz"
"""Of Debian's package mothur: 599 haemagglutinin genes of influenza A."""

# With several processors mothur writes the distances in the order in which its threads come to an end.
DRIVER = """\
set -e
step() { # NAME COMMANDS
    mothur "#set.logfile(name=out/$n.$1.log); set.dir(output=out); $2" > out/$n.$1.out
}
for path in in/*.fasta; do
    n=${path#in/} n=${n%.fasta}
    step unique "unique.seqs(fasta=$path); rename.file(fasta=current, count=current, prefix=$n.reads)"
    step distances "dist.seqs(fasta=out/$n.reads.fasta, cutoff=0.03, processors=1)"
    step abundance "split.abund(fasta=out/$n.reads.fasta, count=out/$n.reads.count_table, cutoff=1)"
    step clusters "cluster(column=out/$n.reads.dist, count=out/$n.reads.count_table, method=furthest, precision=1000)"
    step summary "summary.single(list=out/$n.reads.fn.list, calc=nseqs-sobs-chao)"
    step rarefaction "rarefaction.single(list=out/$n.reads.fn.list, calc=sobs-chao, freq=10, processors=1)"
done
"""
STEPS = 6
PARTS = 3

TIMES = "times taken, from time(2)"
VARIES = tuple(
    Varying(files, pattern, TIMES)
    for files in ("out/*.log", "out/*.out")
    for pattern in (rb"It took \d+ sec", rb"(?m)^\d+\t\d+\t\d+$")
)


def mothur() -> Workload:
    def fill(folder: Path) -> None:
        sequences = [f">{text}" for text in gzip.decompress(Path(EXAMPLE).read_bytes()).decode().split(">")[1:]]
        parts = {f"in/{part}.fasta": "".join(sequences[part::PARTS]) for part in range(PARTS)}
        write_all(folder, {"driver.sh": DRIVER, **parts})

    def change(folder: Path) -> None:
        path = folder / "in" / "1.fasta"
        path.write_text(path.read_text().rstrip("\n")[:-1] + "A\n")  # the last base of the last sequence

    return Workload(
        name="mothur",
        title=f"{PARTS} × {STEPS} steps of mothur",
        family="mothur",
        jobs=PARTS * STEPS,
        needs=("mothur", EXAMPLE),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache"),
        varies=VARIES,
        explained=True,
    )
