"""Blobs: the content of files and of large outputs, by digest. Only this module knows how one lies on disk.

``blobs/cd/xcdef…`` is the content as it is, with its holes; ``blobs/cd/xcdef….zst`` is one Zstandard frame of it. What
is read is checked against its name; a blob that does not hold what its name says is set aside, so that it is stored
anew.
"""

from __future__ import annotations

import os
import time

from procache import digests
from procache.store import CAREFUL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from procache.store.layout import Layout

PACKED = b".zst"
#: Content beyond this many bytes is not compressed: the end of a run would wait for it.
MOST_PACKED = 64 << 20


class BlobError(Exception):
    """Raised when a blob cannot be had; the message says why."""


class Missing(BlobError):
    """Raised when a blob is not there."""


class Bad(BlobError):
    """Raised when a blob is not what its name says; it was set aside."""


# -- names -------------------------------------------------------------------------------------------


def path_of(layout: Layout, digest: bytes) -> bytes:
    """Where the blob with this digest is when it is not compressed; compressed, ``PACKED`` follows."""
    name = digests.hexadecimal(digest)
    return layout.blobs + b"/" + name[1:3] + b"/" + name


def parse_name(name: bytes) -> bytes | None:
    """The digest that a file name in the blobs' folders stands for; None for a name that no blob has."""
    return digests.parsed(name.removesuffix(PACKED))


def present(layout: Layout, digest: bytes) -> bool:
    """True when there is a blob with this digest, good or bad."""
    path = path_of(layout, digest)
    return os.path.exists(path) or os.path.exists(path + PACKED)


# -- reading -----------------------------------------------------------------------------------------


def copy_to(layout: Layout, digest: bytes, size: int, target: int) -> None:
    """Copy a blob of ``size`` bytes to an empty file that is open for reading and writing; holes stay holes.

    Raises Missing, Bad, and OSError where the copying itself failed.
    """
    source, path = _open(layout, digest)
    try:
        if path.endswith(PACKED):
            return _unpack(layout, digest, size, source, path, target)
        st = os.fstat(source)
        if st.st_size != size:
            _bad(layout, path)
        if size <= digests.ONE_READ and st.st_blocks * 512 >= size:  # no holes
            data = os.read(source, size)
            if not digests.fits(digest, data):
                _bad(layout, path)
            return _write(target, data)
        _copy_large(layout, digest, source, target, path)
    finally:
        os.close(source)


def _copy_large(layout: Layout, digest: bytes, source: int, target: int, path: bytes) -> None:
    from procache import copying

    copying.copy(source, target)
    if not digests.descriptor_fits(digest, target):
        if not digests.descriptor_fits(digest, source):
            _bad(layout, path)
        raise OSError("the copy of a stored blob is not like it")


def open_plain(layout: Layout, digest: bytes, size: int) -> int:
    """A descriptor that reads the content of a blob of ``size`` bytes. Raises Missing, Bad, OSError."""
    fd, path = _open(layout, digest)
    try:
        if path.endswith(PACKED):
            return _in_memory(layout, digest, size, fd, path)
        if os.fstat(fd).st_size != size or not digests.descriptor_fits(digest, fd):
            _bad(layout, path)
        plain, fd = fd, -1
        return plain
    finally:
        if fd >= 0:
            os.close(fd)


def _in_memory(layout: Layout, digest: bytes, size: int, source: int, path: bytes) -> int:
    fd = os.memfd_create("blob")
    try:
        _unpack(layout, digest, size, source, path, fd)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _unpack(layout: Layout, digest: bytes, size: int, source: int, path: bytes, target: int) -> None:
    """Write the content of a compressed blob that is open to an empty file."""
    from procache.store import zstd

    packed_size = os.fstat(source).st_size
    if packed_size > size or size > MOST_PACKED:
        _bad(layout, path)
    algorithm = digests.algorithm(digest[:1])
    state, written = algorithm.start(b""), 0
    try:
        for piece in zstd.pieces(os.read(source, packed_size), size):
            state.update(piece)
            written += len(piece)
            _write(target, piece)
    except ValueError:
        _bad(layout, path)
    except ImportError as error:
        raise BlobError("a stored blob is compressed, and there is no package backports.zstd to read it") from error
    if written != size or algorithm.letter + state.digest() != digest:
        _bad(layout, path)


