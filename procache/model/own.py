"""What of the world is an execution's own work, and what was there before it."""

from __future__ import annotations

import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from procache.model.execution import Execution

    Look = os.stat_result | int


def is_own(node: Execution, path: bytes) -> bool:
    """True when what is at ``path`` now, attributes included, is the work of ``node``."""
    touch = node.touched.get(path)
    return touch is not None and (touch.replaced or touch.xattrs or not touch.prior)


def carried_by(node: Execution, path: bytes, st: Look) -> tuple[int | None, bool]:
    """(time set, attributes set) that go with a file when it is renamed."""
    touch = node.touched.get(path)
    if touch is not None:
        return touch.set_mtime, touch.xattrs
    if isinstance(st, int) or stat.S_ISLNK(st.st_mode):
        return None, False
    return st.st_mtime_ns, True


def path_is_new(node: Execution, path: bytes) -> bool:
    """True when ``node`` knows nothing of ``path`` yet, neither as a fact nor as its own work."""
    return not (path in node.touched or path in node.states or (node.made and inside(path, node.made)))


def before(node: Execution, folder: bytes, entries: dict[bytes, int]) -> dict[bytes, int]:
    """The entries that ``folder`` had before ``node`` changed any of them."""
    names = node.touched_in.get(folder)
    if not names:
        return entries
    entries = dict(entries)
    for name in names:
        prior = node.touched[folder + b"/" + name if folder != b"/" else b"/" + name].prior
        if prior:
            entries[name] = prior
        else:
            entries.pop(name, None)
    return entries


def inside(path: bytes, folders: set[bytes]) -> bool:
    """True when ``path`` lies below one of ``folders``."""
    at = path.rfind(b"/")
    while at > 0:
        if path[:at] in folders:
            return True
        at = path.rfind(b"/", 0, at)
    return False
