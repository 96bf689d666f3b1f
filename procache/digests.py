"""Digests of bytes and files. A stored digest begins with a letter that names its algorithm.

``x`` is xxh3-128 (xxHash 0.8 specification): fast, and enough where only accidents matter, since
the cache folder is private to its user.
"""

from __future__ import annotations

import os

from xxhash import xxh3_128, xxh3_128_digest

#: Files up to this many bytes are read in one piece.
ONE_READ = 1 << 20


def of_bytes(data: bytes) -> bytes:
    """Digest (17 bytes: algorithm letter and 128 bits) of ``data``."""
    return b"x" + xxh3_128_digest(data)


def of_descriptor(fd: int) -> bytes:
    """Digest of what an open regular file holds, from byte 0; its offset is not used or moved."""
    data = os.pread(fd, ONE_READ, 0)
    if len(data) < ONE_READ:
        rest = os.pread(fd, ONE_READ, len(data)) if data else b""
        if not rest:
            return of_bytes(data)
        data += rest
    state = xxh3_128(data)
    offset = len(data)
    while chunk := os.pread(fd, ONE_READ, offset):
        state.update(chunk)
        offset += len(chunk)
    return b"x" + state.digest()
