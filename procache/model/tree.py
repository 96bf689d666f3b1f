"""The rules by which looks and changes become facts and effects, for an execution and all its ancestors.

For each execution the first look at a path that it (with its descendants) has not yet changed is its
fact; later looks are internal. A change first records what it depends on, then marks the path as
touched. Because every event is attributed to the whole chain, an ancestor knows at least what its
descendants know: wherever one execution has nothing to learn, nor have those above it.
"""

from __future__ import annotations

import errno
import stat

from procache.model.aspects import (
    ABSENT,
    CONTENT,
    IDENTITY,
    LINK_META,
    LISTING,
    META,
    MTIME,
    NLINK,
    OWNER,
    PROGRAM,
    PSEUDO,
    REPLACEABLE,
    STRENGTH,
    TARGET,
    TYPE,
    UNCOUNTED,
    WRITABLE,
    XATTR,
    ChangedWhileReading,
    Fact,
)
from procache.model.authors import Works
from procache.model.effects import NOW
from procache.model.execution import Execution, Touch
from procache.model.own import before, carried_by, inside, is_own, path_is_new
from procache.model.pathrules import IGNORED
from procache.model.reasons import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Set

    from procache.model.pathrules import PathRules
    from procache.world.view import World

    Look = os.stat_result | int
    #: A fact as an execution keeps it by path: aspect, value, whether times count.
    State = tuple[int, object, bool]
    #: A name, what is there, and the name that it gets.
    Move = tuple[bytes, Look, bytes]

#: Taints that say what is at a path, which the policy may say is no input.
ABOUT_CONTENT = frozenset(("pseudo-file", "device", "changed-outside"))
_NOTHING = object()
_NO_TEXTS: Mapping[bytes, bytes] = {}
_IS_FOLDER: State = (TYPE, stat.S_IFDIR, False)