def _open(layout: Layout, digest: bytes) -> tuple[int, bytes]:
    """The open file of a blob and its path. Raises Missing; BlobError where its digest cannot be checked here."""
    flags = os.O_RDONLY | CAREFUL
    try:
        digests.algorithm(digest[:1])
        path = path_of(layout, digest)
        try:
            return os.open(path, flags), path
        except FileNotFoundError:
            path += PACKED
            return os.open(path, flags), path
    except digests.Unknown as error:
        raise BlobError(str(error)) from error
    except FileNotFoundError:
        raise Missing("a stored blob is missing") from None


def _bad(layout: Layout, path: bytes) -> NoReturn:
    layout.set_aside(path)
    raise Bad("a stored blob is damaged")


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


# -- writing -----------------------------------------------------------------------------------------


def put(layout: Layout, digest: bytes, content: bytes) -> int:
    """Store content unless it is there already; returns the bytes by which the store grew. Raises OSError."""
    from procache.store import files

    if _renewed(layout, digest, len(content)):
        return 0
    packed = _packed(layout, content)
    if packed:
        files.write(layout, path_of(layout, digest) + PACKED, packed)
    else:
        files.write(layout, path_of(layout, digest), content)
    return files.on_disk(len(packed or content))


def put_staged(layout: Layout, digest: bytes, staged: bytes, *, shared: bool = False) -> int:
    """Store a file that was written to tmp, and is gone from there afterwards. Raises OSError.

    Returns the bytes by which the store grew.

    ``shared``: its extents are those of another file, so that it takes no room as it is.
    """
    from procache.store import files

    grown = 0
    try:
        st = os.stat(staged)
        if not _renewed(layout, digest, st.st_size):
            packed = b""
            if not shared and st.st_size <= MOST_PACKED and st.st_blocks * 512 >= st.st_size:  # no holes
                with open(staged, "rb", buffering=0) as file:
                    packed = _packed(layout, file.readall())
            if not packed:
                files.place(layout, staged, path_of(layout, digest))
                return st.st_blocks * 512
            files.write(layout, path_of(layout, digest) + PACKED, packed)
            grown = files.on_disk(len(packed))
    except OSError:
        files.drop(staged)
        raise
    files.drop(staged)
    return grown


def _packed(layout: Layout, content: bytes) -> bytes:
    """The content compressed, where that saves a block and an eighth; else b""."""
    from procache.store import files

    if len(content) <= files.BLOCK or len(content) > MOST_PACKED or layout.compression == "none":
        return b""
    try:
        from procache.store import zstd

        packed = zstd.compress(content)
    except ImportError:  # the package is missing: a store without compression works
        return b""
    saved = files.on_disk(len(content)) > files.on_disk(len(packed))
    return packed if saved and len(packed) <= len(content) - len(content) // 8 else b""


def _renewed(layout: Layout, digest: bytes, size: int) -> bool:
    """True when a blob is there, as it seems whole; it counts as used now."""
    path = path_of(layout, digest)
    for name, least, most in ((path, size, size), (path + PACKED, 1, size - 1)):
        try:
            found = os.stat(name).st_size
        except OSError:
            continue
        if name.endswith(PACKED) and not _can_unpack():
            continue  # it is stored as it is, too
        if not least <= found <= most:  # cut by a crash
            layout.set_aside(name)
            continue
        try:
            os.utime(name)
        except OSError:
            pass  # of another user: it stays as old as it is
        return True
    return False


def _can_unpack() -> bool:
    from procache.store import zstd

    return zstd.is_there()


def renew(layout: Layout, digest: bytes) -> bool:
    """A blob is used now; False where it is not there. Within a minute of the last time nothing is written."""
    path = path_of(layout, digest)
    for name in (path, path + PACKED):
        try:
            if abs(time.time() - os.stat(name).st_mtime) > 60:
                os.utime(name)
        except FileNotFoundError:
            continue
        except OSError:
            pass  # of another user: it stays as old as it is
        return True
    return False


def check(path: bytes, digest: bytes) -> bool:
    """True when the blob at ``path`` holds what its name says. Raises digests.Unknown, OSError, ImportError."""
    algorithm = digests.algorithm(digest[:1])
    fd = os.open(path, os.O_RDONLY | CAREFUL)
    try:
        if not path.endswith(PACKED):
            return algorithm.of_descriptor(fd) == digest
        from procache.store import zstd

        state = algorithm.start(b"")
        try:
            for piece in zstd.pieces(os.read(fd, MOST_PACKED), MOST_PACKED):
                state.update(piece)
        except ValueError:
            return False
        return digest[:1] + state.digest() == digest
    finally:
        os.close(fd)
