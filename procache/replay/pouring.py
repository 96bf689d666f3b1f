"""Files that keep their inode and get other content: others may have them open, or know them by other names.

A copy of what such a file holds is kept until all is done: beside it without a name, where extents may be shared, or in
memory where it is small. Room is taken before anything is written, and none is given back before everything is
written: so what was there can be written over again whenever a step fails.
"""

from __future__ import annotations

import os

from procache import copying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.model.effects import Effect
    from procache.replay.folders import Folders
    from procache.replay.undo import Undo
    from procache.store.layout import Layout

    #: What a file holds or is to hold: as bytes, or as another open file.
    Content = bytes | int

#: Content of up to so many bytes is held in memory; longer content takes a descriptor.
SMALL = 1 << 14


class Pour:
    """One file: what it is to hold, and what it held."""

    __slots__ = ("effect", "path", "new", "old", "st")

    def __init__(self, path: bytes, effect: Effect, new: Content) -> None:
        self.path = path
        self.effect = effect
        self.new = new
        self.old: Content = b""
        self.st: os.stat_result | None = None


class Pours:
    """Contents on their way into files that are there."""

    __slots__ = ("layout", "folders", "waiting")

    def __init__(self, layout: Layout, folders: Folders) -> None:
        self.layout = layout
        self.folders = folders
        #: in the order in which the recorded run wrote the files last
        self.waiting: list[Pour] = []

    def add(self, path: bytes, effect: Effect, blob: int) -> None:
        """Have what the open file ``blob`` holds poured into the file at ``path``; it is closed when that is done."""
        try:
            self.waiting.append(Pour(path, effect, hold(blob)))
        except OSError:
            os.close(blob)
            raise

    def prepare(self, undo: Undo) -> None:
        """Keep what the files hold, and take room for all. Raises OSError; ``undo`` knows what was done."""
        for pour in self.waiting:
            self._at(pour, self._keep)
        for pour in self.waiting:
            undo.attributes(pour.path)
            undo.add(self._give_back, pour)
            self._at(pour, _make_room)

    def pour(self) -> None:
        """Give all their content, and then their attributes. Raises OSError."""
        for pour in self.waiting:
            self._at(pour, _fill)
        for pour in self.waiting:
            self._at(pour, _cut)
            self.folders.touch_up(pour.effect)

    def close(self) -> None:
        """Let go of all contents."""
        for pour in self.waiting:
            for content in (pour.new, pour.old):
                if isinstance(content, int):
                    os.close(content)
        self.waiting.clear()

    def _at(self, pour: Pour, step: Callable[[Pour, int], None]) -> None:
        """Do something to the file; raises OSError, also where it is another than the one that was kept."""
        target = self.folders.open_to_write(pour.path)
        try:
            if pour.st is not None and not os.path.samestat(pour.st, os.fstat(target)):
                raise FileExistsError(f"{os.fsdecode(pour.path)} was replaced")
            step(pour, target)
        finally:
            os.close(target)

    def _keep(self, pour: Pour, target: int) -> None:
        pour.st = os.fstat(target)
        if pour.st.st_size <= SMALL:
            pour.old = os.pread(target, SMALL, 0)
            return
        pour.old = self._unnamed(pour.path.rpartition(b"/")[0])
        copying.copy(target, pour.old)

    def _unnamed(self, folder: bytes) -> int:
        try:
            return self.folders.create_unnamed(folder)
        except OSError:  # the file system cannot do that, or only the file itself may be changed
            from procache.store import files

            return files.unnamed(self.layout)

    def _give_back(self, pour: Pour) -> None:
        """Give a file what it held; that it may be shorter than it is now comes last."""
        pour.new, pour.old = pour.old, pour.new
        self._at(pour, _fill)
        self._at(pour, _cut)


def hold(blob: int) -> Content:
    """What an open file holds: the bytes, and it is closed, or the file itself. Raises OSError."""
    st = os.fstat(blob)
    if st.st_size > SMALL:
        return blob
    data = os.pread(blob, SMALL, 0)
    os.close(blob)
    return data


def _make_room(pour: Pour, target: int) -> None:
    """Take the room that ``_fill`` needs. Raises OSError."""
    if isinstance(pour.new, int):
        copying.make_room(pour.new, target)
    else:
        copying.take_room(target, 0, len(pour.new))


def _fill(pour: Pour, target: int) -> None:
    """Write the new content over the old, of which nothing is freed. Raises OSError."""
    if isinstance(pour.new, int):
        copying.fill(pour.new, target)
        return
    done = 0
    while done < len(pour.new):
        done += os.pwrite(target, pour.new[done:], done)


def _cut(pour: Pour, target: int) -> None:
    """Let a file that was filled end where the new content ends. Raises OSError."""
    if isinstance(pour.new, int):
        copying.cut(pour.new, target)
    elif os.fstat(target).st_size != len(pour.new):
        os.ftruncate(target, len(pour.new))
