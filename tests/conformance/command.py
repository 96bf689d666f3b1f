"""The command line of the battery."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time

from . import report
from .cases import CASES
from .pool import Pool


def main() -> int:
    """Run the cases that are asked for; 0 when nothing is wrong that is not known to be."""
    options = _parse()
    names = chosen(options.all, options.only)
    if not names:
        print(f"no case is named like {options.only}", file=sys.stderr)
        return 2
    if options.list:
        print(*names, sep="\n")
        return 0
    begin = time.monotonic()
    with Pool(names, options.cacher, options.jobs) as pool:
        verdicts = []
        for name, future in pool.verdicts.items():
            verdicts.append(future.result())
            for line in report.failures(verdicts[-1:]):
                print(line, flush=True)
            if sys.stderr.isatty():
                print(f"\r{len(verdicts)}/{len(names)} {name:60.60}", end="\r", file=sys.stderr)
    print("", *report.table(verdicts), "", *report.remarks(verdicts), sep="\n")
    print(f"\n{len(names)} cases in {time.monotonic() - begin:.0f} s, cacher: {options.cacher}")
    return int(any(verdict.faults() for verdict in verdicts))


def chosen(everything: bool, pattern: str) -> list[str]:
    """The names of the cases that a pattern (or nothing) selects."""
    if pattern:
        return fnmatch.filter(CASES, pattern)
    return [name for name, case in CASES.items() if everything or case.quick]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Run the conformance battery.")
    parser.add_argument("--all", action="store_true", help="all cases, not only the quick part")
    parser.add_argument("--only", default="", metavar="GLOB", help="the cases whose names match, like 'files/*'")
    parser.add_argument("--cacher", default="procache", help="procache, wrong, native, or a command prefix")
    parser.add_argument("--jobs", "-j", type=int, help="cases at once (default: one for each processor)")
    parser.add_argument("--list", action="store_true", help="only print the names")
    return parser.parse_args()
