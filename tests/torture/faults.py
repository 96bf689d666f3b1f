"""Calls that fail: in the tracer, the writer and the warm path, one at a time and from one on.

Each trial is a run in which one call fails. It must be as a native run, with one line on stderr at most; the store
must be in order; and neither the same command nor one with another input may get anything stale afterwards.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import check
from .bench import Bench
from .place import Place, Seen, differences
from .trap import ALWAYS, Trap

#: What each kind of call can fail with. The first is taken where there is time for one only.
STORED: dict[str, tuple[int | str, ...]] = {
    "open": (errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOENT, errno.ESTALE),
    "write": (errno.ENOSPC, "short", errno.EIO, errno.EDQUOT),
    "fsync": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EDQUOT),
    "link": (errno.EMLINK, errno.ENOSPC, errno.EACCES),
    "close": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "mkdir": (errno.ENOSPC, errno.EACCES, errno.EDQUOT),
    "flock": (errno.ENOLCK, errno.EOPNOTSUPP),
    "fstat": (errno.EIO, errno.ESTALE),
    "read": (errno.EIO, errno.ESTALE),
    "copy": (errno.EIO, errno.ENOSPC, errno.EXDEV),
    "unlink": (errno.EACCES, errno.EIO),
    "truncate": (errno.EIO, errno.ENOSPC),
    "meta": (errno.EPERM, errno.EIO),
    "mmap": (errno.ENOMEM, errno.ENODEV),
    "ioctl": (errno.ENOTTY, errno.EIO),
}
#: What fills files: where it fails in an output itself, the command would have failed as well.
FILLING = ("write", "copy", "truncate")
#: And what can fail wherever it is.
ANYWHERE: dict[str, tuple[int | str, ...]] = {
    "open": (errno.EMFILE, errno.ENFILE),
    "pipe": (errno.EMFILE, errno.ENFILE),
    "memfd": (errno.EMFILE, errno.ENOMEM),
    "fork": (errno.EAGAIN, errno.ENOMEM),
    "mmap": (errno.ENOMEM,),
}
#: (name, version that the store knows, version that is run): a first run, a hit of the whole, a run with hits in it.
SCENES = (("cold", None, 0), ("warm", 0, 0), ("changed", 0, 1))


#: No more calls of one kind in one scene fail, one in each trial; of more, each second, third …
MOST = 30
QUICK = 10


class Trial(NamedTuple):
    """A trap in a scene."""

    scene: str
    known: int | None
    version: int
    trap: Trap

    def __str__(self) -> str:
        return f"{self.scene}: {self.trap}"


class Expected:
    """Native runs of each version."""

    def __init__(self, place: Place) -> None:
        self.seen: list[Seen] = []
        for version in range(3):
            place.fresh(version)
            self.seen.append(place.native())


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    expected = Expected(bench.place("native"))
    trials = [trial for scene in SCENES for trial in chosen(bench, scene, whole)]
    bench.random.shuffle(trials)
    trials = trials if whole else trials[:QUICK]
    bench.each(trials, lambda place, trial: attempt(bench, place, expected, trial), prepare)


def prepare(place: Place) -> None:
    """The store of the warm scenes. What the store writes is to outlive a power failure, so that fsync can fail too."""
    place.env["PROCACHE_FSYNC"] = "full"
    place.fresh(0)
    place.run()
    place.store.rename(template(place, 0) or place.root)


def template(place: Place, known: int | None) -> Path | None:
    """The store that knows a version."""
    return None if known is None else place.root / f"known-{known}"


def chosen(bench: Bench, scene: tuple[str, int | None, int], whole: bool) -> Iterator[Trial]:
    """The traps of a scene: each call that is made, or one in some of each kind."""
    place = bench.place(f"count-{scene[0]}")
    prepare(place)
    scopes: list[tuple[tuple[Path, ...] | str, dict[str, tuple[int | str, ...]]]] = [
        ((Path("store"), Path("work")), {kind: errors for kind, errors in STORED.items() if kind not in FILLING}),
        ((Path("store"), Path("work/.procache-")), {kind: STORED[kind] for kind in FILLING}),
        ("any", ANYWHERE),
    ]
    for under, kinds in scopes:
        counted = count(place, scene, Trap(under=under))
        for kind, actions in kinds.items():
            bench.count(f"{scene[0]}: calls that could fail", counted[kind])
            for trap in traps(bench, Trap(kind, under), counted[kind], actions, whole):
                yield Trial(*scene, trap)


def traps(bench: Bench, trap: Trap, calls: int, actions: tuple[int | str, ...], whole: bool) -> Iterator[Trap]:
    """Every call fails once, each time with another of the errors; and each error from some call on."""
    if not calls:
        return
    start = bench.random.randrange(len(actions))
    points = range(1 + bench.random.randrange(-(-calls // MOST)), calls + 1, -(-calls // MOST)) if whole else ()
    for point in points:
        yield trap._replace(first=point, last=point, do=actions[(start + point) % len(actions)])
    for action in actions if whole else actions[start : start + 1]:
        yield trap._replace(first=bench.random.randint(1, calls), last=ALWAYS, do=action)


def begin(place: Place, known: int | None, version: int) -> None:
    """Everything as it is before the run of a scene."""
    place.put_store(template(place, known))
    place.fresh(version)


def located(place: Place, trap: Trap) -> Trap:
    """The trap with folders of this place."""
    return trap if isinstance(trap.under, str) else trap._replace(under=tuple(place.root / part for part in trap.under))


def count(place: Place, scene: tuple[str, int | None, int], trap: Trap) -> dict[str, int]:
    """How many calls of each kind a scene makes."""
    begin(place, *scene[1:])
    place.run(located(place, trap))
    return place.met().kinds


def attempt(bench: Bench, place: Place, expected: Expected, trial: Trial) -> None:
    """One trial."""
    begin(place, trial.known, trial.version)
    seen = place.run(located(place, trial.trap))
    met = place.met()
    bench.count("trials")
    bench.count(f"{trial.scene}: trials in which a call failed", bool(met.done))
    wrong = differences(expected.seen[trial.version], seen)
    bench.count("runs that said a line", seen.err != expected.seen[trial.version].err)
    wrong += check.look(place.store).faults
    for version in (trial.version, 2):
        place.fresh(version)
        wrong += [f"later, version {version}: {line}" for line in differences(expected.seen[version], place.run())]
    bench.promise(not wrong, f"{trial} ({met.last.replace(str(place.root), '')}): {shortened(wrong)}")


def shortened(wrong: list[str]) -> str:
    """What went wrong, in a line."""
    return "; ".join(wrong[:4]) + (f"; and {len(wrong) - 4} more" if len(wrong) > 4 else "")
