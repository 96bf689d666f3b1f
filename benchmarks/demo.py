"""scripts/demo: the main job, end to end, on real data.

300 protein families are aligned by clustalw under one shell script: natively, under procache for the first
time (cold), again with nothing changed (warm), with the outputs deleted, and with one input changed. Every
file that a run left behind is compared with a native run's; the last row's with a native run on the changed
input.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from benchmarks import report
from benchmarks.arguments import positive
from benchmarks.measure import References, measure
from benchmarks.processes import RunFailed
from benchmarks.workloads.catalogue import JOBS
from benchmarks.workloads.clustalw import clustalw


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=__doc__,
        epilog="Exit status 1: outputs differ. $PROCACHE_BIN names another procache to show.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=positive, default=JOBS, metavar="N", help=f"families (default {JOBS})")
    workload = replace(clustalw("sh", parser.parse_args().jobs), contenders=("native", "procache"))
    print(f"Aligning {workload.jobs} protein families with clustalw, five times over.", flush=True)
    try:
        result = measure(workload, 1, References(), lambda what: print(f"  {what}", flush=True))
    except RunFailed as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        return 130
    print(f"\n{report.text(result)}\n")
    same = "byte-identical to" if result.correct else "NOT the same as"
    print(f"All outputs compared: they are {same} a native run's.")
    return 0 if result.correct and not result.missing else 1


if __name__ == "__main__":
    sys.exit(main())
