"""What sched_getaffinity is told without the call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from procache.tracer import processcalls
from procache.tracer.processcalls import ProcessCalls

MASK = b"\x03" + bytes(31)


@pytest.mark.parametrize(("size", "told"), [(8, MASK[:8]), (16, MASK[:16]), (128, MASK), (0, None), (12, None)])
def test_the_answer_fits_the_room(monkeypatch: pytest.MonkeyPatch, size: int, told: bytes | None) -> None:
    """The kernel fills what there is room for, if that is enough for all CPUs."""
    monkeypatch.setattr(processcalls, "arch", Mock())
    written: list[bytes] = []
    tracer: Any = Mock(put=lambda address, data: written.append(data) or True, tid=7)
    near: Any = SimpleNamespace(tracer=1, mask=MASK, least=8, lend=lambda process: False)
    calls = ProcessCalls(Mock(), {7: tracer}, near)
    tracer.process.free = False
    calls.affinity(tracer, (0, size, 0x1000))
    assert written == ([told] if told is not None else [])
