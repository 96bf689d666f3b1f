"""Blobs: the content of files and of large outputs, by digest. Only this module knows how one lies on disk.

``blobs/cd/xcdef…`` is the content as it is. What is read is checked against its name; a blob that does not hold what
its name says is set aside, so that it is stored anew.
"""

from __future__ import annotations

import os
import time

from procache import digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from procache.store.layout import Layout


class BlobError(Exception):
    """Raised when a blob cannot be had; the message says why."""


class Missing(BlobError):
    """Raised when a blob is not there."""


class Bad(BlobError):
    """Raised when a blob is not what its name says; it was set aside."""


# -- names -------------------------------------------------------------------------------------------


def path_of(layout: Layout, digest: bytes) -> bytes:
    """Where the plain blob with this digest is."""
    name = digest[1:].hex().encode()
    return layout.blobs + b"/" + name[:2] + b"/" + digest[:1] + name


def parse_name(name: bytes) -> bytes | None:
    """The digest that a file name in the blobs' folders stands for; None for a name that no blob has."""
    try:
        digest = name[:1] + bytes.fromhex(name[1:].decode())
    except ValueError:
        return None
    return digest if digest[1:] and name == digest[:1] + digest[1:].hex().encode() else None


def names(layout: Layout) -> Iterator[tuple[bytes, bytes]]:
    """(digest, path) of every blob in the store, folder by folder; what vanishes meanwhile may be among them."""
    for folder in _listed(layout.blobs):
        for name in _listed(layout.blobs + b"/" + folder):
            digest = parse_name(name)
            if digest is not None:
                yield digest, b"/".join((layout.blobs, folder, name))


def _listed(folder: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(folder))
    except OSError:  # not a folder, or gone
        return []


def present(layout: Layout, digest: bytes) -> bool:
    """True when there is a blob with this digest, good or bad."""
    return os.path.exists(path_of(layout, digest))


# -- reading -----------------------------------------------------------------------------------------


def copy_to(layout: Layout, digest: bytes, size: int, target: int) -> None:
    """Copy a blob of ``size`` bytes to an empty file that is open for reading and writing; holes stay holes.

    Raises Missing, Bad, and OSError where the copying itself failed.
    """
    source = _open(layout, digest)
    try:
        st = os.fstat(source)
        if st.st_size != size:
            _bad(layout, digest)
        if size <= digests.ONE_READ and st.st_blocks * 512 >= size:  # no holes
            data = os.read(source, size)
            if digests.of_bytes(data) != digest:
                _bad(layout, digest)
            while data:
                data = data[os.write(target, data) :]
            return
        from procache import copying

        copying.copy(source, target)
        if digests.of_descriptor(target) != digest:
            if digests.of_descriptor(source) != digest:
                _bad(layout, digest)
            raise OSError("the copy of a stored blob is not like it")
    finally:
        os.close(source)


def open_plain(layout: Layout, digest: bytes, size: int) -> int:
    """A descriptor that reads the content of a blob of ``size`` bytes. Raises Missing, Bad, OSError."""
    fd = _open(layout, digest)
    try:
        if os.fstat(fd).st_size != size or digests.of_descriptor(fd) != digest:
            _bad(layout, digest)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open(layout: Layout, digest: bytes) -> int:
    try:
        return os.open(path_of(layout, digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise Missing("a stored blob is missing") from None


def _bad(layout: Layout, digest: bytes) -> NoReturn:
    layout.set_aside(path_of(layout, digest))
    raise Bad("a stored blob is damaged")


# -- writing -----------------------------------------------------------------------------------------


def put(layout: Layout, digest: bytes, content: bytes) -> None:
    """Store content unless it is there already. Raises OSError."""
    from procache.store import files

    if not _renewed(layout, digest, len(content)):
        files.write(layout, path_of(layout, digest), content)


def put_staged(layout: Layout, digest: bytes, staged: bytes) -> None:
    """Store a file that was written to tmp; it is gone from there afterwards. Raises OSError."""
    from procache.store import files

    if _renewed(layout, digest, os.stat(staged).st_size):
        files.drop(staged)
    else:
        files.place(staged, path_of(layout, digest))


def _renewed(layout: Layout, digest: bytes, size: int) -> bool:
    """True when a blob is there, as it seems whole; it counts as used now."""
    path = path_of(layout, digest)
    try:
        if os.stat(path).st_size != size:
            return False
    except OSError:
        return False
    try:
        os.utime(path)
    except OSError:
        pass  # of another user: it stays as old as it is
    return True


def renew(layout: Layout, digest: bytes) -> bool:
    """A blob is used now; False where it is not there. Within a minute of the last time nothing is written."""
    path = path_of(layout, digest)
    try:
        if abs(time.time() - os.stat(path).st_mtime) > 60:
            os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        pass  # of another user: it stays as old as it is
    return True
