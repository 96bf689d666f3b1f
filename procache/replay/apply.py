"""Effects put in place, all or nothing.

Everything that can fail is done beside the targets first (staging): content is copied out of the store
and checked, owners and modes are set. Only then are names changed. Where staging fails nothing has
changed, and the program runs for real. So it does where changing names fails half way: then what was done is
undone (``undo``).
"""

from __future__ import annotations

import os
import stat

from procache.errors import SCARCE
from procache.model import effects as fx
from procache.model.aspects import DIGEST, GID, MODE, MTIME, SIZE, UID, ChangedWhileReading, State
from procache.store import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.effects import Effect
    from procache.replay.undo import Undo
    from procache.store.layout import Layout
    from procache.world.view import World


class ReplayFailed(Exception):
    """Raised by staging; nothing has been changed. The message says why."""


class Staged:
    """Checked content: a file beside its target, to be renamed, or an open blob, to be poured into the target."""

    __slots__ = ("effect", "temporary", "blob", "fresh")

    def __init__(self, effect: Effect, temporary: bytes = b"", blob: int = -1, *, fresh: bool = False) -> None:
        self.effect = effect
        self.temporary = temporary
        self.blob = blob
        #: True where nothing is at the target
        self.fresh = fresh

    def drop(self) -> None:
        """Leave nothing behind."""
        try:
            if self.blob >= 0:
                os.close(self.blob)
            elif self.temporary:
                os.unlink(self.temporary)
        except OSError:
            pass
        self.blob = -1


