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
#: What separates the words of a script.
_BETWEEN = (b" ", b"\n", b"\t", b"\r", b"\f", b"\v", b";", b"&", b"|", b"(", b")")
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
        plain = not any(sign in name for sign in _BETWEEN)
        hide = plain and not equals and name.startswith(b"-") and _secret(name)
        if equals and plain and _secret(name):
            found.append(name + b"=" + HIDDEN)
        else:
            found.append(word if plain and not equals else _shown_within(word))
    return tuple(found)


def _shown_within(script: bytes) -> bytes:
    """An argument of several words: quoted ones are one, and what stands between is left as it is."""
    import re

    parts: list[bytes] = re.findall(rb"""[\s;&|()]+|(?:[^\s;&|()'"]|'[^']*'|"[^"]*")+|['"]\S*""", script)
    places = [at for at, part in enumerate(parts) if part[:1] not in _BETWEEN]
    if len(places) == len(parts):
        return script  # one word
    for at, word in zip(places, shown([parts[at] for at in places]), strict=True):
        parts[at] = word
    return b"".join(parts)


def _secret(name: bytes) -> bool:
    """True for an option or a variable that is one of the names, or ends in one."""
    plain = name.lstrip(b"-'\"").lower().replace(b"_", b"-")
    return plain in _names or any(plain.endswith(b"-" + known) for known in _names)
