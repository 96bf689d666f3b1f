"""What a run left behind: every path below a folder with its type, mode and content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

Tree = dict[str, str]
"""Path below the folder -> type, mode and digest, as one word. Times are left out: runs differ in them."""


def snapshot(folder: Path) -> Tree:
    tree: Tree = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            tree[str(path.relative_to(folder))] = _state(path)
    return tree


def _state(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link:{os.readlink(path)}"
    if stat.S_ISREG(mode):
        return f"file:{stat.S_IMODE(mode):o}:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"{stat.S_IFMT(mode):o}:{stat.S_IMODE(mode):o}"


def differences(tree: Tree, reference: Tree) -> list[str]:
    """The paths that are not the same in both, sorted; empty when the trees are identical."""
    return sorted(path for path in tree.keys() | reference.keys() if tree.get(path) != reference.get(path))
