"""scripts/bench: measures the workloads and prints them as a table and, if asked, as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import machine, report, store
from benchmarks.arguments import positive
from benchmarks.measure import References, Result, measure
from benchmarks.processes import RunFailed, version
from benchmarks.workloads import TOOLS, Workload, catalogue


def main() -> int:
    options = _options()
    if options.store:
        described = machine.describe()
        print(machine.sentence(described), flush=True)
        return store.run(options.json, described)
    try:
        results = _run_all(_chosen(options), options.runs)
    except RunFailed as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        return 130
    if options.json:
        _write_json(options.json, options.runs, results)
    return 0 if all(result.correct for result in results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures procache, a native run and its peers in turn. Exit status 1: outputs differ.",
        epilog="$PROCACHE_BIN names another procache to measure.",
    )
    parser.add_argument("--runs", type=positive, metavar="N", help="rounds (default 3; 1 with --workloads)")
    parser.add_argument("--jobs", type=positive, metavar="N", help="at most N jobs in each workload")
    parser.add_argument("--full", action="store_true", help="align all 904 families, not the first 300")
    parser.add_argument("--only", metavar="NAME,…", help=f"of {', '.join(w.name for w in catalogue(1))}")
    parser.add_argument("--workloads", action="store_true", help=f"only {', '.join(TOOLS)}")
    parser.add_argument("--store", action="store_true", help="only look-ups in a store that grows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to FILE too")
    options = parser.parse_args()
    if options.workloads:
        options.only = ",".join([*TOOLS, *([options.only] if options.only else [])])
    options.runs = options.runs or (1 if options.workloads else 3)
    return options


def _chosen(options: argparse.Namespace) -> list[Workload]:
    """The workloads that --only names, by name or by family; else all."""
    workloads = catalogue(options.jobs, options.full)
    if options.only is None:
        return workloads
    names = set(options.only.split(","))
    if unknown := names - {name for workload in workloads for name in (workload.name, workload.family)}:
        sys.exit(f"bench: no workload is called {', '.join(sorted(unknown))}; see --help")
    return [workload for workload in workloads if names & {workload.name, workload.family}]


def _run_all(workloads: list[Workload], runs: int) -> list[Result]:
    print(f"{machine.sentence(machine.describe())}\n{version()}; rounds: {runs}", flush=True)
    references, results = References(), []
    for workload in workloads:
        _tell(f"{workload.name} …")
        results.append(measure(workload, runs, references, _tell))
        _tell("")
        print(f"\n{report.text(results[-1])}", flush=True)
    return results


def _tell(what: str) -> None:
    """How far it is, on the terminal's last line; nothing when nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


def _write_json(path: Path, runs: int, results: list[Result]) -> None:
    document = {
        "machine": machine.describe(),
        "procache": version(),
        "runs": runs,
        "workloads": [report.as_json(result) for result in results],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
