"""The shape of a workload: a folder to fill, a command to run in it, and one input to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

OUTPUTS = "out"
"""The folder of the outputs. It is there before the run: a driver that makes it would, run again, meet
another state than the first time, and its second run would rightly not be a hit as a whole."""


class Varying(NamedTuple):
    """A part of an output in which two native runs differ: it is left out of a comparison with one."""

    files: str
    """Shell pattern of the paths below the folder."""
    pattern: bytes
    """Regular expression of that part."""
    source: str
    """What it is, and where the program has it from."""


@dataclass(frozen=True)
class Workload:
    """A job to measure.

    ``needs`` are commands, and paths of files, that must be there. ``fill`` lays the inputs and drivers in a
    folder, ``change`` then changes one input. Workloads of one ``family`` fill alike and leave the same files
    behind, so that one native run is the reference of all.
    """

    name: str
    title: str
    family: str
    jobs: int
    needs: tuple[str, ...]
    command: tuple[str, ...]
    fill: Callable[[Path], None]
    change: Callable[[Path], None]
    contenders: tuple[str, ...]
    forks: tuple[str, ...] = ()
    """The same driver with an empty subshell for each job: the least that any skipping can cost."""
    varies: tuple[Varying, ...] = ()
    explained: bool = False
    """Whether the report says of each run what was skipped, what ran, and why."""
    one_job: tuple[str, ...] = ()
    """The job whose input ``change`` changes, by itself."""


def write_all(folder: Path, files: dict[str, str]) -> None:
    """Writes each text under its path below *folder*, and makes the folder of the outputs."""
    (folder / OUTPUTS).mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def delete_outputs(folder: Path) -> None:
    for path in (folder / OUTPUTS).iterdir():
        path.unlink()
