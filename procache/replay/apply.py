"""Effects put in place, all or nothing.

Everything that can fail is done beside the targets first (staging): content is copied out of the store
and checked, owners and modes are set. Only then are names changed. Where staging fails nothing has
changed, and the program runs for real. So it does where changing names fails half way: then what was done is
undone (``undo``). What is right already is looked at by its path; every change is made in a folder that was opened
without following links (``folders``).
"""

from __future__ import annotations

import errno
import os
import stat

from procache.errors import SCARCE
from procache.model import effects as fx
from procache.model.aspects import DIGEST, GID, MODE, MTIME, SIZE, UID, ChangedWhileReading, State
from procache.store import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from procache.model.effects import Effect
    from procache.replay.folders import Folders
    from procache.replay.pouring import Pours
    from procache.replay.undo import Undo
    from procache.store.layout import Layout
    from procache.world.view import World


class ReplayFailed(Exception):
    """Raised by staging; nothing has been changed. The message says why."""


class Staged:
    """Checked content: a file beside its target, to be renamed."""

    __slots__ = ("effect", "temporary", "fresh")

    def __init__(self, effect: Effect, temporary: bytes, *, fresh: bool) -> None:
        self.effect = effect
        self.temporary = temporary
        #: True where nothing is at the target
        self.fresh = fresh


