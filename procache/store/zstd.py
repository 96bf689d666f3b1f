"""Zstandard (RFC 8878) for blobs: ``compression.zstd`` of Python 3.14, and ``backports.zstd`` before.

Only the C part is loaded: the package around it costs a warm hit several times what unpacking its outputs does.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PACKAGE, C_PART = "backports.zstd", "backports.zstd._zstd"
#: Level of compression. The next ones take half as long again and more, and save a few per cent.
LEVEL = 1
#: Pieces of at most this many bytes stay in the processor's cache on their way to a file.
PIECE = 1 << 19


def compress(content: bytes) -> bytes:
    """One frame that holds ``content`` and tells its size."""
    zstd = _module()
    packed: bytes = zstd.ZstdCompressor(level=LEVEL).compress(content, zstd.ZstdCompressor.FLUSH_FRAME)
    return packed


def pieces(packed: bytes, most: int) -> Iterator[bytes]:
    """The content of one frame, piece by piece. Raises ValueError where ``packed`` is not just that, or holds more."""
    zstd = _module()
    frame = zstd.ZstdDecompressor()
    try:
        while not frame.eof:
            piece: bytes = frame.decompress(packed, min(PIECE, most + 1))
            packed = b""
            most -= len(piece)
            if most < 0 or not (piece or frame.eof):
                break
            yield piece
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    if most < 0 or not frame.eof or frame.unused_data:
        raise ValueError("not one whole frame of that size")


def is_there() -> bool:
    """True where the package can be imported."""
    try:
        _module()
    except ImportError:
        return False
    return True


def _module() -> Any:
    if sys.version_info >= (3, 14):
        import _zstd

        return _zstd
    if C_PART not in sys.modules and PACKAGE not in sys.modules:
        _load_c_part()
    if C_PART not in sys.modules:  # laid out otherwise
        import backports.zstd

        return backports.zstd
    return sys.modules[C_PART]


def _load_c_part() -> None:
    """Import the C part with a stand-in for its package, which does not stay: who wants the package gets all of it."""
    import backports

    stand_in = type(sys)(PACKAGE)
    stand_in.__path__ = [f"{folder}/zstd" for folder in backports.__path__]
    sys.modules[PACKAGE] = stand_in
    try:
        __import__(C_PART)
    except ImportError:
        pass
    finally:
        del sys.modules[PACKAGE]
