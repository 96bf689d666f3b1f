"""Arguments as they may be shown: what looks like a password is ``***`` in journals, reports and the trace log.

The names of options say what looks so (``use``). It is a help against showing what was typed, no protection of it:
command keys are made of all arguments, and records hold them as they are.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HIDDEN = b"***"
DEFAULT = frozenset(
    b"password passwd passphrase token secret auth api-key apikey access-key secret-key private-key credentials".split()
)
_names = DEFAULT


def use(names: frozenset[bytes]) -> None:
    """Choose the names of options, without their dashes, for this process."""
    global _names
    _names = names


def shown(argv: Sequence[bytes]) -> tuple[bytes, ...]:
    """The arguments, with ``***`` for the values of such options and variables.

    ``--password=X``, ``--password X``, ``--db-password=X`` and ``DB_PASSWORD=X``, also inside of an argument with
    several words, such as a script.
    """
    text = b" ".join(argv).lower().replace(b"_", b"-")
    if not any(known in text for known in _names):  # nearly always so, and quickly seen
        return tuple(argv)
    found: list[bytes] = []
    hide = False
    for word in argv:
        if hide and not word.startswith(b"--"):
            found.append(HIDDEN)
            hide = False
            continue
        name, equals, _ = word.partition(b"=")
        hide = not equals and name.startswith(b"-") and _secret(name)
        if equals and b" " not in name and _secret(name):
            found.append(name + b"=" + HIDDEN)
        else:
            found.append(b" ".join(shown(word.split(b" "))) if b" " in word else word)
    return tuple(found)


def _secret(name: bytes) -> bool:
    """True for an option or a variable that is one of the names, or ends in one."""
    plain = name.lstrip(b"-").lower().replace(b"_", b"-")
    return plain in _names or any(plain.endswith(b"-" + known) for known in _names)
