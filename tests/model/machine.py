"""Programs that act in a world, seen by a ``Tree`` just before each act, as the tracer would show it.

Each act tells the tree what ``procache.tracer.calls`` tells it at the entry stop of such a call, then does
it, and returns what the program sees: content, names, or the errno of the failure.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import Any

from procache.model.aspects import CONTENT, META, NAMES, OWNER, TYPE
from procache.model.command import Command, EnvTable
from procache.model.execution import Execution
from procache.model.tree import Tree

from .hands import MODE

FOLDER = stat.S_IFDIR


def command(program: bytes = b"/bin/prog", **fields: Any) -> Command:
    """A command; any field may be given."""
    plain: dict[str, Any] = {
        "argv": (program,),
        "cwd": b"/",
        "env": EnvTable((), b"none"),
        "streams": (b"null", b"pipe", b"pipe"),
        "hidden": (b"0022",),
        "attributes": b"x",
    }
    return Command(program, **{**plain, **fields})


class Machine:
    """See the module. Names in tests are text, and lie below ``top``."""

    def __init__(self, world: Any, hands: Any, top: bytes = b"") -> None:
        self.world, self.hands, self.top = world, hands, top
        self.tree = Tree(world)
        self.count, self.epoch = 0, 0

    def path(self, name: str) -> bytes:
        """The path of a name."""
        return self.top + name.encode()

    def start(self, parent: Execution | None = None, *, timed: bool = False) -> Execution:
        """A new execution."""
        self.count += 1
        ex = Execution(self.count, parent, command(b"/bin/%d" % self.count), self.count, 0.0)
        ex.timed = timed
        return ex

    def end(self, ex: Execution) -> None:
        """The execution ends; siblings that come later are no longer beside it."""
        self.tree.forget_writer(ex)

    # -- what was learnt ---------------------------------------------------------------------------

    def facts(self, ex: Execution) -> dict[str, str]:
        """Name -> aspects, for what lies below the top; folders that are only passed through left out."""
        found: dict[str, list[str]] = {}
        for path, (aspect, value, timed) in ex.states.items():
            if (aspect, value) != (TYPE, FOLDER):
                found.setdefault(self._name(path), []).append(NAMES[aspect] + ("+time" if timed else ""))
        for path, aspect in ex.extras:
            found.setdefault(self._name(path), []).append(NAMES[aspect])
        return {name: " ".join(sorted(aspects)) for name, aspects in found.items() if name}

    def _name(self, path: bytes) -> str:
        return path[len(self.top) :].decode() if path.startswith(self.top) else ""

    # -- the way -----------------------------------------------------------------------------------

    def _find(self, ex: Execution, path: bytes) -> tuple[bytes, Any, bool]:
        """(path at which the way ends, what is there, whether it leads no further)."""
        folders: list[bytes] = []
        at = path.find(b"/", 1)
        while at > 0:
            above = path[:at]
            st = self.world.look(above)
            if isinstance(st, int) or not stat.S_ISDIR(st.st_mode):
                self.tree.look_at_way(ex, object(), folders, ())
                return above, st, True
            folders.append(above)
            at = path.find(b"/", at + 1)
        self.tree.look_at_way(ex, (folders[-1] if folders else b"/", self.epoch), folders, ())
        return path, self.world.look(path), False

    def _target(self, ex: Execution, path: bytes) -> Any:
        """What is at a path to be changed; None where the way to it ends early."""
        end, st, blocked = self._find(ex, path)
        if blocked:
            self.tree.look(ex, end, TYPE, st)
            return None
        return st

    def _names_change(self, *states: Any) -> None:
        if any(not isinstance(st, int) and not stat.S_ISREG(st.st_mode) for st in states):
            self.epoch += 1

    def _do(self, act: Callable[..., Any], *args: Any) -> Any:
        try:
            return act(*args)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    # -- looking -----------------------------------------------------------------------------------

    def _look(self, ex: Execution, name: str, aspect: int) -> Any:
        path, st, blocked = self._find(ex, self.path(name))
        self.tree.look(ex, path, TYPE if blocked else aspect, st)
        return self.world.look(self.path(name))

    def stat(self, ex: Execution, name: str) -> Any:
        """lstat; returns mode, size and number of links (mode alone for what is no file)."""
        st = self._look(ex, name, META)
        if isinstance(st, int):
            return errno.errorcode[st]
        return (st.st_mode, st.st_size, st.st_nlink) if stat.S_ISREG(st.st_mode) else (st.st_mode,)

    def access(self, ex: Execution, name: str) -> Any:
        """access; returns the mode."""
        st = self._look(ex, name, OWNER)
        return errno.errorcode[st] if isinstance(st, int) else st.st_mode

    def read(self, ex: Execution, name: str) -> Any:
        """Open for reading and read; returns the content."""
        path, st, blocked = self._find(ex, self.path(name))
        plain = not isinstance(st, int) and stat.S_ISREG(st.st_mode)
        self.tree.look(ex, path, TYPE if blocked else CONTENT if plain else META, st)
        return self._do(self.hands.read, self.path(name))

    def list(self, ex: Execution, name: str) -> Any:
        """Open a folder and read it; returns names with their types."""
        path, st, blocked = self._find(ex, self.path(name))
        folder = not isinstance(st, int) and stat.S_ISDIR(st.st_mode)
        self.tree.look(ex, path, TYPE if blocked else META, st)
        if folder and not blocked:
            self.tree.look_listing(ex, path)
        return self._do(lambda: sorted(self.world.entries(self.path(name)).items()))

    # -- changing ----------------------------------------------------------------------------------

    def put(self, ex: Execution, name: str, content: bytes = b"new") -> Any:
        """Write a file anew: O_CREAT | O_TRUNC."""
        st = self._target(ex, self.path(name))
        if st is not None:
            same = isinstance(st, int) or (st.st_mode & 0o7777, st.st_uid) == (MODE, 0)
            if isinstance(st, int) or stat.S_ISREG(st.st_mode):
                self.tree.write_over(ex, self.path(name), st, same_owner=same)
            else:
                self.tree.look(ex, self.path(name), META, st)
        result = self._do(self.hands.put, self.path(name), content)
        if isinstance(st, int):
            self.tree.created(ex, self.path(name), self.world.look(self.path(name)))
        return result

    def append(self, ex: Execution, name: str, content: bytes = b"more") -> Any:
        """Add to a file: O_CREAT | O_APPEND."""
        path = self.path(name)
        st = self._target(ex, path)
        if st is not None:
            if not isinstance(st, int) and not stat.S_ISREG(st.st_mode):
                self.tree.look(ex, path, META, st)
            elif not isinstance(st, int) and all(path in node.touched for node in ex.chain()):
                self.tree.touch(ex, path, st)
            else:
                self.tree.write_into(ex, path, st)
        return self._do(self.hands.append, path, content)

    def create(self, ex: Execution, name: str, content: bytes = b"first") -> Any:
        """Make a file that must not be there: O_CREAT | O_EXCL."""
        st = self._target(ex, self.path(name))
        if st is not None:
            self.tree.create(ex, self.path(name), st)
        if not isinstance(self.world.look(self.path(name)), int):
            return "EEXIST"
        return self._do(self.hands.put, self.path(name), content)

    def mkdir(self, ex: Execution, name: str) -> Any:
        """mkdir."""
        st = self._target(ex, self.path(name))
        if st is not None:
            self.tree.create(ex, self.path(name), st, folder=True)
        return self._do(self.hands.mkdir, self.path(name))

    def symlink(self, ex: Execution, name: str, text: bytes = b"somewhere") -> Any:
        """symlink."""
        st = self._target(ex, self.path(name))
        if st is not None:
            self.tree.create(ex, self.path(name), st)
        return self._do(self.hands.symlink, self.path(name), text)

    def unlink(self, ex: Execution, name: str, *, folder: bool = False) -> Any:
        """unlink, or rmdir."""
        st = self._target(ex, self.path(name))
        if st is not None:
            self.tree.remove(ex, self.path(name), st, folder=folder)
            self._names_change(st)
        return self._do(self.hands.rmdir if folder else self.hands.unlink, self.path(name))

    def rmdir(self, ex: Execution, name: str) -> Any:
        """rmdir."""
        return self.unlink(ex, name, folder=True)

    def rename(self, ex: Execution, name: str, new: str) -> Any:
        """rename."""
        old_st, new_st = self._target(ex, self.path(name)), self._target(ex, self.path(new))
        if old_st is not None and new_st is not None:
            self.tree.move(ex, self.path(name), old_st, self.path(new), new_st)
            self._names_change(old_st, new_st)
        return self._do(self.hands.rename, self.path(name), self.path(new))

    def link(self, ex: Execution, name: str, new: str) -> Any:
        """link."""
        old_st, new_st = self._target(ex, self.path(name)), self._target(ex, self.path(new))
        if old_st is not None and new_st is None:
            self.tree.look(ex, self.path(name), TYPE, old_st)
        elif old_st is not None:
            self.tree.link(ex, self.path(name), old_st, self.path(new), new_st)
        return self._do(self.hands.link, self.path(name), self.path(new))

    def chmod(self, ex: Execution, name: str, mode: int = 0o600) -> Any:
        """chmod of what is no link."""
        return self._attributes(ex, name, self.hands.chmod, mode)

    def utime(self, ex: Execution, name: str, mtime: int = 5 * 10**9) -> Any:
        """Set the time of modification."""
        return self._attributes(ex, name, self.hands.utime, mtime, set_mtime=mtime)

    def _attributes(
        self, ex: Execution, name: str, act: Callable[..., Any], value: int, set_mtime: int | None = None
    ) -> Any:
        path = self.path(name)
        st = self._target(ex, path)
        if isinstance(st, int):
            self.tree.look(ex, path, TYPE, st)
        elif st is not None:
            known = ex.touched.get(path)
            if set_mtime is None and known is not None:
                set_mtime = known.set_mtime
            self.tree.write_into(ex, path, st, set_mtime=set_mtime)
        return self._do(act, path, value)
