"""Small trees of folders, files and links, and the kernel's answer to a path in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from procache.world.paths import Found, Resolver, Walk

#: name -> what it is: "/" a folder, "" a file, else the text of a link (``TOP`` stands for the top folder)
Tree = dict[str, str]


def build(top: Path, tree: Tree) -> None:
    """Make a tree; what cannot be made (a name below a file, say) is left out."""
    for name, what in tree.items():
        path = top / name
        try:
            if what == "/":
                path.mkdir()
            elif what:
                path.symlink_to(what.replace("TOP", str(top)))
            else:
                path.touch(exist_ok=False)
        except OSError:
            continue


def kernel(path: bytes, *, follow: bool) -> str:
    """Where the kernel gets to: a canonical path, or the name of an errno."""
    try:
        fd = os.open(path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def ours(path: bytes, *, follow: bool, resolver: Resolver | None = None) -> str:
    """Where the resolver gets to, in the same words."""
    found = (resolver or Resolver()).resolve(path, follow)
    if found.walk.error:
        return errno.errorcode[found.walk.error]
    if found.blocked:
        return "ELOOP"
    return errno.errorcode[found.st] if isinstance(found.st, int) else os.fsdecode(found.path)


def passed(found: Found) -> set[bytes]:
    """Every folder and link on the way, and where it ends."""
    names = {found.path, found.walk.folder, *found.walk.folders, *found.walk.links}
    for part in found.links:
        if isinstance(part, Walk):
            names |= {part.folder, *part.folders, *part.links}
        else:
            names.add(part)
    return names