class Tree:
    """Applies events to executions. ``world`` answers what a path holds now."""

    __slots__ = ("world", "writers", "holds_open", "touches", "rules", "news", "claim", "works", "resume")
    #: The fact that a folder is passed through.
    FOLDER: State = _IS_FOLDER

    def __init__(self, world: World) -> None:
        self.world = world
        #: the policy's rules for paths
        self.rules: PathRules | None = None
        #: ``new_facts``, or its twin in C
        self.news = new_facts
        #: --resume: a fact of what was skipped may be that its result was not there yet
        self.resume = False
        #: who has changed what
        self.works = Works(world)
        #: told of each path before it is changed
        self.claim: Callable[[bytes], object] = lambda path: None
        #: how many changes were announced so far that took no full account of what was there before
        self.touches = 0
        #: tells whether an execution has a path open at this moment; without a kernel to ask, it may
        self.holds_open: Callable[[Execution, bytes], bool] = lambda ex, path: True
        #: path -> executions still alive that changed it themselves (not through descendants)
        self.writers: dict[bytes, list[Execution]] = {}

    # -- looks -----------------------------------------------------------------------------------

    def look(
        self,
        ex: Execution,
        path: bytes,
        aspect: int,
        st: Look,
        *,
        timed: bool = False,
        answer: tuple[int, object] | None = None,
    ) -> None:
        """``ex`` looks at ``aspect`` (TYPE … TARGET) of ``path``, which now is as ``st`` shows.

        ``timed``: the modification time is an input whatever the program is. ``answer``: aspect and value, where
        they are known.
        """
        if self.rules is not None and self.rules.of(path) == IGNORED:
            return self._uncounted(ex, path)
        timed = timed or ex.timed or (ex.timed_stats and aspect == META)
        wanted = STRENGTH[aspect]
        if path in self.writers:
            self._read_while_written(ex, path)
        node: Execution | None = ex
        while node is not None:
            known = node.states.get(path)
            if known is not None and STRENGTH[known[0]] >= wanted and (known[2] or not timed):
                if counts_links(known, aspect):
                    return
                if path not in node.touched:
                    self._count_links(ex, path, st)
                return
            if path in node.touched or (node.made and inside(path, node.made)):
                return
            if answer is None:
                answer = self._answer(ex, path, aspect, st)
                if answer is None:
                    return
                if timed and answer[0] == CONTENT and not isinstance(st, int):
                    answer = (CONTENT, with_links(answer[1], st.st_nlink))
            own = answer if answer[0] != META or path not in node.touched_in else folder_only(answer[1])
            if known is not None:
                self._learn_more(node, path, known, own, timed)
            else:
                node.states[path] = (own[0], own[1], timed)
            node = node.parent
        if timed and answer is not None and answer[0] == TARGET:
            self.look_extra(ex, path, LINK_META)

    @staticmethod
    def _uncounted(ex: Execution, path: bytes) -> None:
        """``ex`` uses a path that is no input; that it is none must still hold when the record is used."""
        node: Execution | None = ex
        while node is not None and (path, UNCOUNTED) not in node.extras:
            node.extras[(path, UNCOUNTED)] = None
            node = node.parent

    @staticmethod
    def _count_links(ex: Execution, path: bytes, st: Look) -> None:
        """A file that was opened is stat'ed now: the number of its links becomes a part of the fact."""
        for node in ex.chain():
            known = node.states.get(path)
            if known is not None and known[0] == CONTENT and not isinstance(st, int) and path not in node.touched:
                node.states[path] = (CONTENT, with_links(known[1], st.st_nlink), known[2])

    def _answer(self, ex: Execution, path: bytes, aspect: int, st: Look) -> tuple[int, object] | None:
        try:
            return self.world.value(aspect, path, st)
        except OSError as error:
            why = reason("unreadable", detail=f"{path!r}: {error.strerror}")
        except ChangedWhileReading:
            why = reason("changed-outside", path=path)
        self.taint(ex, why)
        return None

    def _learn_more(
        self, node: Execution, path: bytes, known: tuple[int, object, bool], answer: tuple[int, object], timed: bool
    ) -> None:
        """Replace a fact by a stronger one, if both were seen of the same, unchanged thing."""
        if not same_thing(known[1], answer[1]) and not self.world.unchanged(known[0], path, known[1]):
            node.taint(reason("changed-outside", path=path))
        stronger, other = (known[:2], answer) if STRENGTH[answer[0]] <= STRENGTH[known[0]] else (answer, known[:2])
        node.states[path] = (stronger[0], with_links_of(stronger, other), known[2] or timed)

    def look_at_way(
        self,
        ex: Execution,
        way: object,
        folders: Iterable[bytes],
        links: Iterable[bytes],
        texts: Mapping[bytes, bytes] = _NO_TEXTS,
    ) -> None:
        """``ex`` walks through ``folders`` and ``links``; ``way`` is a token that names this walk.

        ``texts``: what links said when the walk was made; the end of each execution sees whether they still do.
        That a folder is one was seen when the walk was made, and a walk is forgotten when a folder or link changes.
        """
        walks = ex.walks
        if way in walks:
            return
        for folder in folders:
            if folder not in ex.states:
                self._pass_through(ex, folder)
        for link in links:
            text = texts.get(link)
            if text is None or ex.timed:
                self.look(ex, link, TARGET, self.world.look(link))
            else:
                self.look(ex, link, TARGET, 0, answer=(TARGET, text))
        node: Execution | None = ex
        while node is not None and way not in node.walks:
            node.walks.add(way)
            node = node.parent

    @staticmethod
    def _pass_through(ex: Execution, folder: bytes) -> None:
        node: Execution | None = ex
        while node is not None and folder not in node.states:
            if folder in node.touched or (node.made and inside(folder, node.made)):
                return
            node.states[folder] = _IS_FOLDER
            node = node.parent

    @staticmethod
    def passed_link(text: bytes) -> State:
        """The fact that a link with this text is passed through, by a program to which times mean nothing."""
        return TARGET, text, False

    def learn(self, ex: Execution, token: object, facts: dict[bytes, State], ways: Set[object]) -> bool:
        """``ex`` looks at many paths at once, that nobody is writing to; ``token`` names just these looks.

        False, with nothing learnt, where an execution changed some of it, or knows it in another way.
        """
        news: list[tuple[Execution, dict[bytes, State], list[bytes]]] = []
        node: Execution | None = ex
        while node is not None and token not in node.walks:
            if node.made or not node.touched.keys().isdisjoint(facts.keys()):
                return False
            if not node.touched_in.keys().isdisjoint(facts.keys()):
                return False
            found = self.news(node.states, facts)
            if found is None:
                return False
            news.append((node, *found))
            node = node.parent
        for node, new, stronger in news:
            node.states.update(new)
            for path in stronger:
                aspect, value, timed = facts[path]
                self._learn_more(node, path, node.states[path], (aspect, value), timed)
            node.walks |= ways
            node.walks.add(token)
        return True

    def look_listing(self, ex: Execution, path: bytes) -> None:
        """``ex`` lists a folder: its entries as they were before the execution changed any."""
        key = (path, LISTING)
        entries: dict[bytes, int] | None = None
        for node in ex.chain():
            if key in node.extras or path in node.made or (node.made and inside(path, node.made)):
                return
            if path in node.touched and node.touched[path].replaced:
                return
            if entries is None:
                try:
                    entries = self.world.entries(path)
                except OSError as error:
                    self.look(ex, path, TYPE, error.errno or errno.EACCES)
                    return
            node.extras[key] = self.world.listing_digest(before(node, path, entries))

    def look_extra(self, ex: Execution, path: bytes, aspect: int, value: object = None) -> None:
        """``ex`` looks at a PSEUDO, XATTR or FS aspect; ``value`` where it is already known."""
        key = (path, aspect)
        for node in ex.chain():
            if key in node.extras or (aspect != PSEUDO and is_own(node, path)):
                return
            if value is None:
                value = self.world.extra(aspect, path)
            node.extras[key] = value

    def attributes_count(self, ex: Execution, path: bytes) -> None:
        """``ex`` reads or sets attributes at ``path``: what it made must be new, since a file keeps its own."""
        for node in ex.chain():
            touch = node.touched.get(path)
            if touch is not None and not touch.prior:
                node.states.setdefault(path, (ABSENT, errno.ENOENT, False))

    # -- changes ---------------------------------------------------------------------------------

    def touch(
        self,
        ex: Execution,
        path: bytes,
        st: Look,
        *,
        replaced: bool = False,
        set_mtime: int | None = None,
        content: bool = True,
        gone: bool = False,
        skipped: bool = False,
    ) -> None:
        """Mark ``path`` as changed by ``ex`` and all above it; what it depended on is recorded already.

        ``content`` is False where only mode, owner or attributes change: a time that was set before stays. One that
        was set exactly stays anyhow, until ``Capture`` sees that the file has another one.
        ``gone``: nothing is there then. ``skipped``: by a child of ``ex`` that was skipped, and so has ended already.
        """
        self.claim(path)
        if self.works.changes(path, st, there=not gone):
            self._meddled(ex, path)
        prior = 0 if type(st) is int else stat.S_IFMT(st.st_mode)  # type: ignore[union-attr]
        links = st.st_nlink if prior == stat.S_IFREG else 0  # type: ignore[union-attr]
        for node in ex.chain():
            touch = node.touched.get(path)
            if touch is None:
                if path in node.states and not (skipped and self.resume) and not self._still(node, path, st):
                    node.taint(reason("changed-outside", path=path))
                touch = node.touched[path] = Touch(prior, links)
                folder, _, name = path.rpartition(b"/")
                node.touched_in.setdefault(folder or b"/", []).append(name)
            if set_mtime is not None:
                touch.set_mtime = set_mtime
            elif content and touch.set_mtime == NOW:
                touch.set_mtime = None
            if replaced:
                touch.replaced = True
        self._written(ex, path, skipped)

    def _still(self, node: Execution, path: bytes, st: Look) -> bool:
        """True when what ``node`` knows of a path holds; from its first change on nobody could tell at the end."""
        aspect, value, _ = node.states[path]
        if aspect == ABSENT and value == st:
            return True
        return self.world.unchanged(aspect, path, value) or bool(node.made and inside(path, node.made))

    @staticmethod
    def _meddled(ex: Execution, path: bytes) -> None:
        """What those left that have changed ``path`` before was changed by another hand since."""
        for node in ex.chain():
            if path in node.touched:
                node.taint(reason("changed-outside", path=path))

    def write_over(self, ex: Execution, path: bytes, st: Look, *, same_owner: bool = True) -> None:
        """``ex`` opens ``path`` and drops what it held (O_CREAT | O_TRUNC).

        It depends only on "nothing there, or a regular file that a fresh creation would equal";
        ``same_owner`` is False where an existing file has another mode or owner than that.
        """
        if type(st) is int and st != errno.ENOENT:
            return self.look(ex, path, TYPE, st)
        if type(st) is not int and not stat.S_ISREG(st.st_mode):  # type: ignore[union-attr]
            return self.look(ex, path, TYPE, st)
        for node in ex.chain():
            if path in node.touched or (node.made and inside(path, node.made)):
                continue
            known = node.states.get(path)
            if known is not None and known[0] != TYPE:
                continue
            owner = None if isinstance(st, int) else (st.st_mode, st.st_uid, st.st_gid)
            if known is None and same_owner:
                node.extras[(path, WRITABLE)] = owner  # where nothing is there, ``created`` will say
            elif owner is not None:
                node.states[path] = (OWNER, owner, known is not None and known[2])
        self.touches += 1
        self.touch(ex, path, st)

    def created(self, ex: Execution, path: bytes, st: Look) -> None:
        """``path``, which was not there, was made by opening it: an existing file just like it would have done."""
        if isinstance(st, int):
            return
        for node in ex.chain():
            if node.extras.get((path, WRITABLE), _NOTHING) is None:
                node.extras[(path, WRITABLE)] = (st.st_mode, st.st_uid, st.st_gid)

    def write_into(
        self, ex: Execution, path: bytes, st: Look, *, set_mtime: int | None = None, content: bool = True
    ) -> None:
        """``ex`` changes a part of what is at ``path``, or creates it: all of it is an input. See ``touch``."""
        self.look(ex, path, CONTENT, st)
        self.touch(ex, path, st, set_mtime=set_mtime, content=content)

    def create(self, ex: Execution, path: bytes, st: Look, *, folder: bool = False) -> None:
        """``ex`` makes a name that must not exist (mkdir, O_EXCL, symlink, link, mknod)."""
        self.look(ex, path, TYPE, st)
        if st == errno.ENOENT:
            self.touch(ex, path, st, replaced=True)
            if folder:
                for node in ex.chain():
                    node.made.add(path)

    def remove(self, ex: Execution, path: bytes, st: Look, *, folder: bool = False) -> None:
        """``ex`` removes a name (unlink, rmdir): it depends on its existence and type, a folder's on being empty."""
        self.look(ex, path, TYPE, st)
        if type(st) is int or stat.S_ISDIR(st.st_mode) != folder:  # type: ignore[union-attr]
            return
        if folder:
            self.look_listing(ex, path)
            if self.world.entries(path):
                return  # it is not empty, and stays
            for node in ex.chain():
                node.made.discard(path)
        self.touches += 1
        self.touch(ex, path, st, replaced=True, gone=True)

    def move(
        self, ex: Execution, old: bytes, old_st: Look, new: bytes, new_st: Look, *, exchange: bool = False
    ) -> None:
        """``ex`` renames ``old`` to ``new``, with all that is below a folder."""
        self._look_whole(ex, old, old_st)
        if type(old_st) is int or old == new:
            return
        if exchange:
            self._look_whole(ex, new, new_st)
            if isinstance(new_st, int):
                return
        elif not self._gives_way(ex, old_st, new, new_st):
            return
        self.touches += 1
        moved = [*self._below(ex, old, old_st, new), (old, old_st, new)]
        if exchange:
            moved += [*self._below(ex, new, new_st, old), (new, new_st, old)]
        self._move_all(ex, moved)

    def _look_whole(self, ex: Execution, path: bytes, st: Look) -> None:
        """All of a file is an input, time and extended attributes too: a rename takes them along."""
        self.look(ex, path, CONTENT, st, timed=True)
        if type(st) is not int and stat.S_ISREG(st.st_mode):  # type: ignore[union-attr]
            self.look_extra(ex, path, XATTR)

    def _below(self, ex: Execution, old: bytes, st: Look, new: bytes) -> list[Move]:
        """What moves along with a folder, what is in it before itself: all of that is an input."""
        if not is_folder(st):
            return []
        self.look_listing(ex, old)
        found: list[Move] = []
        for name in sorted(self.world.entries(old)):
            source, target = old + b"/" + name, new + b"/" + name
            one = self.world.look(source)
            self._look_whole(ex, source, one)
            found += [*self._below(ex, source, one, target), (source, one, target)]
        return found

    def _move_all(self, ex: Execution, moved: list[Move]) -> None:
        """Mark both names of each; what is known of a file's time and attributes goes with it."""
        nodes = ex.chain()
        carried = [(node, target, carried_by(node, source, st)) for source, st, target in moved for node in nodes]
        targets = {target for _, _, target in moved}
        for source, st, target in moved:
            there = self.world.look(target)
            self.touch(ex, source, st, replaced=True, gone=source not in targets)
            self.touch(ex, target, there, replaced=True)
        self.works.moved([(source, target) for source, _, target in moved])
        for node, target, taken in carried:
            node.touched[target].set_mtime, node.touched[target].xattrs = taken
        for node in nodes:
            node.made.difference_update(source for source, _, _ in moved)
            node.made.update(target for _, st, target in moved if is_folder(st))

    def _gives_way(self, ex: Execution, old_st: Look, new: bytes, new_st: Look) -> bool:
        """True when ``new`` can be replaced: nothing, a file by a file, or an empty folder by a folder."""
        folder = is_folder(old_st)
        if isinstance(new_st, int):
            if folder or new_st != errno.ENOENT:
                self.look(ex, new, TYPE, new_st)
            else:
                self._replaceable(ex, new)
            return new_st == errno.ENOENT
        if folder != is_folder(new_st):
            self.look(ex, new, TYPE, new_st)
            return False
        if not folder:
            self._replaceable(ex, new)
            return True
        self.look(ex, new, TYPE, new_st)
        self.look_listing(ex, new)
        return not self.world.entries(new)

    @staticmethod
    def _replaceable(ex: Execution, new: bytes) -> None:
        for node in ex.chain():
            if path_is_new(node, new):
                node.extras[(new, REPLACEABLE)] = None

    def link(self, ex: Execution, old: bytes, old_st: Look, new: bytes, new_st: Look) -> None:
        """``ex`` gives the file ``old`` a second name ``new``."""
        self.look(ex, old, CONTENT, old_st)
        self.create(ex, new, new_st)
        if type(old_st) is not int and new_st == errno.ENOENT:
            self.touch(ex, old, old_st, content=False)

    # -- taints and conflicts ------------------------------------------------------------------------

    def taint(self, ex: Execution, why: dict[str, object], below: Execution | None = None) -> None:
        """Mark ``ex`` as not to be recorded, and with it all that contain it, up to but not including ``below``."""
        if self.rules is not None and why["code"] in ABOUT_CONTENT and self.rules.of(why["path"]) == IGNORED:  # type: ignore[arg-type]
            return self._uncounted(ex, why["path"])  # type: ignore[arg-type]
        ex.taint(why)
        text = part_of(ex, why)
        node = ex.parent
        while node is not None and node is not below:
            node.taint(text)
            node = node.parent

    def ran(self, ex: Execution, program: bytes, rule: int) -> None:
        """``ex`` and all above it contain an execution of ``program``, of which the policy says ``rule``."""
        key = (program, PROGRAM)
        node: Execution | None = ex
        while node is not None and key not in node.extras:
            node.extras[key] = rule
            node = node.parent

    def _written(self, ex: Execution, path: bytes, skipped: bool) -> None:
        if self.rules is not None and self.rules.of(path) == IGNORED:
            return
        writers = self.writers.get(path)
        if writers is None:
            if not skipped:
                self.writers[path] = [ex]
            return
        if ex not in writers:
            for other in writers:
                if not other.contains(ex) or self.holds_open(other, path):
                    self._conflict(ex, other, path)
            if not skipped:
                writers.append(ex)

    def _conflict(self, one: Execution, other: Execution, path: bytes) -> None:
        """Two executions alive at once changed ``path``: neither may be recorded, their common ancestor may."""
        why = reason("conflict", path=path)
        for node, against in ((one, other), (other, one)):
            while node is not None and not node.contains(against):
                node.taint(why)
                node = node.parent  # type: ignore[assignment]

    def _read_while_written(self, ex: Execution, path: bytes) -> None:
        for writer in self.writers[path]:
            node: Execution | None = ex
            while node is not None and not node.contains(writer) and not writer.contains(node):
                node.taint(reason("conflict", path=path))
                node = node.parent

    def forget_writer(self, ex: Execution) -> None:
        """``ex`` has ended: what it wrote is no longer being written."""
        for path in ex.touched:
            writers = self.writers.get(path)
            if writers is not None and ex in writers:
                writers.remove(ex)
                if not writers:
                    del self.writers[path]

    # -- skipped executions ------------------------------------------------------------------------------

    def fold_facts(self, ex: Execution, facts: list[Fact]) -> None:
        """Count the facts of a skipped child for the running ``ex``, as if the child had run now.

        ``facts`` carry their present values. Effects follow separately, through ``touch``.
        """
        for path, aspect, value, timed in facts:
            strength = STRENGTH.get(aspect)
            if strength is None:
                self._fold_extra(ex, path, aspect, value)
            else:
                self._fold_state(ex, path, aspect, value, timed)

    def _fold_state(self, ex: Execution, path: bytes, aspect: int, value: object, timed: bool) -> None:
        node: Execution | None = ex
        while node is not None:
            if path in node.touched or (node.made and inside(path, node.made)):
                return
            known = node.states.get(path)
            if known is not None and STRENGTH[known[0]] >= STRENGTH[aspect]:
                if covers(known, (aspect, value, timed)):
                    return
                node.states[path] = (known[0], with_links_of(known[:2], (aspect, value)), known[2] or timed)
            elif known is not None:
                self._learn_more(node, path, known, (aspect, value), timed)
            else:
                node.states[path] = (aspect, value, timed)
            node = node.parent

    def _fold_extra(self, ex: Execution, path: bytes, aspect: int, value: object) -> None:
        if aspect == LISTING:
            return self.look_listing(ex, path)
        if aspect == PROGRAM:
            return self.ran(ex, path, value)  # type: ignore[arg-type]
        for node in ex.chain():
            if (path, aspect) in node.extras or (aspect != PSEUDO and is_own(node, path)):
                return
            if aspect not in (WRITABLE, REPLACEABLE) or path_is_new(node, path):
                node.extras[(path, aspect)] = value
            elif (
                aspect == WRITABLE and path not in node.touched and path in node.states and node.states[path][0] == TYPE
            ):
                self.look(node, path, OWNER, self.world.look(path))


