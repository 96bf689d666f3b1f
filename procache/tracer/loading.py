"""What an exec loads before the program itself runs: the executable, interpreters of scripts, the ELF interpreter.

The same program is loaded again and again in a script of short jobs. So the facts that it came to are kept,
and given to the next execution at once when the files are as they were.
"""

from __future__ import annotations

import os
import stat

from procache.model.aspects import CONTENT, OWNER
from procache.model.reasons import reason
from procache.tracer.looks import passed_through
from procache.tracer.programs import FOREIGN, MAX_SCRIPTS, NATIVE, OTHER, SCRIPT, Programs
from procache.world.states import look, same_look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.tree import State
    from procache.tracer.calls import PathCalls
    from procache.tracer.tracee import Tracee
    from procache.world.paths import Found, Walk

    Key = tuple[Walk, bytes, tuple[Walk | bytes, ...]]


def may_run(found: Found) -> bool:
    """True for a regular file that this user may execute."""
    if isinstance(found.st, int) or found.blocked:
        return False
    return stat.S_ISREG(found.st.st_mode) and os.access(found.path, os.X_OK)


class Loaded:
    """What loading an ELF program came to: the files and how they looked, the facts, the ways to them."""

    __slots__ = ("files", "facts", "ways", "walks")

    def __init__(
        self, files: list[tuple[bytes, os.stat_result]], facts: dict[bytes, State], ways: set[object], walks: object
    ) -> None:
        self.files = files
        self.facts = facts
        self.ways = ways
        #: the walks of the resolver at that time: it drops them when a folder or link changes
        self.walks = walks


class Loader:
    """Counts what an exec loads as looks of the new execution."""

    __slots__ = ("paths", "tree", "programs", "known")

    def __init__(self, paths: PathCalls) -> None:
        self.paths = paths
        self.tree = paths.tree
        self.programs = Programs()
        self.known: dict[Key, Loaded] = {}

    def load(self, t: Tracee, found: Found, known: Loaded | None) -> None:
        """Attribute the executable ``found`` and what it needs to be loaded.

        ``known``: what that was before, and was again at the entry of the exec. Had it changed since, the end of the
        execution would see it.
        """
        if known is not None and self._again(t, known):
            return
        loaded: list[Found] = []
        self._load(t, found, MAX_SCRIPTS, loaded)
        made = self._keep(loaded)
        if made is not None:
            self.known[found.walk, found.path, found.links] = made

    def look_ahead(self, t: Tracee, found: Found) -> Loaded | None:
        """What loading it came to before, if it was loaded and looks the same.

        What makes an exec of what is there fail is an input of the caller: its form, and what it needs to run.
        """
        known = self._known(found)
        if known is None:
            self._need(t, found)
        return known

    def _need(self, t: Tracee, found: Found) -> None:
        for _ in range(MAX_SCRIPTS):
            assert not isinstance(found.st, int)
            kind, interpreter = self.programs.kind(found.path, found.st)
            absolute = t.absolute(None, interpreter)
            if kind in (FOREIGN, OTHER):
                return self.tree.look(t.ex, found.path, CONTENT, found.st)
            if absolute is None:
                return
            needed = self.paths.resolver.resolve(absolute, True)
            if not may_run(needed):
                self.tree.look(t.ex, found.path, CONTENT, found.st)
                self.paths.walked(t.ex, needed)
                return self.tree.look(t.ex, needed.path, OWNER, needed.st)
            found = needed

    def _known(self, found: Found) -> Loaded | None:
        """What loading it came to before, where all of it still looks the same."""
        known = self.known.get((found.walk, found.path, found.links))
        if known is None or known.walks is not self.paths.resolver.walks or isinstance(found.st, int):
            return None
        seen = [found.st, *(look(path) for path, _ in known.files[1:])]
        pairs = zip(seen, known.files, strict=True)
        return known if all(not isinstance(st, int) and same_look(old, st) for st, (_, old) in pairs) else None

    def _again(self, t: Tracee, known: Loaded) -> bool:
        """Give an execution the facts of the same program, loaded before; False where it is not as simple as that."""
        ex, tree = t.ex, self.tree
        if ex.timed:
            return False
        return tree.writers.keys().isdisjoint(known.facts.keys()) and tree.learn(ex, known, known.facts, known.ways)

    def _keep(self, loaded: list[Found]) -> Loaded | None:
        """What was loaded, where that was all ELF files that are old enough to be recognised."""
        facts: dict[bytes, State] = {}
        ways: set[object] = set()
        files: list[tuple[bytes, os.stat_result]] = []
        for found in loaded:
            if isinstance(found.st, int) or found.st.st_mode & (stat.S_ISUID | stat.S_ISGID):
                return None
            answer = self.tree.world.lasting(CONTENT, found.path, found.st)
            kind, interpreter = self.programs.kind(found.path, found.st)
            if answer is None or kind != NATIVE or (interpreter and not interpreter.startswith(b"/")):
                return None  # a relative interpreter is another one in each working folder
            files.append((found.path, found.st))
            ways.update((found.walk, *found.links))
            try:
                facts.update(passed_through(found, self.paths.resolver.texts))
            except KeyError:  # a folder or link was changed since it was found
                return None
            facts[found.path] = (*answer, False)
        return Loaded(files, facts, ways, self.paths.resolver.walks)

    def _load(self, t: Tracee, found: Found, depth: int, loaded: list[Found]) -> None:
        st = found.st
        if isinstance(st, int):
            return self.tree.taint(t.ex, reason("changed-outside", path=found.path))
        loaded.append(found)
        self.paths.walked(t.ex, found)
        self.tree.look(t.ex, found.path, CONTENT, st)
        if st.st_mode & (stat.S_ISUID | stat.S_ISGID):
            self.tree.taint(t.ex, reason("setuid", path=found.path))
        kind, interpreter = self.programs.kind(found.path, st)
        if kind == FOREIGN:
            self.tree.taint(t.ex, reason("foreign-architecture", detail=found.path))
        elif kind == OTHER:
            self.tree.taint(t.ex, reason("unknown-program", path=found.path))
        elif interpreter and (kind == NATIVE or (kind == SCRIPT and depth)):
            absolute = t.absolute(None, interpreter)
            if absolute is not None:
                self._load(t, self.paths.resolver.resolve(absolute, True), depth - 1, loaded)
        return None