class Replay:
    """The effects of one record on their way to their places."""

    __slots__ = (
        "layout",
        "world",
        "effects",
        "renew",
        "staged",
        "made",
        "removed",
        "touched_up",
        "linked",
        "tag",
        "undo",
        "written",
        "using",
    )

    def __init__(self, layout: Layout, world: World, effects: list[Effect], *, renew: bool = False) -> None:
        self.layout = layout
        #: files that are right already get the time of now, as a run would give them: somebody goes by times
        self.renew = renew
        self.world = world
        self.effects = effects
        self.staged: list[Staged] = []
        self.made: list[Effect] = []
        self.removed: list[Effect] = []
        self.touched_up: list[Effect] = []
        self.linked: list[Effect] = []
        self.tag = b""
        #: the way back from a commit of several steps
        self.undo: Undo | None = None
        self.written = 0
        #: holds off the eviction of blobs while they are copied
        self.using = -1

    # -- staging ------------------------------------------------------------------------------------

    def stage(self) -> None:
        """Prepare everything. Raises ReplayFailed, with nothing changed."""
        try:
            for effect in sorted(self.effects, key=_written_at):
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
        st = self.world.look_to_read(path)
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
            if kind == fx.LINK and (os.readlink(path) != effect[fx.STATE] or effect[fx.SET_MTIME] is not None):
                self.removed.append(effect)
                self.made.append(effect)
            elif kind != fx.LINK:
                self.touched_up.append(effect)
        else:
            if not absent:
                self.removed.append(effect)
            self.made.append(effect)

    def _check_rights(self) -> None:
        """Every folder in which a name is to change must let us; the rest of a commit cannot be undone."""
        paths = [effect[fx.PATH] for effect in (*self.removed, *self.made, *self.linked)]
        for folder in {path.rpartition(b"/")[0] or b"/" for path in paths}:
            if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
                raise ReplayFailed(f"{os.fsdecode(folder)} may not be changed")

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
                self.staged.append(Staged(effect, blob=self._checked_blob(state)))
                self.written += 1
                return
        temporary = self._temporary(path)
        self.staged.append(Staged(effect, temporary, fresh=isinstance(st, int)))
        self._copy(state, temporary)
        self.written += 1
        set_xattrs(temporary, effect[fx.XATTRS])
        set_mtime(temporary, effect[fx.SET_MTIME])

    def _same(self, path: bytes, st: os.stat_result, state: State) -> bool:
        if self.world.same_file(state, st):
            return True
        try:
            return self.world.file_state(path, st)[DIGEST] == state[DIGEST]
        except (OSError, ChangedWhileReading):  # it is written anew
            return False

    def _temporary(self, path: bytes) -> bytes:
        """A new name beside ``path``, or in the nearest folder above it that is there already."""
        folder = path.rpartition(b"/")[0] or b"/"
        while not os.path.isdir(folder):
            folder = folder.rpartition(b"/")[0] or b"/"
        return folder + b"/" + self._tag() + b"%d" % len(self.staged)

    def _tag(self) -> bytes:
        if not self.tag:
            self.tag = b".procache-%d-%s-" % (os.getpid(), os.urandom(4).hex().encode())
        return self.tag

    def _checked_blob(self, state: State) -> int:
        """A descriptor of a blob that holds what its name says."""
        from procache.store import blobs  # most hits restore nothing

        self._use_blobs()
        try:
            return blobs.open_plain(self.layout, state[DIGEST], state[SIZE])
        except blobs.BlobError as error:
            raise ReplayFailed(str(error)) from error

    def _copy(self, state: State, temporary: bytes) -> None:
        """A checked copy of a blob, with owner and mode."""
        from procache.store import blobs

        self._use_blobs()
        target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            blobs.copy_to(self.layout, state[DIGEST], state[SIZE], target)
            st = os.fstat(target)
            if (st.st_uid, st.st_gid) != (state[UID], state[GID]):
                os.fchown(target, state[UID], state[GID])
            os.fchmod(target, stat.S_IMODE(state[MODE]))
        except blobs.BlobError as error:
            raise ReplayFailed(str(error)) from error
        finally:
            os.close(target)

    def abandon(self) -> None:
        """Remove what was staged."""
        for staged in self.staged:
            staged.drop()
        self.staged.clear()

    # -- putting in place ---------------------------------------------------------------------------------

    def commit(self) -> None:
        """Change names, in an order in which each step finds what it needs. Raises OSError, with names as they were.

        Where nothing that goes is in the way, it goes last: a kill in between loses nothing.
        """
        if len(self.staged) + len(self.made) + len(self.removed) + len(self.linked) > 1:
            from procache.replay.undo import Undo  # one step is done or not

            self.undo = Undo()
        in_the_way = any(effect[fx.KIND] != fx.GONE for effect in self.removed)
        try:
            if in_the_way:
                self._remove()
            self._put()
            if not in_the_way:
                self._remove()
            self._touch_up()
            if self.undo is not None:
                self.undo.forget()
        except BaseException:
            if self.undo is not None:
                self.undo.back()
            raise
        finally:
            self.abandon()

    def _remove(self) -> None:
        going = {effect[fx.PATH] for effect in self.removed}
        for path in sorted(going, reverse=True):
            folder = path.rpartition(b"/")[0]
            while folder in going:  # what is kept must not be in a folder that goes
                folder = folder.rpartition(b"/")[0]
            self._go(path, folder)

    def _go(self, path: bytes, folder: bytes) -> None:
        """Remove a name; ``folder`` is where what it names can be kept until all is done."""
        if self.undo is None:
            remove(path)
        else:
            self.undo.remove(path, folder + b"/" + self._tag())

    def _made(self, path: bytes) -> None:
        """Note that a name was made where none was."""
        if self.undo is not None:
            self.undo.made(path)

    def _put(self) -> None:
        for effect in sorted(self.made, key=_path):
            make(effect)
            self._made(effect[fx.PATH])
        self.staged.reverse()
        while self.staged:
            staged = self.staged[-1]  # what was written first comes first
            path = staged.effect[fx.PATH]
            if self.undo is not None and staged.temporary and not staged.fresh:
                self.undo.keep(path, path.rpartition(b"/")[0] + b"/" + self._tag())
            place(staged)
            if staged.fresh:
                self._made(path)
            self.staged.pop()
        for effect in self.linked:
            self._link(effect)

    def _link(self, effect: Effect) -> None:
        """Make a path another name of the file that an effect names."""
        path, source = effect[fx.PATH], effect[fx.STATE]
        assert isinstance(source, bytes)
        if os.path.lexists(path):
            if os.path.samestat(os.lstat(path), os.lstat(source)):
                return
            self._go(path, path.rpartition(b"/")[0])
        os.link(source, path, follow_symlinks=False)
        self._made(path)

    def _touch_up(self) -> None:
        for effect in sorted(self.made, key=_path, reverse=True):
            if effect[fx.KIND] == fx.DIR:
                touch_up(effect)
        for effect in sorted(self.touched_up, key=_path, reverse=True):
            touch_up(effect)
        if self.renew:
            for effect in sorted(self.effects, key=_written_at):
                if effect[fx.KIND] == fx.FILE and effect[fx.SET_MTIME] is None:
                    os.utime(effect[fx.PATH])