def new_facts(known: dict[bytes, State], facts: dict[bytes, State]) -> tuple[dict[bytes, State], list[bytes]] | None:
    """Those of ``facts`` that are not known, and the paths of which less is known.

    None where something is known otherwise, and it takes more thought to say which counts.
    """
    new: dict[bytes, State] = {}
    stronger: list[bytes] = []
    for path, fact in facts.items():
        there = known.get(path)
        if there is None:
            new[path] = fact
        elif covers(there, fact):
            continue
        elif STRENGTH[there[0]] < STRENGTH[fact[0]]:
            stronger.append(path)
        else:
            return None
    return new, stronger


def covers(known: State, fact: State) -> bool:
    """True when ``known`` says all that ``fact`` would add, of what has not changed between."""
    if STRENGTH[known[0]] < STRENGTH[fact[0]] or (fact[2] and not known[2]):
        return False
    return counts_links(known, fact[0])


def same_thing(one: object, other: object) -> bool:
    """True when both are states of one file that was not changed between, digests and links apart."""
    if not isinstance(one, tuple) or not isinstance(other, tuple) or len(one) != 8 or len(other) != 8:
        return False
    return one[:NLINK] == other[:NLINK] and one[MTIME] == other[MTIME] and one[IDENTITY] == other[IDENTITY]


