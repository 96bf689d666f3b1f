"""Two runs at once in one folder, which write the same files with other contents, at all distances in time.

What the folder holds afterwards is theirs to fight over, as without procache. But nothing of it may pass for the result
of either later: each of them, and one that contains the same jobs, is run again in a fresh folder and compared with a
native run. The commands are such that each result depends on the arguments alone.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from common import journal

from . import check
from .bench import Bench
from .faults import shortened
from .place import PROCACHE, Place, Seen, differences

#: Writes by redirection, by the program itself, in place, by a rename; removes; and a copy of what was written.
SCRIPT = """\
for n in 1 2; do
    tr 0-9 $1 < in > redirected-$n
    sort -r -o own-$n redirected-$n
    cp redirected-$n new-$n && mv new-$n renamed-$n
    mkdir -p d && dd if=redirected-$n of=d/dd-$n status=none
    cat redirected-$n >> log
    rm -f passing && cp own-$n passing && cat passing >> log && rm -f passing
done
"""
WHO = ("a-j", "k-t")
#: The second begins so much later (parts of what one run takes); or it is a hit, which takes a moment only.
LATEST = 1.2


class Trial(NamedTuple):
    """How far apart the runs begin, and what is stored before: nothing, or the second one's results."""

    number: int
    apart: float
    known: bool

    def __str__(self) -> str:
        return f"{self.number}: {self.apart:.3f} of a run apart, {'one known' if self.known else 'nothing known'}"


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    trials = [Trial(number, bench.random.random() * LATEST, bool(number % 2)) for number in range(300 if whole else 6)]
    native = expected(bench.place("native"))
    bench.each(trials, lambda place, trial: attempt(bench, place, native, trial), measure)


def fresh(place: Place) -> None:
    """The folder as it is before any run."""
    place.fresh(0)
    (place.work / "script").write_text(SCRIPT)


def expected(place: Place) -> list[Seen]:
    """Native runs of both."""
    found = []
    for who in WHO:
        fresh(place)
        found.append(place.finish(place.start(["sh", "script", who])))
    return found


def measure(place: Place) -> None:
    """How long a first run takes (kept in a file of the place)."""
    fresh(place)
    start = time.monotonic()
    place.command(["sh", "script", WHO[0]])
    (place.root / "seconds").write_text(str(time.monotonic() - start))


def attempt(bench: Bench, place: Place, native: list[Seen], trial: Trial) -> None:
    """One trial."""
    place.put_store(None)
    fresh(place)
    if trial.known:
        place.command(["sh", "script", WHO[1]])
        fresh(place)
    known = journal.journals(place.store)
    seconds = float((place.root / "seconds").read_text())
    running = []
    for who in WHO:
        running.append(place.start([*PROCACHE, "run", "-q", "--", "sh", "script", who]))
        time.sleep(trial.apart * seconds if who == WHO[0] else 0)
    for process in running:
        process.communicate(timeout=60)
    runs = [journal.executions(path) for path in journal.journals(place.store) - known]
    codes = [code for run in runs for one in run for code in one.codes()]
    bench.count("trials")
    bench.count("trials in which one run saw the other", bool({"other-run", "changed-outside"} & set(codes)))
    bench.count("executions not recorded because of another run", codes.count("other-run"))
    bench.count("executions that were recorded", sum(one.outcome == "miss" for run in runs for one in run))
    wrong = check.look(place.store).faults
    left = os.listdir(place.store / "v2" / "claims")
    wrong += [f"left in claims: {left}"] * bool(left)
    for who, right in zip(WHO, native, strict=True):
        for around in ([], ["sh", "-c", '"$@"; exit $?', "sh"]):
            fresh(place)
            seen = place.command([*around, "sh", "script", who])
            wrong += [f"later, {who}: {line}" for line in differences(right, seen)]
    bench.promise(not wrong, f"{trial}: {shortened(wrong)}")
