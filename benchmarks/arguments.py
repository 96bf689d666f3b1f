"""Types of command-line arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"a number from 1 up is wanted, not {text!r}")
    return int(text)
