"""What a run left behind: every path below a folder with its type, mode and content."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.workloads.base import Varying

Tree = dict[str, str]
"""Path below the folder -> type, mode and digest, as one word. Times are left out: runs differ in them."""


def snapshot(folder: Path, varies: Sequence[Varying] = ()) -> Tree:
    """The tree below *folder*; what *varies* is left out of the digests."""
    tree: Tree = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            below = str(path.relative_to(folder))
            tree[below] = _state(path, [part.pattern for part in varies if fnmatchcase(below, part.files)])
    return tree


def _state(path: Path, patterns: list[bytes]) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link:{os.readlink(path)}"
    if stat.S_ISREG(mode):
        content = path.read_bytes()
        for pattern in patterns:
            content = re.sub(pattern, b"", content)
        return f"file:{stat.S_IMODE(mode):o}:{hashlib.sha256(content).hexdigest()}"
    return f"{stat.S_IFMT(mode):o}:{stat.S_IMODE(mode):o}"


def differences(tree: Tree, reference: Tree) -> list[str]:
    """The paths that are not the same in both, sorted; empty when the trees are identical."""
    return sorted(path for path in tree.keys() | reference.keys() if tree.get(path) != reference.get(path))
