"""Plain text for people: widths, columns, colours, and words for commands, times and sizes.

Whatever comes from a journal may hold control characters (a file name, an argument), and none of
them may reach a terminal: every text that is not ours goes through ``safe`` or ``command``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from procache.model.redaction import shown

#: Width for what is not a terminal: commands stay whole, monsters are still cut.
WIDE = 4000

COLOURS = {"hit": "32", "miss": "33", "uncacheable": "31", "unfinished": "35", "head": "1", "dim": "2"}


class Style(NamedTuple):
    """How text may look where it goes: columns, colour, and whether more than ASCII can be shown."""

    width: int = WIDE
    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, colour: str) -> str:
        """``text`` in one of COLOURS, or as it is."""
        code = COLOURS.get(colour)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    @property
    def dots(self) -> str:
        """What stands for something left out."""
        return "…" if self.unicode else "..."

    def cut(self, text: str, width: int | None = None) -> str:
        """``text`` shortened at its end to ``width`` (or the style's) columns."""
        room = self.width if width is None else width
        if len(text) <= room:
            return text
        return text[: max(0, room - len(self.dots))] + self.dots


def style_for(stream: TextIO) -> Style:
    """The style that fits a stream: colour only on a terminal, and only where NO_COLOR is not set."""
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal or os.environ.get("COLUMNS") else WIDE
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    encoding = (stream.encoding or "ascii").lower().replace("-", "").replace("_", "")
    return Style(max(width, 40), colour, encoding.startswith("utf"))


def safe(text: str) -> str:
    """``text`` with control characters and bytes that are not UTF-8 written as escapes."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(char: str) -> str:
    number = ord(char)
    if char.isprintable():
        return char
    if 0xDC80 <= number <= 0xDCFF:  # a byte that surrogateescape kept
        return f"\\x{number - 0xDC00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or char.encode("unicode_escape").decode()


def argument(value: bytes) -> str:
    """One argument as a shell takes it: quoted where needed, in $'…' where it has odd characters."""
    text = value.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join("\\" + char if char in "\\'" else _escape(char) for char in text) + "'"


def command(argv: Sequence[bytes]) -> str:
    """A command line that a shell would take back."""
    return " ".join(map(argument, shown(argv))) if argv else "(command not known)"


def path(value: bytes) -> str:
    """A file name, readable and harmless."""
    return safe(value.decode("utf-8", "surrogateescape"))


def seconds(value: float | None) -> str:
    """A duration: ``7 ms``, ``0.41 s``, ``9.1 s``, ``3m05s``, ``2h10m``."""
    if value is None:
        return "-"
    if value < 0.0995:
        return f"{value * 1000:.0f} ms" if value >= 0.0005 or value == 0 else "<1 ms"
    if value < 99.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def size(number: float) -> str:
    """A number of bytes: ``812 B``, ``1.2 KiB``, ``3.4 GiB``."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(number) >= 1023.95 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f"{number:.0f} B" if units[0] == "B" else f"{number:.1f} {units[0]}"


def when(moment: float) -> str:
    """A time since the epoch as local date and time; ``-`` where it is not known or no time at all."""
    if not moment:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return "-"


def status(number: int | None) -> str:
    """An exit code, or the name of the signal that a negative number stands for."""
    if number is None:
        return "-"
    try:
        return signal.Signals(-number).name if number < 0 else str(number)
    except ValueError:
        return f"signal {-number}"


def many(number: int, one: str, more: str | None = None) -> str:
    """``1 hit``, ``2 hits``, ``3 misses``."""
    return f"{number} {one if number == 1 else more or one + 's'}"


class Row(NamedTuple):
    """One line of a table; the first cell is painted with ``colour``."""

    cells: Sequence[str]
    colour: str = ""


def table(header: Sequence[str], rows: Sequence[Row], align: str, style: Style) -> Iterator[str]:
    """Lines of a table. ``align``: ``<`` or ``>`` for each column but the last, which takes what is left."""
    lines = [Row(header, "head"), *rows]
    widths = [max(len(line.cells[column]) for line in lines) for column in range(len(align))]
    room = max(20, style.width - sum(widths) - 2 * len(widths))
    for line in lines:
        padded = [f"{cell:{way}{wide}}" for cell, way, wide in zip(line.cells, align, widths, strict=False)]
        padded[0] = style.paint(padded[0], line.colour)
        yield "  ".join([*padded, style.cut(line.cells[-1], room)]).rstrip()
