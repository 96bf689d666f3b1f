"""Decodes the bytes of a journal into events, going round whatever is damaged."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgpack

Event = dict[Any, Any]

#: A journal longer than this is read up to here; it is some 500,000 executions.
MAX_BYTES = 256 << 20
#: A damaged length must not make the decoder reserve memory for things that are not there.
LIMITS = {"max_array_len": 1 << 20, "max_map_len": 1 << 12, "max_ext_len": 1 << 12}
#: How every event begins: a small map whose first key is "t", of a kind known here.
EVENT = re.compile(rb"(?:[\x80-\x8f]|\xde..)\xa1t[\xa3\xa4](?:run|exec|end)", re.DOTALL)

DAMAGE = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)


class Scan(NamedTuple):
    """What could be decoded of a journal: its events, the bytes lost, whether its end is among them."""

    events: list[Event]
    lost: int
    cut: bool


def scan(data: bytes) -> Scan:
    """Decode ``data`` event by event, going on after damage at the next thing that begins like an event."""
    events: list[Event] = []
    position = lost = 0
    cut = False
    while position < len(data):
        good = _decode(data, position, events)
        if good >= len(data):
            break
        found = EVENT.search(data, good + 1)
        position = found.start() if found else len(data)
        lost += position - good
        cut = found is None
    return Scan(events, lost, cut)


def _decode(data: bytes, start: int, events: list[Event]) -> int:
    """Append the events from ``start`` on to ``events``; return the offset of the first that is damaged."""
    unpacker = msgpack.Unpacker(
        raw=False,
        strict_map_key=False,
        unicode_errors="surrogateescape",
        max_buffer_size=MAX_BYTES,
        **LIMITS,
    )
    unpacker.feed(memoryview(data)[start:])
    good = start
    while good < len(data):
        try:
            event = unpacker.unpack()
        except DAMAGE:
            return good
        if not isinstance(event, dict):
            return good
        events.append(event)
        good = start + unpacker.tell()
    return good
