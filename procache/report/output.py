"""Where reports go: lines to stdout, remarks to stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from procache.errors import ProcacheError, say
from procache.report import jsonable
from procache.report.text import Style, style_for


class Unwritten(ProcacheError):
    """Raised where stdout is closed, or takes no more: its disk is full, say."""


class Output:
    """Writes a report to stdout in the style that fits it. Raises Unwritten, BrokenPipeError."""

    __slots__ = ("stream", "style")

    def __init__(self, stream: TextIO | None = None) -> None:
        if stream is None and sys.stdout is None:
            raise Unwritten("there is no standard output to write to")
        self.stream = stream or sys.stdout
        if isinstance(self.stream, io.TextIOWrapper):
            self.stream.reconfigure(errors="backslashreplace")
        self.style: Style = style_for(self.stream)

    def lines(self, lines: Iterable[str]) -> None:
        """Write each line with its newline, as it comes."""
        for line in lines:
            self.write(line + "\n")

    def json(self, value: Any) -> None:
        """Write one value as indented JSON."""
        self.write(jsonable.dump(value) + "\n")

    def remark(self, line: str) -> None:
        """Write a line about the report, not of it, to stderr."""
        self.flush()
        say(line)

    def write(self, words: str) -> None:
        """Write text as it is."""
        try:
            self.stream.write(words)
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Write what is still held back."""
        try:
            self.stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Exception:
        """What to raise for a failed write. What Python still holds of it is not to be tried again at exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            return error
        return Unwritten(f"cannot write to standard output: {error.strerror}")
