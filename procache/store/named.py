"""What of the store a record names: its blobs, and the record files of its children."""

from __future__ import annotations

from procache.model import effects as fx
from procache.model.aspects import DIGEST, SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.record import Record


def blobs_of(record: Record) -> dict[bytes, int]:
    """Digest and size of each blob that a replay of this record may need."""
    found: dict[bytes, int] = {}
    for effect in record.effects:
        state = effect[fx.STATE]
        if effect[fx.KIND] == fx.FILE and isinstance(state, tuple):
            found[state[DIGEST]] = state[SIZE]
    if record.data is None:
        found[record.data_digest] = sum(size for _, size in record.segments)
    return found
