"""Looks that the event source took by itself, counted as if their stops had come to the loop one by one.

Every change is a stop of its own and finds all looks before it counted, so a look still shows the state
before the change. A file that was opened is read only now: had it changed since the look, its stat would
tell (``Memo.digest``).

Programs look at the same things each time they start. So what a look comes to is kept as a plan, and what a
whole group of looks comes to as a batch of facts; both are good as long as the same is seen, and no folder or link
changed that was walked through.
"""

from __future__ import annotations

import errno
import stat

from procache.model.aspects import CONTENT, META, OWNER, TYPE
from procache.model.reasons import reason
from procache.model.tree import Tree
from procache.tracer import table
from procache.tracer.source import as_stat
from procache.world.paths import Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from procache.model.tree import State
    from procache.tracer.calls import PathCalls
    from procache.tracer.source import Look
    from procache.tracer.tracee import Tracee
    from procache.world.paths import Found

    Handler = Callable[[Tracee, tuple[int, ...]], object]
    Looks_ = tuple[Look, ...]

#: What each call looks at; a call that opens a regular file, at its content.
ASPECTS = {"open": META, "stat": META, "lstat": META, "access": OWNER, "readlink": TYPE}
#: A handler looks for the flags of its call in one place or another: they stand in every one.
_ARGUMENTS = 6
#: So many different looks, and groups of them, are remembered at most.
MOST = 50_000


class Plan:
    """What a look comes to: what was found, the aspect looked at, and the answer where it can be kept.

    ``folder``: a folder was opened.
    """

    __slots__ = ("found", "aspect", "folder", "answer")

    def __init__(self, found: Found, aspect: int, folder: bool) -> None:
        self.found = found
        self.aspect = aspect
        self.folder = folder
        self.answer: tuple[int, object] | None = None


class Batch:
    """The facts of a group of looks at different paths, and the ways that were walked to them."""

    __slots__ = ("states", "ways")

    def __init__(self, states: dict[bytes, State], ways: set[object]) -> None:
        self.states = states
        self.ways = ways


class Looks:
    """Counts groups of looks."""

    __slots__ = ("finding", "handlers", "plans", "batches", "walks")

    def __init__(self, finding: PathCalls, handlers: dict[int, Handler]) -> None:
        self.finding = finding
        self.handlers = handlers
        self.plans: dict[Look, Plan] = {}
        #: None for a group that was seen once
        self.batches: dict[tuple[Looks_, bytes], Batch | None] = {}
        #: plans and batches are good while the resolver has these walks
        self.walks: object = None

    def count(self, t: Tracee, looks: Looks_) -> None:
        """Account looks of ``t``. Raises what the handlers of the calls raise."""
        walks = self.finding.resolver.walks
        if self.walks is not walks or len(self.plans) + len(self.batches) > MOST:
            self.plans.clear()
            self.batches.clear()
            self.walks = walks
        ex = t.ex
        key = (looks, t.cwd() if ex.timed_stats else b"")
        batch = self.batches.get(key)
        if batch is not None and self._apply(t, batch):
            return
        for look in looks:
            self._count(t, look)
        if batch is None and not ex.timed and walks is self.finding.resolver.walks:
            self.batches[key] = self._batch(t, looks) if key in self.batches else None

    # -- groups ------------------------------------------------------------------------------------------

    def _apply(self, t: Tracee, batch: Batch) -> bool:
        """Give the facts of a group to an execution and its ancestors; False where it is not as simple as that."""
        ex, tree = t.ex, self.finding.tree
        if ex.timed or not tree.writers.keys().isdisjoint(batch.states.keys()):
            return False
        return tree.learn(ex, batch, batch.states, batch.ways)

    def _batch(self, t: Tracee, looks: Looks_) -> Batch | None:
        """The batch for looks that were just counted; None where they are not as simple as that."""
        states: dict[bytes, State] = {}
        ways: set[object] = set()
        for look in looks:
            plan = self.plans.get(look)
            fact = None if plan is None else self._fact(t, plan)
            if plan is None or fact is None or states.get(plan.found.path, fact) != fact:
                return None
            ways.update((plan.found.walk, *plan.found.links))
            for path, passed in passed_through(plan.found, self.finding.resolver.texts):
                states.setdefault(path, passed)
            states[plan.found.path] = fact
        return Batch(states, ways)

    def _fact(self, t: Tracee, plan: Plan) -> State | None:
        world, found = self.finding.tree.world, plan.found
        aspect = self._aspect(t, plan) if t.ex.timed_stats else plan.aspect
        answer = plan.answer if aspect == plan.aspect else world.lasting(aspect, found.path, found.st)
        return None if answer is None else (*answer, t.ex.timed_stats and aspect == META)

    # -- single looks ------------------------------------------------------------------------------------

    def _count(self, t: Tracee, look: Look) -> None:
        finding, ex = self.finding, t.ex
        plan = self.plans.get(look)
        if plan is None:
            plan = self._plan(t, look)
            if plan is None:
                return
        found = plan.found
        finding.walked(ex, found)
        aspect = self._aspect(t, plan) if ex.timed_stats else plan.aspect
        if aspect != plan.aspect:
            finding.tree.look(ex, found.path, aspect, found.st)
        elif ex.timed or plan.answer is None:
            finding.tree.look(ex, found.path, plan.aspect, found.st)
            plan.answer = finding.tree.world.lasting(plan.aspect, found.path, found.st)
        else:
            finding.tree.look(ex, found.path, plan.aspect, found.st, answer=plan.answer)

    def _aspect(self, t: Tracee, plan: Plan) -> int:
        """What the look of a shell counts as."""
        if plan.folder:
            return self.finding.opened_at(t, plan.aspect)
        return self.finding.looked_at(t, plan.found, plan.aspect)

    def _plan(self, t: Tracee, look: Look) -> Plan | None:
        """The plan for a look; None where it was one of those that only the handler of the call can count."""
        finding = self.finding
        number, flags, path, seen = look
        st = seen if isinstance(seen, int) else as_stat(seen)
        found = finding.resolver.resolve(path, True, st)
        if found.walk.pseudo:  # a link leads into /proc, where the source has seen things of its own
            finding.walked(t.ex, found)
            finding.tree.taint(t.ex, reason("pseudo-file", path=path))
            return None
        if (found.blocked or isinstance(found.st, int)) != isinstance(st, int):
            finding.tree.taint(t.ex, reason("changed-outside", path=path))
        if found.blocked or found.walk.error not in (0, errno.ENOENT) or found.path.startswith(b"/sys/"):
            finding.seen = found
            try:
                self.handlers[number](t, (flags,) * _ARGUMENTS)
            finally:
                finding.seen = None
            return None
        handler = table.ROWS[number].handler
        aspect = ASPECTS[handler]
        opened = st.st_mode if handler == "open" and not isinstance(st, int) else 0
        if stat.S_ISREG(opened):
            aspect = CONTENT
        plan = self.plans[look] = Plan(found, aspect, stat.S_ISDIR(opened))
        return plan


def passed_through(found: Found, texts: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, State]]:
    """The facts of the folders and links on the way to what was found; ``texts``: what the links say.

    Raises KeyError where they do not say it any more: some way was forgotten since.
    """
    for way in (found.walk, *found.links):
        if isinstance(way, Walk):
            yield from ((folder, Tree.FOLDER) for folder in way.folders)
            yield from ((link, Tree.passed_link(texts[link])) for link in way.links)
        else:
            yield way, Tree.passed_link(texts[way])
