"""Profiles of real alignments searched in real proteins: hmmbuild, hmmsearch with and without threads, jackhmmer."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.workloads.base import Varying, Workload, write_all
from benchmarks.workloads.families import first

EXAMPLES = "/usr/share/doc/hmmer/examples/tutorial"
"""Of Debian's package hmmer-examples: the alignments and sequences of the HMMER User's Guide."""
ALIGNMENTS = ("globins4", "fn3", "Pkinase")

DRIVER = """\
for path in in/*.sto; do
    n=${path#in/} n=${n%.sto}
    hmmbuild -o out/$n.build out/$n.hmm in/$n.sto
    hmmsearch -o out/$n.search --tblout out/$n.tbl out/$n.hmm in/proteins.fa
    hmmsearch --cpu 0 -o out/$n.search0 --domtblout out/$n.domtbl out/$n.hmm in/proteins.fa
done
jackhmmer -N 2 -o out/HBB_HUMAN.jackhmmer --tblout out/HBB_HUMAN.tbl in/HBB_HUMAN in/proteins.fa
"""

DATE = "the date, from time(2)"
VARIES = (
    Varying("out/*.hmm", rb"(?m)^DATE .*", DATE),
    Varying("out/*tbl", rb"(?m)^# Date:.*", DATE),
    Varying("out/*tbl", rb"(?m)^# Current dir:.*", "the working folder, from getcwd(2)"),
    Varying("out/*", rb"(?m)^# (CPU time|Mc/sec):.*", "times taken, from times(2)"),
)


def hmmer(families: int) -> Workload:
    """Searches in the proteins of so many *families*, and in HMMER's own 45 globins."""

    def fill(folder: Path) -> None:
        globins = Path(EXAMPLES, "globins45.fa").read_text()
        write_all(folder, {"driver.sh": DRIVER, "in/proteins.fa": "".join([globins, *first(families).values()])})
        for name in (*(f"{name}.sto" for name in ALIGNMENTS), "HBB_HUMAN"):
            shutil.copyfile(f"{EXAMPLES}/{name}", folder / "in" / name)

    def change(folder: Path) -> None:
        path = folder / "in" / "globins4.sto"
        path.write_text(path.read_text().replace("VLSPADKTNVKAAWGKVGA", "VLSPADKTNVKAAWGKVGG"))  # one residue

    return Workload(
        name="hmmer",
        title=f"{len(ALIGNMENTS)} × (hmmbuild, 2 × hmmsearch), jackhmmer, in the proteins of {families} families",
        family="hmmer",
        jobs=3 * len(ALIGNMENTS) + 1,
        needs=("hmmbuild", "hmmsearch", "jackhmmer", EXAMPLES),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache"),
        varies=VARIES,
        explained=True,
    )
