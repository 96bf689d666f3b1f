"""The protein families that come with the benchmarks (see data/ATTRIBUTION.md)."""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path, PurePath

ARCHIVE = Path(__file__).parent.parent / "data" / "fam904.tgz"


@cache
def families() -> dict[str, str]:
    """Number ("000" …) -> FASTA text, in order."""
    with tarfile.open(ARCHIVE) as archive:
        texts = {
            PurePath(member.name).stem: opened.read().decode()
            for member in archive
            if (opened := archive.extractfile(member))
        }
    return dict(sorted(texts.items()))


def first(jobs: int) -> dict[str, str]:
    return dict(list(families().items())[:jobs])


def smallest(jobs: int) -> dict[str, str]:
    """Those with the fewest members, and of these the first."""
    return dict(sorted(families().items(), key=lambda item: item[1].count(">"))[:jobs])
