"""Which processes changed a path, and whether somebody else did after they had ended.

What an execution left is looked at when it ends, which may be hours after it was written. A process can change a file
as long as it lives, and so can its descendants, to which it hands its descriptors. What shows a later time than the end
of all that have changed it was changed by another hand; so was what is there though they removed it, or is missing.
"""

from __future__ import annotations

import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from procache.world.view import World

    Look = os.stat_result | int


#: A process that has changed more files since it last forked is not asked which of them it has closed.
MANY = 64


class Author:
    """A process with its descendants. ``going``: how many of them live; ``ended``: when the last one ended (ns).

    ``open``: paths that the process itself has changed and may have open; ``new``: those of them since it last forked.
    """

    __slots__ = ("parent", "going", "ended", "open", "new")

    def __init__(self, parent: Author | None) -> None:
        self.parent = parent
        self.going = self.ended = 0
        self.open: set[bytes] = set()
        self.new: set[bytes] = set()
        node: Author | None = self
        while node is not None:
            node.going += 1
            node = node.parent

    def end(self, now: int) -> None:
        """The process has ended; ``now`` in ns since 1970."""
        node: Author | None = self
        while node is not None:
            node.going -= 1
            node.ended = now
            node = node.parent


class Work:
    """What is known of a changed path: who may change it, until when others could (ns), and whether it is there."""

    __slots__ = ("authors", "until", "there")

    def __init__(self) -> None:
        self.authors: list[Author] = []
        self.until = 0
        self.there = False


class Works:
    """All changed paths of a run. ``author`` is the process that acts now; where it is None, nothing is noted."""

    __slots__ = ("world", "author", "works", "relinked")

    def __init__(self, world: World) -> None:
        self.world = world
        self.author: Author | None = None
        self.works: dict[bytes, Work] = {}
        #: files with several names, one of which was changed: the times of the others change as well
        self.relinked: set[tuple[int, int]] = set()

    def changes(self, path: bytes, st: Look, *, there: bool) -> bool:
        """``author`` is about to change ``path``, which is ``there`` then; True where somebody else did before.

        ``st``: what is there now, or an errno.
        """
        if self.author is None:
            return False
        work = self.works.get(path)
        if work is None:
            work = self.works[path] = Work()
            meddled = False
        else:
            meddled = self.meddled(path, st)
        if not isinstance(st, int) and st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
            self.relinked.add((st.st_dev, st.st_ino))
        if self.author not in work.authors:
            work.authors.append(self.author)
            self.author.new.add(path)
        work.there = there
        return meddled

    def moved(self, names: list[tuple[bytes, bytes]]) -> None:
        """Files are about to get other names (``changes`` knows of both): who has one open may still write to it.

        ``names``: (old, new) of each.
        """
        former = {old: [*self.works[old].authors] for old, _ in names if old in self.works}
        for old, new in names:
            work = self.works.get(new)
            if work is not None:
                work.authors += [author for author in former.get(old, ()) if author not in work.authors]

    def forks(self, author: Author, now: Callable[[], int], held: Callable[[], set[tuple[int, int]] | None]) -> None:
        """The process is about to get a child: what it has closed by now is not the child's to change.

        A shell opens what a command writes to, waits for it, and lives on. ``now`` gives the time (ns since 1970),
        ``held`` the (device, inode) of the files that the process has open, or None where that cannot be told.
        """
        if author.open and author.going == 1:
            paths, author.open = author.open, set()
            there = held() if len(paths) <= MANY else None
            for path in paths if there is not None else ():
                st = self.world.look(path)
                if not isinstance(st, int) and (st.st_dev, st.st_ino) in there:  # type: ignore[operator]
                    author.open.add(path)
                else:
                    work = self.works[path]
                    work.authors.remove(author)
                    work.until = now()
        author.open |= author.new  # what was opened just now is for the child
        author.new = set()

    def meddled(self, path: bytes, st: Look) -> bool:
        """True where ``path``, at which ``st`` is now, was changed after all had ended that have changed it."""
        work = self.works.get(path)
        if work is None or any(author.going for author in work.authors):
            return False
        if isinstance(st, int) or not work.there:
            return isinstance(st, int) == work.there
        if not (stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode)):
            return False  # the time of a folder is that of the names in it
        if st.st_ctime_ns <= max([work.until, *(author.ended for author in work.authors)]) or st.st_nlink > 1:
            return False
        return (st.st_dev, st.st_ino) not in self.relinked and self.world.keeps_time(path, st.st_dev)
