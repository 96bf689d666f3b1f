"""Sizes and ages as people write them: ``500M``, ``10G``, ``12h``, ``30d``."""

from __future__ import annotations

#: Bytes; a ``K`` is 1024 of them.
_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
#: Where there is no limit.
NONE = "none"


def parse_size(text: str) -> int:
    """The bytes that ``text`` means: a number, and K, M, G or T (with or without ``iB`` or ``B``).

    Raises ValueError, whose message says what it can be.
    """
    plain = text.strip()
    number = plain.rstrip("KkMmGgTtiIBb")
    unit = plain[len(number) :].upper()
    if unit not in ("", "B") and unit[1:] in ("B", "IB"):
        unit = unit[:1]
    try:
        return int(_positive(number) * _SIZES[unit])
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"a size such as 500M or 10G, not {text!r}") from None


def parse_age(text: str) -> float:
    """The seconds that ``text`` means: a number, and s, m (minutes), h, d or w. Raises ValueError as above."""
    plain = text.strip()
    try:
        return _positive(plain[:-1]) * _AGES[plain[-1:].lower()]
    except (KeyError, ValueError):
        raise ValueError(f"an age such as 12h or 30d, not {text!r}") from None


def _positive(text: str) -> float:
    if not text or not all(char.isascii() and (char.isdigit() or char == ".") for char in text.strip()):
        raise ValueError(text)
    return float(text)
