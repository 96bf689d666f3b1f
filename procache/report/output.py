"""Where reports go: lines to stdout, remarks to stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from procache.report import jsonable
from procache.report.text import Style, style_for


class Output:
    """Writes a report to stdout in the style that fits it."""

    __slots__ = ("stream", "style")

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        if isinstance(self.stream, io.TextIOWrapper):
            self.stream.reconfigure(errors="backslashreplace")
        self.style: Style = style_for(self.stream)

    def lines(self, lines: Iterable[str]) -> None:
        """Write each line with its newline, as it comes."""
        for line in lines:
            self.stream.write(line + "\n")

    def json(self, value: Any) -> None:
        """Write one value as indented JSON."""
        self.stream.write(jsonable.dump(value) + "\n")

    def remark(self, line: str) -> None:
        """Write a line about the report, not of it, to stderr."""
        self.stream.flush()
        print(f"procache: {line}", file=sys.stderr)
