"""Going back from a commit that failed half way, so that the program finds everything as it was.

What a step takes away keeps another name until all steps are done. A process that is killed in between leaves those
names behind (``.procache-…``), and nothing is lost.
"""

from __future__ import annotations

import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from procache.replay.folders import Folders


class Undo:
    """The way back: what was done to which names, in order."""

    __slots__ = ("folders", "steps")

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        #: (path, name under which what was there is kept, what it was); b"" where there was nothing
        self.steps: list[tuple[bytes, bytes, os.stat_result | None]] = []

    def made(self, path: bytes) -> None:
        """A name was made where none was."""
        self.steps.append((path, b"", None))

    def remove(self, path: bytes, tag: bytes) -> None:
        """Remove what is at ``path``, kept under a name that begins with ``tag``. A folder must be empty.

        Raises OSError.
        """
        name = tag + b"kept-%d" % len(self.steps)
        st = self.folders.look(path)
        if st is not None and not stat.S_ISDIR(st.st_mode):
            self.folders.rename(path, name)
            self.steps.append((path, name, None))
        else:
            self.steps.append((path, b"", self.folders.remove(path)))

    def keep(self, path: bytes, tag: bytes) -> None:
        """Have another name, beginning with ``tag``, for the file at ``path``, which is about to be replaced."""
        name = tag + b"kept-%d" % len(self.steps)
        try:
            self.folders.link(name, path)
        except OSError:  # a file system without links, or a file of somebody else: there is no way back
            return
        self.steps.append((path, name, None))

    def back(self) -> None:
        """Put everything back as far as that goes."""
        for path, name, folder in reversed(self.steps):
            try:
                if name:
                    self.folders.rename(name, path)
                    if self.folders.look(name) is not None:  # two names of one file: rename(2) does nothing then
                        self.folders.drop(name)
                elif folder is None:
                    self.folders.remove(path)
                else:
                    self.folders.make_again(path, folder)
            except OSError:
                pass  # the others all the same
        self.steps.clear()

    def forget(self) -> None:
        """Everything is done: what was kept is not needed."""
        for _, name, _ in self.steps:
            try:
                if name:
                    self.folders.drop(name)
            except OSError:
                pass  # in a folder that lets nothing be removed any more
        self.steps.clear()
