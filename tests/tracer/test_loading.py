"""What loading a program came to is kept, as long as the way to it is known."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from procache.model.aspects import CONTENT
from procache.tracer.loading import Loader
from procache.world.paths import Resolver
from procache.world.view import World


def test_a_way_that_was_forgotten_meanwhile_is_not_kept(tmp_path: Path) -> None:
    """Another process changes a folder between the exec and its end: the links on the way are to be read again."""
    program = Path(shutil.which("true") or "/bin/true").resolve()
    (tmp_path / "link").symlink_to(program)
    resolver, world = Resolver(), World()
    found = resolver.resolve(os.fsencode(tmp_path / "link"), True)
    world.value(CONTENT, found.path, found.st)
    paths: Any = SimpleNamespace(resolver=resolver, tree=SimpleNamespace(world=world))
    loader = Loader(paths)
    kept = loader._keep([found])
    assert kept is not None
    assert kept.facts[os.fsencode(tmp_path / "link")][1] == os.fsencode(program)
    resolver.forget()
    assert loader._keep([found]) is None
