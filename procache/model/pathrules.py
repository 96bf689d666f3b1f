"""Paths of which the policy says that they are no input, or that who uses them is not to be recorded.

A pattern is an absolute path. ``*`` and ``?`` stand for characters within one name, ``**`` for any number of
whole names. It covers the path that it matches and everything below. ``re`` and ``fnmatch`` are not used: rules
are on the path of a warm hit.
"""

from __future__ import annotations

IGNORED, TAINTING = "ignored", "tainting"


class PathRules:
    """Answers for each path IGNORED, TAINTING (which is the stronger) or "". Answers are remembered."""

    __slots__ = ("_ignored", "_tainting", "_known")

    def __init__(self, ignored: tuple[bytes, ...], tainting: tuple[bytes, ...]) -> None:
        self._ignored = [names_of(pattern) for pattern in ignored]
        self._tainting = [names_of(pattern) for pattern in tainting]
        self._known: dict[bytes, str] = {}

    def of(self, path: bytes) -> str:
        """What the rules say of an absolute path; what is no path (``uname(2)``) is never meant."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._of(names_of(path)) if path.startswith(b"/") else ""
        return found

    def _of(self, names: list[bytes]) -> str:
        if any(covers(pattern, names) for pattern in self._tainting):
            return TAINTING
        return IGNORED if any(covers(pattern, names) for pattern in self._ignored) else ""


def names_of(path: bytes) -> list[bytes]:
    """The names that make up a path."""
    return [name for name in path.split(b"/") if name]


def covers(pattern: list[bytes], names: list[bytes]) -> bool:
    """True when the pattern, name by name, matches ``names`` or the beginning of them."""
    if not pattern:
        return True
    if pattern[0] == b"**":
        return any(covers(pattern[1:], names[at:]) for at in range(len(names) + 1))
    return bool(names) and matches(pattern[0], names[0]) and covers(pattern[1:], names[1:])


def matches(pattern: bytes, name: bytes) -> bool:
    """True when one name matches a pattern of characters, ``?`` and ``*``."""
    if b"*" not in pattern and b"?" not in pattern:
        return pattern == name
    at = star = mark = 0
    back = -1
    while at < len(name):
        if star < len(pattern) and pattern[star : star + 1] in (b"?", name[at : at + 1]) and pattern[star] != 42:
            at, star = at + 1, star + 1
        elif star < len(pattern) and pattern[star] == 42:
            back, mark = star, at
            star += 1
        elif back >= 0:
            mark += 1
            at, star = mark, back + 1
        else:
            return False
    return not pattern[star:].strip(b"*")
