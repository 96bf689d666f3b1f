"""What one run has done, as its writer counts it: it goes to the file ``usage`` when the run ends."""

from __future__ import annotations

import os
import struct

from procache.store import blobs, usage

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

    __slots__ = ("layout", "added", "hit", "miss", "uncacheable", "saved")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.added = self.hit = self.miss = self.uncacheable = 0
        self.saved = 0.0

    def expect(self, digest: bytes, size: int) -> None:
        """A blob of so many bytes is about to be stored, unless it is there."""
        if not blobs.present(self.layout, digest):
            self.added += size

    def expect_file(self, digest: bytes, staged: bytes) -> None:
        """The same of a file in tmp, the holes of which take no room."""
        try:
            self.expect(digest, os.stat(staged).st_blocks * 512)
        except OSError:
            pass  # storing it will say so

    def take(self, packed: bytes) -> None:
        """What the tracer tells."""
        self.hit, self.miss, self.uncacheable, self.saved = _TOTALS.unpack(packed)

    def close(self) -> None:
        """The run is over."""
        usage.append(self.layout, (1, self.hit, self.miss, self.uncacheable), self.saved, self.added)
