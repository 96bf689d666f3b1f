"""Reading one ``procache.toml``: its keys with their values and lines.

``tomllib`` takes 15 ms and more to import, which is half of a warm hit. So what a file says is kept in the cache
folder under the digest of its bytes, and a file is parsed once.
"""

from __future__ import annotations

from procache import digests
from procache.errors import UsageError
from procache.store import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

#: key -> (value as TOML has it, line)
Entries = dict[str, tuple[object, int]]


def read(path: str, layout: Layout | None) -> Entries:
    """The keys of a file. Raises UsageError where it cannot be read or is no TOML."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or '').lower()}") from error
    digest = digests.of_bytes(data)
    known = parsed.read(layout, digest) if layout is not None else None
    if known is not None:
        return known
    entries = parse(path, data)
    if layout is not None:
        parsed.write(layout, digest, entries)
    return entries


def parse(path: str, data: bytes) -> Entries:
    """The keys of a file that was read."""
    import tomllib

    try:
        text = data.decode()
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        end = f"at line {len(text.splitlines())}, the end"
        raise UsageError(f"{path}: {str(error).replace('at end of document', end)}") from error
    lines = text.splitlines()
    return {name: (value, line_of(lines, name)) for name, value in values.items()}


def line_of(lines: list[str], name: str) -> int:
    """The line on which a key of the first level, or a table, begins; tomllib does not tell."""
    for number, line in enumerate(lines, 1):
        word = line.split("#")[0].replace("[", " ").replace("]", " ").replace(".", " ").replace("=", " ").strip()
        if word.split(" ")[0].strip("\"'") == name:
            return number
    return 1