def _written_at(effect: Effect) -> int:
    """When the recorded run wrote a file last: what is restored keeps that order in its times."""
    state = effect[fx.STATE]
    return state[MTIME] if effect[fx.KIND] == fx.FILE and isinstance(state, tuple) else 0


def _path(effect: Effect) -> bytes:
    return effect[fx.PATH]


def effect_type(effect: Effect) -> int:
    """The type bits (S_IFMT) of what an effect leaves."""
    return {fx.DIR: stat.S_IFDIR, fx.LINK: stat.S_IFLNK, fx.FIFO: stat.S_IFIFO}.get(effect[fx.KIND], stat.S_IFREG)


def set_xattrs(path: bytes, xattrs: fx.Xattrs | None) -> None:
    """Give a file exactly these extended attributes, where the record has any."""
    if xattrs is None:
        return
    wanted = dict(xattrs)
    for present in os.listxattr(path, follow_symlinks=False):
        if os.fsencode(present) not in wanted:
            os.removexattr(path, present, follow_symlinks=False)
    for name, value in wanted.items():
        os.setxattr(path, name, value, follow_symlinks=False)


def set_mtime(path: bytes, mtime: int | None) -> None:
    """Set the time that the program set, if it did."""
    if mtime == fx.NOW:
        os.utime(path, follow_symlinks=False)
    elif mtime is not None:
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


def remove(path: bytes) -> None:
    """Remove a name, whatever it names; a folder must be empty by now."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.rmdir(path)
    else:
        os.unlink(path)


def make(effect: Effect) -> None:
    """Make a folder, link or FIFO."""
    path, kind, state = effect[fx.PATH], effect[fx.KIND], effect[fx.STATE]
    if kind == fx.LINK:
        assert isinstance(state, bytes)
        os.symlink(state, path)
        set_mtime(path, effect[fx.SET_MTIME])
    elif kind == fx.DIR:
        assert isinstance(state, tuple)
        os.mkdir(path, stat.S_IMODE(state[MODE]) | 0o700)
    else:
        os.mkfifo(path, 0o600)
        touch_up(effect)


def place(staged: Staged) -> None:
    """Put one staged file in place."""
    target = staged.effect[fx.PATH]
    if staged.temporary:
        os.rename(staged.temporary, target)
        return
    from procache import copying  # few outputs are written in place

    poured = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        copying.pour(staged.blob, poured)
    finally:
        os.close(poured)
        staged.drop()
    touch_up(staged.effect)


def touch_up(effect: Effect) -> None:
    """Give what is at a path the recorded owner, mode, attributes and time, where they are not so."""
    path, state = effect[fx.PATH], effect[fx.STATE]
    assert isinstance(state, tuple)
    st = os.lstat(path)
    if (st.st_uid, st.st_gid) != (state[UID], state[GID]):
        os.chown(path, state[UID], state[GID], follow_symlinks=False)  # which may clear bits of the mode
        st = os.lstat(path)
    if st.st_mode != state[MODE]:
        os.chmod(path, stat.S_IMODE(state[MODE]))
    set_xattrs(path, effect[fx.XATTRS])
    if st.st_mtime_ns != effect[fx.SET_MTIME]:
        set_mtime(path, effect[fx.SET_MTIME])