def counts_links(known: State, aspect: int) -> bool:
    """False where the number of a file's links is asked for (META), and a fact of its content leaves it open."""
    return aspect != META or known[0] != CONTENT or bool(known[1][NLINK])  # type: ignore[index]


def folder_only(value: object) -> tuple[int, object]:
    """What of a folder's state is an input to an execution that has made or removed names in it: not its times."""
    assert isinstance(value, tuple)
    return OWNER, value[:3]


def with_links_of(one: tuple[int, object], other: tuple[int, object]) -> object:
    """The value of one answer about a file's content, with the number of links where only the other one tells it."""
    if one[0] != CONTENT or other[0] not in (META, CONTENT) or one[1][NLINK]:  # type: ignore[index]
        return one[1]
    return with_links(one[1], other[1][NLINK])  # type: ignore[index]


def with_links(state: object, links: int) -> tuple[object, ...]:
    """A file's state with the number of its links, for a program that has looked at it."""
    assert isinstance(state, tuple)
    return (*state[:NLINK], links, *state[NLINK + 1 :])


def is_folder(st: Look) -> bool:
    """True when a look found a folder."""
    return not isinstance(st, int) and stat.S_ISDIR(st.st_mode)


def part_of(ex: Execution, why: dict[str, object]) -> dict[str, object]:
    """The reason that an ancestor gets for a taint of ``ex``: which program, and which kind of thing."""
    if why["code"] == "child":
        return why
    return reason("child", detail=(ex.command.program, str(why["code"])))
