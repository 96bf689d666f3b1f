"""Going back from a commit that failed half way, so that the program finds everything as it was.

What a step takes away keeps another name until all steps are done. A process that is killed in between leaves those
names behind (``.procache-…``), and nothing is lost.
"""

from __future__ import annotations

import os
import stat


class Undo:
    """The way back: what was done to which names, in order."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        #: (path, name under which what was there is kept, what it was); b"" where there was nothing
        self.steps: list[tuple[bytes, bytes, os.stat_result | None]] = []

    def made(self, path: bytes) -> None:
        """A name was made where none was."""
        self.steps.append((path, b"", None))

    def remove(self, path: bytes, tag: bytes) -> None:
        """Remove what is at ``path``, kept under a name that begins with ``tag``. A folder must be empty.

        Raises OSError.
        """
        st = os.lstat(path)
        name = tag + b"kept-%d" % len(self.steps)
        if stat.S_ISDIR(st.st_mode):
            os.rmdir(path)
            self.steps.append((path, b"", st))
        else:
            os.rename(path, name)
            self.steps.append((path, name, None))

    def keep(self, path: bytes, tag: bytes) -> None:
        """Have another name, beginning with ``tag``, for the file at ``path``, which is about to be replaced."""
        name = tag + b"kept-%d" % len(self.steps)
        try:
            os.link(path, name, follow_symlinks=False)
        except OSError:  # a file system without links, or a file of somebody else: there is no way back
            return
        self.steps.append((path, name, None))

    def back(self) -> None:
        """Put everything back as far as that goes."""
        for path, name, folder in reversed(self.steps):
            try:
                if name:
                    os.rename(name, path)
                    if os.path.lexists(name):  # two names of one file: rename(2) does nothing then
                        os.unlink(name)
                elif folder is None and os.path.isdir(path) and not os.path.islink(path):
                    os.rmdir(path)
                elif folder is None:
                    os.unlink(path)
                else:
                    os.mkdir(path, 0o700)
                    os.chown(path, folder.st_uid, folder.st_gid)
                    os.chmod(path, stat.S_IMODE(folder.st_mode))
            except OSError:
                pass  # the others all the same
        self.steps.clear()

    def forget(self) -> None:
        """Everything is done: what was kept is not needed."""
        for _, name, _ in self.steps:
            try:
                if name:
                    os.unlink(name)
            except OSError:
                pass  # in a folder that lets nothing be removed any more
        self.steps.clear()
