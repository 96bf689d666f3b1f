"""Fields of journal events as what they should be, whatever a damaged journal has in their place."""

from __future__ import annotations

import math


def number(value: object) -> float:
    """``value`` if it is a finite number of a sane size, else 0."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return value if abs(value) < 1e15 else 0.0


def name(value: object) -> bytes:
    """``value`` as the bytes of a file name or argument, whatever it is."""
    if isinstance(value, bytes):
        return value
    return text(value).encode("utf-8", "surrogateescape")


def names(value: object) -> list[bytes]:
    """``value`` as a list of arguments; what is not a list has none."""
    return [name(item) for item in value] if isinstance(value, list) else []


def text(value: object) -> str:
    """``value`` as a str; None, which stands for a missing field, is empty."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)
