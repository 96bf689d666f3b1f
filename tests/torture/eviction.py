"""Eviction beside runs: while processes replay what is in a store, another one keeps removing half of it.

Every run must be as a native one, whatever is taken away in the middle of its replay.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time

from common import journal

from . import check
from .bench import Bench
from .faults import shortened
from .place import PROCACHE, Place, Seen, differences

SECONDS = 60.0
VERSIONS = 6
#: Bytes to which the store is cut down: about half of what the versions need, or nothing at all.
SIZES = ("1M", "0")


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    end = time.monotonic() + (SECONDS if whole else 3.0)
    store = bench.root / "store"
    places = [bench.place(f"work-{number}") for number in range(bench.jobs)]
    for place in places:
        place.use(store)
    native = expected(places[0])
    runners = [threading.Thread(target=run_until, args=(bench, place, native, end)) for place in places]
    for runner in runners:
        runner.start()
    evict_until(bench, places[0], end)
    for runner in runners:
        runner.join()
    for outcome, many in outcomes(places[0]).items():
        bench.count(f"executions: {outcome}", many)
    for fault in check.look(store).faults:
        bench.promise(missing(fault), fault)


def missing(fault: str) -> bool:
    """True for a record whose blob was evicted, which is a miss."""
    return "which is not there" in fault


def expected(place: Place) -> list[Seen]:
    """Native runs."""
    found = []
    for version in range(VERSIONS):
        place.fresh(version)
        found.append(place.native())
    return found


def run_until(bench: Bench, place: Place, native: list[Seen], end: float) -> None:
    """Run one version after the other."""
    number = 0
    while time.monotonic() < end:
        version = number % VERSIONS
        place.fresh(version)
        seen = place.run()
        wrong = differences(native[version], seen)
        bench.count("runs beside evictions")
        bench.promise(not wrong, f"run {number} in {place.root.name}, version {version}: {shortened(wrong)}")
        number += 1


def evict_until(bench: Bench, place: Place, end: float) -> None:
    """Remove what was not used for longest, over and over."""
    number = 0
    while time.monotonic() < end:
        command = [*PROCACHE, "gc", "--json", "--max-size", SIZES[number % 5 == 4]]
        done = subprocess.run(command, env=place.env, capture_output=True)
        bench.promise(not done.returncode, f"gc ended with {done.returncode}: {done.stderr.decode()[-300:]}")
        bench.count("evictions")
        if not done.returncode:
            for kind, removed in json.loads(done.stdout)["removed"].items():
                bench.count(f"evicted: {kind}", removed["count"])
        number += 1


def outcomes(place: Place) -> dict[str, int]:
    """How many executions of the journals that are left were what, and how many replays came to nothing."""
    found = {"hit": 0, "miss": 0, "uncacheable": 0, "replay failed": 0}
    for path in journal.journals(place.store):
        for execution in journal.executions(path):
            found[execution.outcome] += 1
            found["replay failed"] += "replay-failed" in execution.codes()
    return found
