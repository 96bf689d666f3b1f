"""Going back from a commit that failed half way, so that the program finds everything as it was.

What a step takes away keeps another name until all steps are done. A process that is killed in between leaves those
names behind, and nothing is lost: those of files that were replaced are temporaries as others are, and what was moved
out of the way is known by its name and left for a while (``store/litter``).
"""

from __future__ import annotations

import stat

from procache.store.staging import ASIDE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from procache.model import effects as fx
    from procache.replay.folders import Folders


class Undo:
    """The way back: what is to be done for that, in the opposite order, and the names that are kept for it."""

    __slots__ = ("folders", "steps", "kept", "went")

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        #: (function, its arguments)
        self.steps: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.kept: list[bytes] = []
        #: what folders that go were like before anything in them went
        self.went: dict[bytes, tuple[os.stat_result, fx.Xattrs | None]] = {}

    def add(self, step: Callable[..., object], *arguments: object) -> None:
        """What goes back from a step that is about to be made."""
        self.steps.append((step, arguments))

    def made(self, path: bytes) -> None:
        """A name was made where none was."""
        self.add(self.folders.remove, path)

    def attributes(self, path: bytes) -> None:
        """Owner, mode, times and extended attributes of what is at a path are about to change. Raises OSError."""
        st, xattrs = self.folders.attributes(path)
        self.add(self.folders.restore, path, st, xattrs)

    def going(self, paths: Iterable[bytes]) -> None:
        """These are about to be removed. Raises OSError."""
        for path in paths:
            st = self.folders.look(path)
            if st is not None and stat.S_ISDIR(st.st_mode):
                self.went[path] = self.folders.attributes(path)

    def remove(self, path: bytes, name: bytes) -> None:
        """Remove what is at ``path``, kept under another name that begins with ``name``. A folder must be empty.

        Raises OSError.
        """
        self.going([path] if path not in self.went else [])
        if path in self.went:
            self.folders.remove(path)
            self.add(self.folders.make_again, path, self.went[path][0])
            return
        name += ASIDE
        self.folders.rename(path, name)
        self._kept(name, path)

    def keep(self, path: bytes, name: bytes) -> None:
        """Have another name for the file at ``path``, which is about to be replaced.

        Raises OSError.
        """
        if self.folders.look(path) is None:  # it was in the way, and went already
            self.made(path)
            return
        try:
            self.folders.link(name, path)
        except OSError:  # a file system without links, or a file of somebody else
            self.remove(path, name)
        else:
            self._kept(name, path)

    def back(self) -> None:
        """Put everything back as far as that goes."""
        for step, arguments in reversed(self.steps):
            _try(step, *arguments)
        for path in sorted(self.went, reverse=True):  # when all is in them again
            _try(self.folders.restore, path, *self.went[path])
        self.steps.clear()

    def forget(self) -> None:
        """Everything is done: what was kept is not needed."""
        for name in self.kept:
            _try(self.folders.drop, name)  # perhaps in a folder that lets nothing be removed any more
        self.steps.clear()

    def _kept(self, name: bytes, path: bytes) -> None:
        self.kept.append(name)
        self.add(self._return, name, path)

    def _return(self, name: bytes, path: bytes) -> None:
        self.folders.rename(name, path)
        if self.folders.look(name) is not None:  # two names of one file: rename(2) does nothing then
            self.folders.drop(name)


def _try(step: Callable[..., object], *arguments: object) -> None:
    """One step of several that do not need each other."""
    try:
        step(*arguments)
    except OSError:
        pass  # the others all the same