class Replay:
    """The effects of one record on their way to their places."""

    __slots__ = (
        "layout",
        "world",
        "effects",
        "renew",
        "staged",
        "pours",
        "made",
        "removed",
        "touched_up",
        "linked",
        "undo",
        "written",
        "using",
        "claim",
        "makes",
        "anew",
        "_folders",
    )

    def __init__(self, layout: Layout, world: World, effects: list[Effect], *, renew: bool = False) -> None:
        self.layout = layout
        #: files that are right already get the time of now, as a run would give them: somebody goes by times
        self.renew = renew
        self.world = world
        self.effects = effects
        self.staged: list[Staged] = []
        #: files that are written in place, if any
        self.pours: Pours | None = None
        self.made: list[Effect] = []
        self.removed: list[Effect] = []
        self.touched_up: list[Effect] = []
        self.linked: list[Effect] = []
        #: the way back from a commit of several steps
        self.undo: Undo | None = None
        self.written = 0
        #: holds off the eviction of blobs while they are copied
        self.using = -1
        #: called before anything changes
        self.claim: Callable[[], object] = lambda: None
        #: folders that the record itself makes
        self.makes = {effect[fx.PATH] for effect in effects if effect[fx.KIND] == fx.DIR}
        #: those in the place of which something else is, such as a link: what is below that is none of the record's
        self.anew: set[bytes] = set()
        self._folders: Folders | None = None

    @property
    def folders(self) -> Folders:
        """The folders in which something is to change."""
        if self._folders is None:
            from procache.replay.folders import Folders  # most hits change nothing

            self._folders = Folders()
        return self._folders

    # -- staging ------------------------------------------------------------------------------------

    def stage(self) -> None:
        """Prepare everything. Raises ReplayFailed, with nothing changed."""
        try:
            for effect in sorted(self.effects, key=_staged_at):
                self._stage(effect)
            self._check_rights()
        except (*SCARCE, ReplayFailed) as error:
            self.abandon()
            raise ReplayFailed(str(error)) from error
        finally:
            locks.let_go(self.using)

    def _use_blobs(self) -> None:
        if self.using < 0:
            self.using = locks.using(self.layout)

    def _stage(self, effect: Effect) -> None:
        path, kind = effect[fx.PATH], effect[fx.KIND]
        st = errno.ENOENT if self.anew and inside(path, self.anew) else self.world.look_to_read(path)
        absent = isinstance(st, int)
        if kind == fx.FILE:
            self._stage_file(effect, st)
        elif kind == fx.GONE:
            if not absent:
                self.removed.append(effect)
        elif kind == fx.HARD:
            self.linked.append(effect)
        elif kind == fx.KEPT:
            if absent:
                raise ReplayFailed(f"{os.fsdecode(path)} is not there")
            self.touched_up.append(effect)
        elif not absent and stat.S_IFMT(st.st_mode) == effect_type(effect):  # type: ignore[union-attr]
            if kind == fx.LINK and os.readlink(path) != effect[fx.STATE]:
                self.removed.append(effect)
                self.made.append(effect)
            elif kind != fx.LINK or effect[fx.SET_MTIME] is not None:
                self.touched_up.append(effect)
        else:
            if not absent:
                self.removed.append(effect)
                if kind == fx.DIR:
                    self.anew.add(path)
            self.made.append(effect)

    def _check_rights(self) -> None:
        """Every folder in which a name is to change must let us; the rest of a commit cannot be undone."""
        paths = [effect[fx.PATH] for effect in (*self.removed, *self.made, *self.linked)]
        for folder in {path.rpartition(b"/")[0] for path in paths}:
            if self._is_there(folder) and not os.access(folder or b"/", os.W_OK | os.X_OK):
                raise ReplayFailed(f"{os.fsdecode(folder)} may not be changed")

    def _is_there(self, folder: bytes) -> bool:
        """True for a plain folder, False for one that will be made; raises ReplayFailed for any other."""
        try:
            self.folders.folder(folder)
        except OSError as error:
            if folder not in self.makes:
                raise ReplayFailed(f"{os.fsdecode(folder)} is no plain folder any more ({error.strerror})") from error
            return False
        return True

    def _stage_file(self, effect: Effect, st: os.stat_result | int) -> None:
        path, state = effect[fx.PATH], effect[fx.STATE]
        assert isinstance(state, tuple)
        if not isinstance(st, int):
            if stat.S_ISREG(st.st_mode) and st.st_size == state[SIZE] and self._same(path, st, state):
                self.touched_up.append(effect)
                return
            if stat.S_ISDIR(st.st_mode):
                self.removed.append(effect)
            if effect[fx.IN_PLACE] and stat.S_ISREG(st.st_mode):  # others may have it open, or know it by inode
                self._stage_pour(effect, state)
                return
        temporary = self._temporary(path)
        self.staged.append(Staged(effect, temporary, fresh=isinstance(st, int)))
        self._copy(effect, state, temporary)
        self.written += 1

    def _stage_pour(self, effect: Effect, state: State) -> None:
        from procache.replay.pouring import Pours  # few outputs are written in place

        if self.pours is None:
            self.pours = Pours(self.layout, self.folders)
        self.pours.add(effect[fx.PATH], effect, self._checked_blob(state))
        self.written += 1

    def _same(self, path: bytes, st: os.stat_result, state: State) -> bool:
        if self.world.same_file(state, st):
            return True
        try:
            return self.world.file_state(path, st)[DIGEST] == state[DIGEST]
        except (OSError, ChangedWhileReading):  # it is written anew
            return False

    def _temporary(self, path: bytes) -> bytes:
        """A new name beside ``path``, or in the nearest folder above it that is there already."""
        folder = path.rpartition(b"/")[0]
        while not self._is_there(folder):
            folder = folder.rpartition(b"/")[0]
        return self._name_in(folder)

    def _name_in(self, folder: bytes) -> bytes:
        """A new name in a folder that is there."""
        from procache.store import staging  # most hits restore nothing

        return staging.of(self.layout).temporary(folder)

    def _checked_blob(self, state: State) -> int:
        """A descriptor of a blob that holds what its name says."""
        from procache.store import blobs  # most hits restore nothing

        self._use_blobs()
        try:
            return blobs.open_plain(self.layout, state[DIGEST], state[SIZE])
        except blobs.BlobError as error:
            raise ReplayFailed(str(error)) from error

    def _copy(self, effect: Effect, state: State, temporary: bytes) -> None:
        """A checked copy of a blob, with owner, mode, attributes and time."""
        from procache.replay.folders import set_xattrs
        from procache.store import blobs

        self._use_blobs()
        target = self.folders.create(temporary)
        try:
            blobs.copy_to(self.layout, state[DIGEST], state[SIZE], target)
            st = os.fstat(target)
            if (st.st_uid, st.st_gid) != (state[UID], state[GID]):
                os.fchown(target, state[UID], state[GID])
            os.fchmod(target, stat.S_IMODE(state[MODE]))
            set_xattrs(target, effect[fx.XATTRS])
            if effect[fx.SET_MTIME] not in (None, fx.NOW):
                os.utime(target, ns=(effect[fx.SET_MTIME], effect[fx.SET_MTIME]))  # type: ignore[arg-type]
        except blobs.BlobError as error:
            raise ReplayFailed(str(error)) from error
        finally:
            os.close(target)

    def abandon(self) -> None:
        """Remove what was staged and is not in place."""
        for staged in self.staged:
            self._drop(staged)
        self.staged.clear()
        if self.pours is not None:
            self.pours.close()
        if self._folders is not None:
            self._folders.close()

    def _drop(self, staged: Staged) -> None:
        try:
            self.folders.drop(staged.temporary)
        except OSError:
            pass  # it was not made, or somebody else removed it

    # -- putting in place ---------------------------------------------------------------------------------

    def commit(self) -> None:
        """Change names, in an order in which each step finds what it needs. Raises OSError, with all as it was.

        Where nothing that goes is in the way, it goes last: a kill in between loses nothing. What is written in place
        follows when all names are changed.
        """
        steps = len(self.staged) + len(self.made) + len(self.removed) + len(self.linked)
        try:
            if steps or self.pours is not None:
                self.claim()
            if self.pours is not None or steps + (len(self.touched_up) if steps else 0) > 1:  # one is done or not
                self._undoable()
            self._steps()
            if self.undo is not None:
                self.undo.forget()
                self._times_of_folders()
        except BaseException:
            if self.undo is not None:
                self.undo.back()
            raise
        finally:
            self.abandon()

    def _undoable(self) -> Undo:
        """From now on steps can be undone."""
        if self.undo is None:
            from procache.replay.undo import Undo  # most hits change nothing

            self.undo = Undo(self.folders)
        return self.undo

    def _steps(self) -> None:
        if self.pours is not None:
            self.pours.prepare(self._undoable())
        in_the_way = any(effect[fx.KIND] != fx.GONE for effect in self.removed)
        if in_the_way:
            self._remove()
        self._put()
        if not in_the_way:
            self._remove()
        if self.pours is not None:
            self.pours.pour()
        self._touch_up()

    def _remove(self) -> None:
        going = {effect[fx.PATH] for effect in self.removed}
        if self.undo is not None:
            self.undo.going(going)
        for path in sorted(going, reverse=True):
            folder = path.rpartition(b"/")[0]
            while folder in going:  # what is kept must not be in a folder that goes
                folder = folder.rpartition(b"/")[0]
            self._go(path, folder)

    def _go(self, path: bytes, folder: bytes) -> None:
        """Remove a name; ``folder`` is where what it names can be kept until all is done."""
        if self.undo is None:
            self.folders.remove(path)
        else:
            self.undo.remove(path, self._name_in(folder))

    def _made(self, path: bytes) -> None:
        """Note that a name was made where none was."""
        if self.undo is not None:
            self.undo.made(path)

    def _put(self) -> None:
        for effect in sorted(self.made, key=_path):
            self.folders.make(effect)
            self._made(effect[fx.PATH])
        self.staged.reverse()
        while self.staged:
            staged = self.staged[-1]  # what was written first comes first
            path = staged.effect[fx.PATH]
            if self.undo is not None and not staged.fresh:
                self.undo.keep(path, self._name_in(path.rpartition(b"/")[0]))
            self.folders.rename(staged.temporary, path)
            if staged.fresh:
                self._made(path)
            self.staged.pop()
        for effect in self.linked:
            self._link(effect)

    def _link(self, effect: Effect) -> None:
        """Make a path another name of the file that an effect names."""
        path, source = effect[fx.PATH], effect[fx.STATE]
        assert isinstance(source, bytes)
        there = self.folders.look(path)
        if there is not None:
            if self.folders.is_name_of(there, source):
                return
            self._go(path, path.rpartition(b"/")[0])
        self.folders.link(path, source)
        self._made(path)

    def _touch_up(self) -> None:
        """Attributes and times; names no longer change."""
        for effect in sorted(self.made, key=_path, reverse=True):
            if effect[fx.KIND] == fx.DIR:
                self.folders.touch_up(effect)
        for effect in sorted(self.touched_up, key=_path, reverse=True):
            if not is_right(os.lstat(effect[fx.PATH]), effect):
                self.claim()
                self._undoable().attributes(effect[fx.PATH])
                self.folders.touch_up(effect)
        if self.renew:
            for effect in sorted(self.effects, key=_written_at):
                if effect[fx.KIND] == fx.FILE and effect[fx.SET_MTIME] is None:
                    self.folders.touch(effect[fx.PATH])

    def _times_of_folders(self) -> None:
        """Folders in which something was kept until now get their times once more."""
        for effect in (*self.made, *self.touched_up):
            path, kind, set_time = effect[fx.PATH], effect[fx.KIND], effect[fx.SET_MTIME]
            if kind == fx.DIR and set_time not in (None, fx.NOW) and os.lstat(path).st_mtime_ns != set_time:
                self.folders.touch_up(effect)


