"""One case through its life: every run is compared with a native one from the same state.

first         in a fresh box
again         over the outputs of the first
replay        in a fresh box
below         in a fresh box, as the child of a program that is new every time
for each change, in a fresh box with the changed input:
  CHANGE        compared with a native run on the changed input
  CHANGE again  over its outputs, as the child of a new program
back          in a fresh box, without any change
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from common.results import Result, differences

from .box import Box, Unusable, possible, words
from .cachers import Cacher
from .case import Case, Change, Hit, Start

GRAIN = 10**7  # ns: the kernel's clock for files may be so much behind


@dataclass
class Check:
    """One run that was compared. ``outcome`` is None where the cacher does not tell."""

    stage: str
    changed: bool  # after a change of an input
    differences: list[str]
    expected: Hit
    outcome: str | None
    known: str = ""

    @property
    def stale(self) -> bool:
        """An old result was given for a new input."""
        return self.changed and bool(self.differences) and self.outcome in ("hit", None)

    @property
    def faults(self) -> list[str]:
        """What is wrong, one line each."""
        lines = [f"{self.stage}: {line}" for line in self.differences]
        if self.outcome == "hit" and self.expected is Hit.FORBIDDEN:
            lines.append(f"{self.stage}: a hit, which is forbidden")
        if self.outcome not in ("hit", None) and self.expected is Hit.REQUIRED:
            lines.append(f"{self.stage}: a hit is required, and it was: {self.outcome}")
        return lines


@dataclass
class Verdict:
    """All checks of a case; ``skipped`` names what the machine lacks, ``unusable`` what is wrong with the case."""

    case: str
    checks: list[Check] = field(default_factory=list)
    skipped: str = ""
    unusable: str = ""

    def faults(self) -> list[str]:
        """What is wrong and not known to be, and what is known to be wrong and is not."""
        lines = [self.unusable] if self.unusable else []
        for check in self.checks:
            if not check.known:
                lines += check.faults
        for reason in self.known():
            if not any(check.faults for check in self.checks if check.known == reason):
                lines.append(f"this is right now, and was known to fail: {reason}")
        return lines

    def known(self) -> set[str]:
        """The reasons of known failures that the case names."""
        return {check.known for check in self.checks if check.known}


def examine(case: Case, cacher: Cacher, root: Path, programs: Path) -> Verdict:
    """Lead a case through its life, in a folder of its own below ``root``."""
    if missing := possible(case.needs):
        return Verdict(case.name, skipped=missing)
    place = root / re.sub(r"[^A-Za-z0-9]+", "-", case.name)
    place.mkdir()  # without blanks: shell texts may use $TMPDIR as it comes
    verdict = Verdict(case.name)
    trial = Trial(case, cacher, Box(place, programs))
    try:
        verdict.checks.extend(trial.all())
    except (Unusable, AssertionError, OSError) as error:
        verdict.unusable = f"{trial.stage}: {error}"
    finally:
        trial.box.close()
    return verdict


class Native(NamedTuple):
    """A native run, and the names whose times must be as it left them: those that are not of its own time."""

    result: Result
    times: tuple[str, ...]

    def seen(self) -> tuple[object, ...]:
        """All that the run did, with the times that it set."""
        before, after = self.result.before.times, self.result.after.times
        names = map(os.fsencode, self.times)
        return *self.result.seen(), {name: after.get(name) for name in names if after.get(name) != before.get(name)}


class Trial:
    """The runs of one case."""

    def __init__(self, case: Case, cacher: Cacher, box: Box) -> None:
        self.case, self.cacher, self.box = case, cacher, box
        self.cache = box.root / "cache"
        self.cache.mkdir()
        self.env = cacher.environment(self.cache)
        self.stage = "preparing"
        self._fresh = 0

    def all(self) -> Iterator[Check]:
        """All checks, in order."""
        case, start = self.case, self.case.start
        state = self.box.prepare(case.given)
        native, over = self._natively(state, start)
        known = (native.seen(), over.seen())
        self.box.reset(state)
        yield self._check("first", native, start, Hit.FORBIDDEN)
        yield self._check("again", over, start, case.again)
        self.box.reset(state)
        yield self._check("replay", native, start, case.hit)
        self.box.reset(state)
        yield self._check("below", native, self._below(start), case.below or case.hit, below=True)
        for change in case.changes:
            yield from self._changed(state, known, change)
        if case.changes:
            self.box.reset(state)
            yield self._check("back", native, start, case.hit)

    def _changed(self, state: Path, known: tuple[object, ...], change: Change) -> Iterator[Check]:
        self.stage = change.name
        start = self.case.started(change)
        other = self.box.altered(state, change.do)
        native, over = self._natively(other, start)
        if change.hit is Hit.FORBIDDEN and native.seen() in known:
            raise Unusable("natively all is as in the first run, or as in that over its outputs: a hit may be right")
        self.box.reset(other)
        yield self._check(change.name, native, start, change.hit, change)
        yield self._check(f"{change.name}, again", over, self._below(start), Hit.ALLOWED, change, below=True)

    def _natively(self, state: Path, start: Start) -> tuple[Native, Native]:
        """A native run in a fresh box, and another one over its outputs."""
        self.box.reset(state)
        return self._native(start), self._native(start)

    def _native(self, start: Start) -> Native:
        result = self.box.run([], start, self.env)
        soon = time.time_ns() + 10**9
        times = result.after.times.items()
        set_by_hand = [os.fsdecode(name) for name, at in times if not self.box.born - GRAIN <= at <= soon]
        return Native(result, (*self.case.times, *set_by_hand))

    def _check(
        self,
        stage: str,
        native: Native,
        start: Start,
        expected: Hit,
        change: Change | None = None,
        below: bool = False,
    ) -> Check:
        self.stage = stage
        told = self.cacher.known(self.cache)
        result = self.box.run(self.cacher.prefix(self.cache), start, self.env)
        lines = differences(native.result, result, native.times)
        known = change.known if change else self.case.known
        return Check(stage, change is not None, lines, expected, self._outcome(told, below), known)

    def _below(self, start: Start) -> Start:
        self._fresh += 1
        return replace(start, cmd=[str(self.box.programs / "below"), str(self._fresh), *words(start.cmd)])

    def _outcome(self, told: set[Path], below: bool) -> str | None:
        if not self.cacher.tells:
            return None
        executions = self.cacher.executions(self.cache, told)
        roots = [execution for execution in executions if execution.parent is None]
        if not roots or roots[0].outcome == "hit":
            return roots[0].outcome if roots else "not told"
        if self.case.job:
            found = [execution for execution in executions if execution.matches(self.case.job)]
            # What is not told was inside of something that was skipped.
            found = found or [execution for execution in executions if execution.outcome == "hit"]
        else:
            found = [execution for execution in executions if execution.parent == roots[0].id] if below else roots
        return found[0].outcome if found else "not told"
