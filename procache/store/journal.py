"""Writing the journal of a run: msgpack maps, appended as things happen."""

from __future__ import annotations

import os
import time

import msgpack

from procache.store import CAREFUL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout


_pack = msgpack.Packer().pack


def new_run_id(started: float) -> str:
    """A run id that sorts by time: YYYYMMDDTHHMMSS.ffffff-PID (UTC)."""
    whole = time.strftime("%Y%m%dT%H%M%S", time.gmtime(started))
    return f"{whole}.{int(started % 1 * 1e6):06d}-{os.getpid()}"


def path_of(layout: Layout, run_id: str) -> bytes:
    """Path of the journal of a run."""
    return layout.runs + b"/" + run_id.encode() + b".journal"


def pack(event: dict[str, object]) -> bytes:
    """One event, packed."""
    packed: bytes = _pack(event)
    return packed


def write(path: bytes, packed: bytes, *, shared: bool = False) -> None:
    """Append packed events to a journal; in a shared store the group may read it. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | CAREFUL, 0o600)
    try:
        if shared:
            from procache.store import sharing

            os.fchmod(fd, sharing.JOURNAL)
        view = memoryview(packed)
        while view:  # what does not go in whole is an error at the next try
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)
