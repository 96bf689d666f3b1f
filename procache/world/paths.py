"""Resolving a path as the kernel does, and remembering every folder and link on the way.

A relative path is joined to its base and walked component by component (path_resolution(7)):
``..`` goes to the parent of the folder really reached, never by text. What is walked matters as
much as what is found: a symbolic link in the middle that is retargeted, or a folder that becomes a
link, changes the meaning of every path through it.
"""

from __future__ import annotations

import errno
import os
import stat

from procache.world.states import look

#: The kernel's limit of links in one resolution (MAXSYMLINKS, include/linux/namei.h).
MAX_LINKS = 40


class Walk:
    """The way to a folder: its canonical path, the folders and links that were passed.

    ``error`` is 0, or the errno where the way ends early; then ``folder`` is the path at which it
    ended. ``pseudo`` is set when the way leads into /proc, which means another thing to each
    process: ``folder`` is then the rest of the path, unresolved.
    """

    __slots__ = ("folder", "folders", "links", "error", "pseudo")

    def __init__(
        self, folder: bytes, folders: tuple[bytes, ...], links: tuple[bytes, ...], error: int = 0, pseudo: bool = False
    ) -> None:
        self.folder = folder
        self.folders = folders
        self.links = links
        self.error = error
        self.pseudo = pseudo


class Found:
    """Where a path leads: the walk to its folder, its canonical path, what is there (stat or errno).

    ``blocked``: the way ends early at something that is there but leads no further (a file, a loop of links).
    """

    __slots__ = ("walk", "path", "st", "links", "blocked")

    def __init__(self, walk: Walk, path: bytes, st: os.stat_result | int, links: tuple[Walk | bytes, ...] = ()) -> None:
        self.walk = walk
        self.blocked = bool(walk.error) and walk.error in (errno.ENOTDIR, errno.ELOOP)
        if self.blocked:
            st = look(path)
        self.path = path
        self.st = st
        self.links = links


ROOT = Walk(b"/", (), ())
_NOT_NAMES = frozenset((b"", b".", b".."))


class Resolver:
    """Resolves paths, keeping the walks to folders until ``forget`` says that a link or folder changed."""

    __slots__ = ("walks", "failed", "missing", "texts", "ends")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop every remembered walk: some folder or link was renamed, removed or made."""
        self.walks: dict[bytes, Walk] = {b"/": ROOT}
        #: those that ended early, and where
        self.failed: dict[bytes, Walk] = {}
        self.missing: set[bytes] = set()
        #: what the links say that were passed
        self.texts: dict[bytes, bytes] = {}
        #: path that ends in a link -> the way behind it: walks and links, the last walk, and the path it leads to
        self.ends: dict[bytes, tuple[tuple[Walk | bytes, ...], Walk, bytes]] = {}

    def walk(self, folder: bytes) -> Walk:
        """The walk to an absolute folder path, following links all the way."""
        known = self.walks.get(folder)
        if known is not None:
            return known
        failed = self.failed.get(folder)
        if failed is not None and look(failed.folder) == failed.error:  # no file is there by now, either
            return failed
        known = self._walk(folder)
        if known.error:
            self.failed[folder] = known
            self.missing.add(known.folder)
        elif not known.pseudo:
            self.walks[folder] = known
        return known

    def resolve(self, path: bytes, follow: bool, st: os.stat_result | int | None = None) -> Found:
        """Resolve the absolute ``path``; with ``follow``, also a link in its last component.

        ``st``: what was seen at the path a moment ago: no link, and its last component is a name.
        """
        head, _, name = path.rpartition(b"/")
        walk = self.walks.get(head)
        if walk is None and st is not None:
            walk = self.walk(head or b"/")
            if walk.error or walk.pseudo:
                return self._resolve(path, follow)
        if walk is not None and name not in _NOT_NAMES:  # most calls: a file in a folder that is known
            full = walk.folder + b"/" + name if walk.folder != b"/" else b"/" + name
            if st is None:
                st = look(full)
            if isinstance(st, int) or not follow or not stat.S_ISLNK(st.st_mode):
                return Found(walk, full, st)
            end = self.ends.get(path)
            if end is not None:
                st = look(end[2])
                if not isinstance(st, int) and not stat.S_ISLNK(st.st_mode):
                    return Found(end[1], end[2], st, end[0])
        return self._resolve(path, follow)

    def _text(self, link: bytes) -> bytes:
        text = self.texts[link] = os.readlink(link)
        return text

    def _resolve(self, path: bytes, follow: bool) -> Found:
        links: list[Walk | bytes] = []
        passed, asked = 0, path
        while True:
            head, _, name = path.rpartition(b"/")
            if name in _NOT_NAMES:  # a folder is meant, and it is followed
                return self._folder(path, links)
            walk = self.walk(head or b"/")
            if walk.error or walk.pseudo:
                end = walk.folder + b"/" + name if walk.pseudo else walk.folder
                return Found(walk, end, walk.error, tuple(links))
            full = walk.folder + b"/" + name if walk.folder != b"/" else b"/" + name
            st = look(full)
            if full == b"/proc" or not follow or isinstance(st, int) or not stat.S_ISLNK(st.st_mode):
                if links and not isinstance(st, int) and full != b"/proc":
                    self.ends[asked] = (tuple(links), walk, full)
                return Found(walk, full, st, tuple(links))
            passed += len(walk.links) + 1
            if passed > MAX_LINKS:
                looped = Found(walk, full, st, tuple(links))
                looped.blocked = True
                return looped
            links.append(walk)
            links.append(full)
            path = join(walk.folder, self._text(full))

    def _folder(self, path: bytes, links: list[Walk | bytes]) -> Found:
        walk = self.walk(path)
        if walk.error or walk.pseudo:
            return Found(walk, walk.folder, walk.error, tuple(links))
        return Found(walk, walk.folder, look(walk.folder), tuple(links))

    def _walk(self, path: bytes) -> Walk:
        todo = [part for part in reversed(path.split(b"/")) if part and part != b"."]
        here = b"/"
        folders: list[bytes] = []
        links: list[bytes] = []
        while todo:
            part = todo.pop()
            if part == b"..":
                here = here.rpartition(b"/")[0] or b"/"
                continue
            here = here + b"/" + part if here != b"/" else b"/" + part
            if here == b"/proc" and todo:
                rest = b"/".join([here, *reversed(todo)])
                return Walk(rest, tuple(folders), tuple(links), pseudo=True)
            st = look(here)
            if isinstance(st, int):
                return Walk(here, tuple(folders), tuple(links), error=st)
            if stat.S_ISDIR(st.st_mode):
                if here not in folders:
                    folders.append(here)
            elif stat.S_ISLNK(st.st_mode):
                if len(links) >= MAX_LINKS:
                    return Walk(here, tuple(folders), tuple(links), error=errno.ELOOP)
                links.append(here)
                target = self._text(here)
                here = b"/" if target.startswith(b"/") else here.rpartition(b"/")[0] or b"/"
                todo.extend(part for part in reversed(target.split(b"/")) if part and part != b".")
            else:
                return Walk(here, tuple(folders), tuple(links), error=errno.ENOTDIR)
        return Walk(here, tuple(folders), tuple(links))


def join(base: bytes, path: bytes) -> bytes:
    """``path`` made absolute over ``base``, with nothing collapsed."""
    if path.startswith(b"/"):
        return path
    return base + b"/" + path if base != b"/" else b"/" + path
