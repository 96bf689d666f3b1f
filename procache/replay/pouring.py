"""Files that keep their inode and get other content: others may have them open, or know them by other names.

What such a file held is not kept beside it, so pouring is the last that is done to names and contents, and room for all
that the files grow by is taken before anything is changed.
"""

from __future__ import annotations

import os

from procache import copying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.effects import Effect
    from procache.replay.folders import Folders


class Pours:
    """Open blobs on their way into files that are there."""

    __slots__ = ("folders", "waiting", "grown")

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        #: (path, effect, open blob), in the order in which the recorded run wrote the files last
        self.waiting: list[tuple[bytes, Effect, int]] = []
        #: (path, size before) of files that got room and are not poured yet
        self.grown: dict[bytes, int] = {}

    def add(self, path: bytes, effect: Effect, blob: int) -> None:
        """Have ``blob`` poured into the file at ``path``; it is closed then."""
        self.waiting.append((path, effect, blob))

    def make_room(self) -> None:
        """Take room for all. Raises OSError, with all files as they were."""
        try:
            for path, _, blob in self.waiting:
                target = self.folders.open_to_write(path)
                try:
                    size = os.fstat(target).st_size
                    if copying.make_room(blob, target):
                        self.grown[path] = size
                finally:
                    os.close(target)
        except OSError:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Give back room that is not used."""
        for path, size in self.grown.items():
            try:
                target = self.folders.open_to_write(path)
                try:
                    os.ftruncate(target, size)
                finally:
                    os.close(target)
            except OSError:
                pass  # the others all the same
        self.grown.clear()

    def pour(self) -> None:
        """Give all their content and attributes. Raises OSError."""
        while self.waiting:
            path, effect, blob = self.waiting[0]
            target = self.folders.open_to_write(path)
            try:
                self.grown.pop(path, None)
                copying.pour(blob, target)
            finally:
                os.close(target)
            self.folders.touch_up(effect)
            os.close(blob)
            del self.waiting[0]

    def close(self) -> None:
        """Let go of what is not poured."""
        for _, _, blob in self.waiting:
            os.close(blob)
        self.waiting.clear()
