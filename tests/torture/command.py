"""The command line of the tortures."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import baddays, concurrency, damage, eviction, faults, kills, large, onefolder
from .bench import Bench
from .trap import build

TORTURES = {
    "concurrency": concurrency.torture,
    "onefolder": onefolder.torture,
    "kills": kills.torture,
    "faults": faults.torture,
    "damage": damage.torture,
    "eviction": eviction.torture,
    "baddays": baddays.torture,
    "large": large.torture,
}


def main() -> int:
    """Carry out the tortures that are asked for; 1 when a promise was broken."""
    options = _parse()
    root = Path(tempfile.mkdtemp(prefix="torture-", dir=options.folder))
    library = build(root)
    broken = 0
    try:
        for name in options.names or TORTURES:
            bench = Bench(root / name, library, seed=options.seed, jobs=options.jobs, limit=options.limit)
            TORTURES[name](bench, not options.quick)
            print_figures(name, bench)
            broken += len(bench.broken)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return int(broken > 0)


def print_figures(name: str, bench: Bench) -> None:
    """A table."""
    print(f"\n{name} (seed {bench.seed}, {bench.seconds():.0f} s)")
    for what, many in {**bench.figures, "promises broken": len(bench.broken)}.items():
        print(f"  {many:9,d}  {what}")
    sys.stdout.flush()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/torture", description="Torture the store, and print the figures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TORTURES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="the form that runs with the tests")
    parser.add_argument("--seed", type=int, default=1, help="what is chosen at random, to have it again (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials at once (default: the processors)")
    parser.add_argument(
        "--limit", type=float, default=math.inf, help="seconds after which no trial of a torture begins"
    )
    parser.add_argument("--folder", help="where to work (default: the folder for temporary files)")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in TORTURES]:
        parser.error(f"there is no torture {unknown[0]!r}; there are {', '.join(TORTURES)}")
    return options
