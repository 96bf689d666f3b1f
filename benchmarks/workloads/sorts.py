"""Short jobs of three executions each: what tracing costs at its worst, since they do little but start."""

from __future__ import annotations

from pathlib import Path

from benchmarks.workloads.base import Workload, write_all
from benchmarks.workloads.families import first

DRIVER = """\
for path in in/*; do
    n=${path#in/}
    sh -c "sort in/$n > out/$n; wc out/$n > out/$n.count"
done
"""

FORKS = """\
for path in in/*; do
    n=${path#in/}
    ( : )
done
"""


def sorts(jobs: int) -> Workload:
    names = list(first(jobs))
    changed = names[len(names) // 2]

    def fill(folder: Path) -> None:
        inputs = {f"in/{name}": text for name, text in first(jobs).items()}
        write_all(folder, {"driver.sh": DRIVER, "forks.sh": FORKS, **inputs})

    def change(folder: Path) -> None:
        with (folder / "in" / changed).open("a") as file:
            file.write("one more line\n")

    return Workload(
        name="exec-heavy",
        title=f"{len(names)} × sh -c 'sort in > out; wc out > cnt'",
        family="sorts",
        jobs=len(names),
        needs=("sort", "wc"),
        command=("sh", "driver.sh"),
        fill=fill,
        change=change,
        contenders=("native", "procache", "strace", "floor"),
        forks=("sh", "forks.sh"),
        one_job=("sh", "-c", f"sort in/{changed} > out/{changed}; wc out/{changed} > out/{changed}.count"),
    )
