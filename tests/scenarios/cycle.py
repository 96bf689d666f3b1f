"""The life of one scenario: run, run again, run after the outputs are gone, run after one change.

At every step the run must equal a native run from the same state; where a hit is required it
must be one, and after the change the job that is concerned must not be skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .lab import Lab, same
from .results import Command, Run


@dataclass
class Cycle:
    """The runs of a scenario, for further questions."""

    first: Run
    again: Run
    warm: Run
    changed: Run


def cycle(
    lab: Lab,
    cmd: Command,
    *,
    change: Callable[[], object] | None = None,
    then: dict[str, Any] | None = None,
    job: str | None = None,
    hit: bool | None = True,
    again: bool | None = None,
    relevant: bool = True,
    free: bool = False,
    names: str | None = None,
    times: tuple[str, ...] = (),
    **how: Any,
) -> Cycle:
    """Lead ``cmd`` through its life.

    change    makes the one change; ``then`` instead overrides arguments of the run (``cmd`` too)
    job       the program (and arguments) that the change concerns; otherwise the command itself
    hit       True: the warm run must be a hit; False: never; None: either, if the result is right
    again     True: the second run, over the outputs of the first, must be a hit
    relevant  False: the change shows in no result, but a hit would still be wrong
    free      True: after the change a hit is right too, as long as the result is
    names     the reasons of the miss must name this path or word
    times     names whose modification times must be those of the native run
    """
    fresh = lab.save()
    first = lab.both(cmd, times=times, **how)
    assert first.root.outcome != "hit", "a hit in an empty cache"
    if hit is not None:
        _expect(first, job, "miss" if hit else "uncacheable")

    second = lab.both(cmd, **how)
    if again:
        _expect(second, None, "hit")

    warm = _warm(lab, fresh, cmd, first, times, how)
    if hit is not None:
        _expect(warm, None if hit else job, "hit" if hit else "uncacheable")
    if job and hit and isinstance(cmd, str):
        _skipped_below(lab, fresh, cmd, first, job, how)

    lab.restore(fresh)
    changed = _changed(lab, cmd, change, then or {}, times, how)
    assert not relevant or differs(first, changed), "the change has no influence on the native result"
    if free:
        return Cycle(first, second, warm, changed)
    assert changed.root.outcome != "hit", "a stale hit"
    if job:
        _ran(changed, job, names)
    elif names:
        _ran_with(changed.root, names)
    return Cycle(first, second, warm, changed)


def differs(one: Run, other: Run) -> bool:
    """True if the native results of two runs can be told apart."""
    assert one.native and other.native
    return one.native.seen() != other.native.seen()


def _expect(run: Run, job: str | None, outcome: str) -> None:
    """The command or the job has this outcome; a job that is done again in the same run may then be a hit."""
    found = run.of(job) if job else [run.root]
    assert found, f"no execution of {job}: {run.executions}"
    for execution in found[: 1 if outcome == "miss" else None]:
        assert execution.outcome == outcome, f"expected {outcome}: {execution}"


def _warm(lab: Lab, fresh: Any, cmd: Command, first: Run, times: tuple[str, ...], how: dict[str, Any]) -> Run:
    lab.restore(fresh)
    run = lab.run(cmd, **how)
    assert first.native
    same(first.native, run, times)
    return run


def _skipped_below(lab: Lab, fresh: Any, cmd: str, first: Run, job: str, how: dict[str, Any]) -> None:
    """Another text of the same script: the shell runs, and the job below it is skipped."""
    run = _warm(lab, fresh, cmd + "\n# once more", first, (), how)
    assert run.root.outcome == "miss", run.root
    assert run.ran(job) == [], "not skipped"
    assert "hit" in {execution.outcome for execution in run.executions}, run.executions


def _changed(
    lab: Lab,
    cmd: Command,
    change: Callable[[], object] | None,
    then: dict[str, Any],
    times: tuple[str, ...],
    how: dict[str, Any],
) -> Run:
    assert change or then, "a scenario needs a change"
    if change:
        change()
    return lab.both(then.get("cmd", cmd), times=times, **{**how, **{k: v for k, v in then.items() if k != "cmd"}})


def _ran(run: Run, job: str, names: str | None) -> None:
    found = run.of(job)
    assert found, f"{job} neither ran nor is it named: {run.executions}"
    assert found[0].outcome != "hit", f"a stale hit: {found[0]}"
    if names:
        _ran_with(found[0], names)


def _ran_with(execution: Any, names: str) -> None:
    assert names in repr(execution.reasons), f"the reasons do not name {names}: {execution}"
