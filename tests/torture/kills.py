"""kill -9: of procache or of everything, at random moments and at each call that touches the store.

Afterwards nothing that it started is alive, the store is in order, and the next run is right: in the work folder as it
was left, and in a fresh one. Where only the writer was killed, the run itself is as a native one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from procache.store.staging import PREFIX

from . import check
from .bench import Bench
from .faults import SCENES, Expected, Trial, begin, count, located, prepare, shortened
from .place import PROCACHE, Place, differences, ended
from .trap import Trap

#: Moments at random in the first part of a run; in some the run has ended before.
MOMENTS = 400
VERSIONS = 3
#: No run ends sooner than this (s).
SHORTEST = 0.01


class AtMoment(NamedTuple):
    """A kill after a part of the time that a run takes. ``tree``: of all processes, not only the first."""

    number: int
    part: float
    tree: bool
    version: int

    def __str__(self) -> str:
        return f"moment {self.number}: {'all' if self.tree else 'procache'} after {self.part:.3f} of a run"


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    expected = Expected(bench.place("native"))
    trials: list[Trial | AtMoment] = [*at_calls(bench, whole)]
    trials += [
        AtMoment(number, bench.random.random() * 0.9, bool(number % 2), number % VERSIONS)
        for number in range(MOMENTS if whole else 6)
    ]
    bench.random.shuffle(trials)

    def trial(place: Place, one: Trial | AtMoment) -> None:
        if isinstance(one, Trial):
            at_call(bench, place, expected, one)
        else:
            at_moment(bench, place, expected, one)

    bench.each(trials, trial, measure)


def at_calls(bench: Bench, whole: bool) -> Iterator[Trial]:
    """Each call that a scene makes in the store (and where outputs are replayed, in the work folder too)."""
    for scene in SCENES:
        place = bench.place(f"count-{scene[0]}")
        prepare(place)
        under = (Path("store"),) if scene[0] == "cold" else (Path("store"), Path("work"))
        calls = sum(count(place, scene, Trap(under=under)).values())
        bench.count(f"{scene[0]}: calls", calls)
        every = 1 if scene[0] in ("cold", "warm") else 3  # most of the calls of a mixed run are those of the others
        for point in range(1, calls + 1, every) if whole else bench.random.sample(range(1, calls + 1), 3):
            how = "kill" if (point + bench.seed) % 2 else "killall"
            yield Trial(*scene, Trap("all", under, point, point, how))


def at_call(bench: Bench, place: Place, expected: Expected, trial: Trial) -> None:
    """One kill at a call."""
    begin(place, trial.known, trial.version)
    seen = place.run(located(place, trial.trap))
    met = place.met()
    bench.count(f"{trial.scene}: killed at a call", bool(met.done))
    wrong = []
    if seen.status != -signal.SIGKILL:
        bench.count("of these, kills of the writer or a helper alone", bool(met.done))
        wrong += differences(expected.seen[trial.version], seen)
    wrong += aftermath(bench, place, expected, trial.version)
    bench.promise(not wrong, f"{trial} ({met.last.replace(str(place.root), '')}): {shortened(wrong)}")


def measure(place: Place) -> None:
    """The store of the warm scenes, and how long a first run takes (kept in a file of the place)."""
    start = time.monotonic()
    prepare(place)
    (place.root / "seconds").write_text(str(time.monotonic() - start))


def at_moment(bench: Bench, place: Place, expected: Expected, trial: AtMoment) -> None:
    """One kill at a moment: of a first run, or of one that finds the first version in the store."""
    process = begun(place, trial)
    killed = process.poll() is None
    if killed and trial.tree:
        os.killpg(process.pid, signal.SIGKILL)
    elif killed:
        process.kill()
    process.communicate(timeout=60)
    bench.count(f"killed at a moment, {'all processes' if trial.tree else 'procache alone'}", killed)
    wrong = [] if ended(process.pid) else ["something is still alive"]
    wrong += aftermath(bench, place, expected, trial.version)
    bench.promise(not wrong, f"{trial}: {shortened(wrong)}")


def begun(place: Place, trial: AtMoment) -> subprocess.Popen[bytes]:
    """A run at the moment at which it is to be killed; where it has ended by then, another one, half as far."""
    wait = trial.part * float((place.root / "seconds").read_text())
    while True:
        begin(place, 0 if trial.number // 2 % 3 else None, trial.version)
        process = place.start([*PROCACHE, "run", "--", "sh", "job"])
        time.sleep(wait)
        if process.poll() is None or wait < SHORTEST:
            return process
        process.communicate(timeout=60)
        wait /= 2


def reaped(temporaries: list[str], patience: float = 20.0) -> None:
    """Wait until the processes that the names tell are no zombies any more (w-HOST-PID-RANDOM)."""
    end = time.monotonic() + patience
    pids = [name.split("-")[2] for name in temporaries if name.startswith("w-")]
    while any(Path("/proc", pid).exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)


def litter(place: Place) -> list[str]:
    """Temporaries of replays in the work folder."""
    return [path.name for path in place.work.rglob("*") if os.fsencode(path.name).startswith(PREFIX)]


def aftermath(bench: Bench, place: Place, expected: Expected, version: int) -> list[str]:
    """What is wrong after a kill; counts what it left behind."""
    wrong = [] if ended(place.last) else ["something is still alive"]
    store = check.look(place.store)
    bench.count("temporaries left in the store", len(store.temporaries))
    wrong += store.faults
    if store.variants:
        verified = place.verb("verify")
        wrong += [f"verify: {verified.out + verified.err!r}"] * bool(verified.status)
    bench.count("temporaries of a replay left in the work folder", len(litter(place)))
    if store.temporaries or litter(place):
        reaped(store.temporaries)
        place.verb("gc")
        left = [*check.look(place.store).temporaries, *litter(place)]
        bench.count("of both, still there after the next gc", len(left))
        wrong += [f"{left} outlived gc"] * bool(left)
    wrong += [f"next, as it was left: {line}" for line in differences(expected.seen[version], place.run())]
    place.fresh(version)
    wrong += [f"next: {line}" for line in differences(expected.seen[version], place.run())]
    return wrong
