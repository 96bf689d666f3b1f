"""What one run has done, as its writer counts it: it goes to the file ``usage`` when the run ends."""

from __future__ import annotations

import struct
import time

from procache.store import tally, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

#: hits, misses, uncacheable, seconds saved: what the tracer tells at the end.
_TOTALS = struct.Struct("<QQQd")


def pack(counts: dict[str, int], saved: float) -> bytes:
    """The totals of a run as they go to the writer."""
    return _TOTALS.pack(counts["hit"], counts["miss"], counts["uncacheable"], saved)


class Account:
    """``added``: bytes; the rest stays zero where the tracer was killed before it could tell."""

    __slots__ = ("layout", "added", "hit", "miss", "uncacheable", "saved", "began", "evicted")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.added = self.hit = self.miss = self.uncacheable = 0
        self.saved = 0.0
        self.began, self.evicted = time.time(), False

    def take(self, packed: bytes) -> None:
        """What the tracer tells."""
        self.hit, self.miss, self.uncacheable, self.saved = _TOTALS.unpack(packed)

    def may_be_evicted(self) -> bool:
        """True where blobs may have been evicted since this run began: that results go is nothing to tell of."""
        if not self.evicted:
            sums = tally.read(self.layout)
            self.evicted = sums.evicting or sums.evicted >= self.began
        return self.evicted

    def close(self) -> None:
        """The run is over."""
        usage.append(self.layout, (1, self.hit, self.miss, self.uncacheable), self.saved, max(self.added, 0))
