"""From reads to variants: bwa, samtools and bcftools, over temporary files and pipelines."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.workloads.base import Varying, Workload, write_all

EXAMPLES = "/usr/share/samtools/test/mpileup"
"""Of Debian's package samtools-test: reads of three people of the 1000 Genomes Project, and the part of
chromosome 17 where they lie."""
SAMPLES = (1, 2, 3)

DRIVER = """\
set -e
cp in/ref.fa out/ref.fa
bwa index out/ref.fa 2> out/index.log
samtools faidx out/ref.fa
for path in in/*.bam; do
    n=${path#in/} n=${n%.bam}
    samtools collate -o out/$n.collated.bam in/$n.bam out/$n.tmp
    samtools fastq -n -1 out/$n.1.fq -2 out/$n.2.fq -s out/$n.0.fq -0 /dev/null out/$n.collated.bam 2> out/$n.fastq.log
    bwa mem -t 2 -R "@RG\\\\tID:$n\\\\tSM:$n" out/ref.fa out/$n.1.fq out/$n.2.fq 2> out/$n.mem.log |
        samtools sort -@ 2 -o out/$n.bam -
    samtools index out/$n.bam
    samtools flagstat out/$n.bam > out/$n.flagstat
done
bcftools mpileup -f out/ref.fa out/?.bam 2> out/mpileup.log | bcftools call -mv -o out/calls.vcf 2> out/call.log
bcftools stats out/calls.vcf > out/calls.stats
"""

SECONDS = rb"\d+\.\d+ (CPU sec|real sec|sec\b)|CPU: \d+\.\d+"
TIMES = "times taken, from gettimeofday(2) and getrusage(2)"
VARIES = (
    Varying("out/index.log", SECONDS, TIMES),
    Varying("out/*.mem.log", SECONDS, TIMES),
    Varying("out/calls.vcf", rb"(?m)Date=.*$", "the date, from time(2)"),
)


def reads() -> Workload:
    def fill(folder: Path) -> None:
        write_all(folder, {"driver.sh": DRIVER})
        (folder / "in").mkdir()
        shutil.copyfile(f"{EXAMPLES}/mpileup.ref.fa", folder / "in" / "ref.fa")
        for sample in SAMPLES:
            shutil.copyfile(f"{EXAMPLES}/mpileup.{sample}.bam", folder / "in" / f"{sample}.bam")

    def change(folder: Path) -> None:
        """Leave out the first read of the second sample."""
        path = folder / "in" / "2.bam"
        sam = subprocess.run(["samtools", "view", "--no-PG", "-h", path], capture_output=True, check=True).stdout
        shorter = re.sub(rb"(?m)^[^@].*\n", b"", sam, count=1)
        bam = subprocess.run(["samtools", "view", "--no-PG", "-b", "-"], input=shorter, capture_output=True, check=True)
        path.write_bytes(bam.stdout)

    return Workload(
        name="reads",
        title=f"{len(SAMPLES)} × (samtools collate, fastq; bwa mem | samtools sort; index), bcftools mpileup | call",
        family="reads",
        jobs=6 * len(SAMPLES) + 5,
        needs=("bwa", "samtools", "bcftools", EXAMPLES),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache"),
        varies=VARIES,
        explained=True,
    )
