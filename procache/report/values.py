"""Values of facts in words: modes as ``ls`` writes them, sizes, local times, short digests.

A reason brings the recorded and the current value as msgpack could hold them: a state as a list
(``procache.world.states``), a digest as bytes, an errno or a file type as a number, or words that
were made before. Whatever does not look as its aspect says is still shown, plainly.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Sequence

from procache import digests
from procache.model.reasons import Reason, sentence
from procache.report import text

#: The fields of a state, in the order of ``procache.world.states``, that a person can use.
FIELDS = ("mode", "uid", "gid", "size", "links", "mtime", "content")

#: The place of the number of links: 0 where the recorded program had not asked for it.
LINKS = FIELDS.index("links")

#: What a fact's aspect is called in a sentence; an aspect that is not here is called by its name.
ASPECTS = {
    "absent": "existence",
    "content": "content",
    "pseudo": "content",
    "type": "kind of file",
    "owner": "mode or owner",
    "meta": "metadata",
    "target": "link target",
    "listing": "list of entries",
    "writable": "mode or owner",
    "replaceable": "whether it can be replaced",
    "fs": "type of file system",
    "xattr": "extended attributes",
    "stream": "what was read of it",
    "link": "owner or time of the link",
    "position": "position in the output file",
}

#: What no value means, by aspect.
NOTHING = {"writable": "absent", "replaceable": "anything but a folder"}
ERRORS = {name: number for number, name in errno.errorcode.items()}

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}

DIGEST = re.compile(r"\b(?:[a-z0-9]+:)?([0-9a-f]{12})[0-9a-f]{12,}\b")
STATE_LENGTHS = (7, 8)


def explain(why: Reason) -> str:
    """The whole sentence of a reason, its values in words."""
    aspect = why.get("aspect")
    known = str(aspect) if isinstance(aspect, str) else ""
    worded = dict(why)
    if "recorded" in why or "current" in why:
        worded["recorded"], worded["current"] = pair(known, why.get("recorded"), why.get("current"))
    if known in ASPECTS:
        worded["aspect"] = ASPECTS[known]
    if isinstance(detail := why.get("detail"), (list, tuple)):
        worded["detail"] = ": ".join(words("", item) for item in detail)
    return text.safe(sentence(worded))


def pair(aspect: str, recorded: object, current: object) -> tuple[str, str]:
    """Both values in words; of two states only what differs, and never the same words for both."""
    old, new = _fields(recorded), _fields(current)
    if old and new:
        first, second = _states(old, new, _different(old, new))
    else:
        first, second = words(aspect, recorded), words(aspect, current)
    if first == second and recorded != current:
        return _exact(recorded), _exact(current)
    return first, second


def _different(old: Sequence[object], new: Sequence[object]) -> Sequence[int]:
    """The fields in which two states differ, an unknown content last; all where there is no such field."""
    common = [at for at in range(min(len(old), len(new), len(FIELDS))) if at != LINKS or old[at]]
    differ = [index for index in common if old[index] != new[index]]
    return [index for index in differ if old[index] != b"" and new[index] != b""] or differ or common


def words(aspect: str, value: object) -> str:
    """One value in words, whatever its type."""
    if value is None:
        return NOTHING.get(aspect, "nothing")
    if isinstance(value, str):
        return _words(aspect, value)
    if isinstance(value, bytes):
        return _bytes(aspect, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _number(aspect, value)
    if isinstance(value, dict):
        return ", ".join(f"{text.safe(words('', key))} {words('', item)}" for key, item in value.items())
    if fields := _fields(value):
        return _state(fields, range(min(len(fields), len(FIELDS))))
    if isinstance(value, (list, tuple)):
        return _sequence(aspect, value)
    return str(value)


def _words(aspect: str, value: str) -> str:
    """Words that were made before: an errno by its name, anything else with its digests shortened."""
    if aspect in ASPECTS and value in ERRORS:
        return _absent(ERRORS[value])
    return value if aspect == "target" else DIGEST.sub(r"\1", value)


def _absent(number: int) -> str:
    return f"absent ({errno.errorcode[number]}: {os.strerror(number)})"


def _sequence(aspect: str, value: Sequence[object]) -> str:
    if aspect == "stream" and len(value) == 2:
        return f"{words('', value[1])} from byte {words('', value[0])}"
    return "(" + ", ".join(words("", item) for item in value) + ")"


def _bytes(aspect: str, value: bytes) -> str:
    """A digest as its first 12 hexadecimal digits, anything else as a name."""
    if aspect == "target":
        return text.path(value)
    if not value:
        return "none"
    return value[1:7].hex() if is_digest(value) else text.path(value)


def is_digest(value: bytes) -> bool:
    """True for the letter of an algorithm, followed by bits that cannot be words."""
    return digests.is_digest(value) and not value.decode("utf-8", "surrogateescape").isprintable()


def _number(aspect: str, value: int) -> str:
    """A number as its aspect has it: an errno, a file type, a magic number, or itself."""
    if aspect == "fs":
        return f"{value:#x}"
    if aspect in ("", "stream"):
        return str(value)
    if value in errno.errorcode:
        return _absent(value)
    return kind(value) or str(value)


def kind(mode: int) -> str:
    """The word for the type bits of a mode; empty where it is no mode."""
    return KINDS.get(mode & 0o170000, "") if 0 <= mode <= 0o177777 else ""


def _fields(value: object) -> Sequence[object] | None:
    """``value`` if it looks like a state, or like the (mode, uid, gid) that begins one."""
    if not isinstance(value, (list, tuple)) or len(value) not in (3, *STATE_LENGTHS):
        return None
    numbers = value[:3] if len(value) == 3 else value[:6]
    sound = all(isinstance(item, int) for item in numbers) and bool(kind(value[0]))
    return value if sound else None


def _state(fields: Sequence[object], chosen: Sequence[int]) -> str:
    return ", ".join(_field(FIELDS[index], fields[index]) for index in chosen)


def _states(old: Sequence[object], new: Sequence[object], chosen: Sequence[int]) -> tuple[str, str]:
    """Both states in the same fields; a field that reads the same but is not is told to its last digit."""
    first, second = [], []
    for index in chosen:
        name, before, after = FIELDS[index], old[index], new[index]
        both = _field(name, before), _field(name, after)
        if both[0] == both[1] and before != after:
            both = f"{name} {_exact(before)}", f"{name} {_exact(after)}"
        first.append(both[0])
        second.append(both[1])
    return ", ".join(first), ", ".join(second)


def _field(name: str, value: object) -> str:
    if name == "content":
        return f"content {words('', value)}" if value else "content unknown"
    if not isinstance(value, int):
        return f"{name} {words('', value)}"
    if name == "mode":
        return f"{kind(value)} {stat.filemode(value)[1:]}"
    if name == "size":
        return text.size(value)
    if name == "mtime":
        return f"changed {instant(value)}"
    return f"{name} {value}"


def instant(nanoseconds: int) -> str:
    """A time in nanoseconds since the epoch as local ISO time, to the microsecond."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(whole)) + f".{rest // 1000:06d}"
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)


def _exact(value: object) -> str:
    """Every digit of a value, for two that look alike in words."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_exact, value)) + ")"
    return str(value)
