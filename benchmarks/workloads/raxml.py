"""Phylogenies of protein families: an alignment, a tree with bootstraps, and bootstraps alone by threads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.workloads.base import Varying, Workload, write_all
from benchmarks.workloads.families import smallest

# Debian's raxmlHPC is a script that asks for the number of cores. Threads of RAxML wait by spinning: where other
# programs run too, it takes a hundred times as long, so that these trees are small ones.
# RAxML refuses to write over its own outputs, so that scripts remove them first.
DRIVER = """\
rm -f out/RAxML_*
for path in in/*.fa; do
    n=${path#in/} n=${n%.fa}
    clustalw -ALIGN -INFILE=in/$n.fa -OUTPUT=PHYLIP -OUTFILE=out/$n.phy -NEWTREE=out/$n.dnd -QUIET > out/$n.log
    (cd out && raxmlHPC -f a -m PROTGAMMAWAG -x 12345 -p 12345 -N 2 -s $n.phy -n $n > $n.out)
    (cd out && raxmlHPC-PTHREADS -T 2 -m PROTCATWAG -b 12345 -p 12345 -N 2 -s $n.phy -n $n.threads > $n.threads.out)
done
"""

LINES = rb"(?m)^.*(\bTime\b|\btime for\b|\bsecs or\b|Time per).*$"
SOURCE = "lines of times taken, from gettimeofday(2); a copy of RAxML_info goes to its stdout"
FOLDER, GETCWD = rb"/\S+/(?=RAxML_)", "the folder of the outputs, from getcwd(2)"
VARIES = tuple(
    Varying(files, pattern, source)
    for files in ("out/RAxML_info.*", "out/*.out")
    for pattern, source in ((LINES, SOURCE), (FOLDER, GETCWD))
)


def raxml(families: int) -> Workload:
    names = list(smallest(families))
    changed = names[len(names) // 2]

    def fill(folder: Path) -> None:
        write_all(folder, {"driver.sh": DRIVER, **{f"in/{name}.fa": text for name, text in smallest(families).items()}})

    def change(folder: Path) -> None:
        path = folder / "in" / f"{changed}.fa"
        path.write_text(path.read_text().rstrip("\n") + "A\n")  # one residue more in the last sequence

    return Workload(
        name="raxml",
        title=f"{families} × (clustalw, raxmlHPC -f a, raxmlHPC-PTHREADS -b)",
        family="raxml",
        jobs=3 * families,
        needs=("clustalw", "raxmlHPC", "raxmlHPC-PTHREADS"),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache"),
        varies=VARIES,
        explained=True,
    )
