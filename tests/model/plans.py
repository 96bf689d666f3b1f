"""Random programs, worlds and changes, for property tests. A step is the name of an act and its arguments."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from procache.model.execution import Execution

from .machine import Machine

Step = tuple[str, tuple[Any, ...]]
Plan = list[Step]
NAMES = ("/a", "/b", "/d", "/d/a")
name = st.sampled_from(NAMES)
content = st.sampled_from((b"", b"one", b"two", b"three"))
mode = st.sampled_from((0o644, 0o755, 0o600))


def step(act: str, *arguments: SearchStrategy[Any]) -> SearchStrategy[Step]:
    """One act with random arguments."""
    return st.tuples(st.just(act), st.tuples(*arguments))


looks = [step(act, name) for act in ("stat", "access", "read", "list")]
writes = [step(act, name, content) for act in ("put", "append", "create")]
names = [step(act, name) for act in ("mkdir", "rmdir", "unlink", "symlink")]
rest = [step("chmod", name, mode), step("utime", name, st.sampled_from((3 * 10**9, 4 * 10**9)))]
doing = [*writes, *names, *rest, step("rename", name, name)]

steps = st.lists(st.one_of(*looks, *doing), max_size=5)
#: With hard links, for which capturing has rules of its own.
steps_with_links = st.lists(st.one_of(*looks, *doing, step("link", name, name)), max_size=5)
#: What is done to a world before a program, or between two runs of it.
changes = st.lists(st.one_of(*doing), max_size=5)


def carry_out(machine: Machine, ex: Execution, plan: Plan) -> list[Any]:
    """Do the steps as ``ex``; returns what it sees."""
    return [getattr(machine, act)(ex, *arguments) for act, arguments in plan]


def change(hands: Any, top: bytes, plan: Plan) -> None:
    """Do the steps as somebody who is not watched."""
    for act, (target, *arguments) in plan:
        if act == "symlink":
            arguments = [b"somewhere"]
        paths = [top + word.encode() if isinstance(word, str) else word for word in (target, *arguments)]
        with contextlib.suppress(OSError):
            getattr(hands, "put" if act == "create" else act)(*paths)