def _written_at(effect: Effect) -> int:
    """When the recorded run wrote a file last: what is restored keeps that order in its times."""
    state = effect[fx.STATE]
    return state[MTIME] if effect[fx.KIND] == fx.FILE and isinstance(state, tuple) else 0


def _staged_at(effect: Effect) -> tuple[bool, int, bytes]:
    """Folders first, each before what is in it; then files in the order in which they were written."""
    return (False, 0, effect[fx.PATH]) if effect[fx.KIND] == fx.DIR else (True, _written_at(effect), b"")


def _path(effect: Effect) -> bytes:
    return effect[fx.PATH]


def inside(path: bytes, folders: set[bytes]) -> bool:
    """True when ``path`` lies below one of ``folders``."""
    return any(path.startswith(folder + b"/") for folder in folders)


def effect_type(effect: Effect) -> int:
    """The type bits (S_IFMT) of what an effect leaves."""
    return {fx.DIR: stat.S_IFDIR, fx.LINK: stat.S_IFLNK, fx.FIFO: stat.S_IFIFO}.get(effect[fx.KIND], stat.S_IFREG)


def is_right(st: os.stat_result, effect: Effect) -> bool:
    """True where none of the attributes that an effect leaves is to be set."""
    state, set_time = effect[fx.STATE], effect[fx.SET_MTIME]
    right = effect[fx.KIND] == fx.LINK or (st.st_mode, st.st_uid, st.st_gid) == state[:3]  # type: ignore[index]
    return right and effect[fx.XATTRS] is None and set_time in (None, st.st_mtime_ns)
