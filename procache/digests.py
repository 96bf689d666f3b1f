"""Digests of bytes and files. A stored digest begins with a letter that names its algorithm.

``x`` is xxh3-128 (xxHash 0.8 specification; 17 bytes with the letter): fast, and enough where only accidents
matter, since the cache folder is private to its user. ``b`` is BLAKE3 with 256 bits (33 bytes with the letter),
for a store that others write to as well: nobody can make another content with the same digest.

A process makes all its digests by one algorithm (``use``); it checks those of either.
"""

from __future__ import annotations

import os

from xxhash import xxh3_128, xxh3_128_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class State(Protocol):
        """What a digest is taken with piece by piece."""

        def update(self, data: bytes, /) -> object:
            """The next bytes."""

        def digest(self) -> bytes:
            """The digest of all bytes so far, without the letter."""


#: Files up to this many bytes are read in one piece.
ONE_READ = 1 << 20
NO_END = 1 << 62


class Algorithm:
    """``length``: bytes of a digest with its letter; ``start(data)`` begins one; ``whole(data)`` is the digest at once,
    without the letter."""

    __slots__ = ("name", "letter", "length", "start", "whole")

    def __init__(
        self, name: str, letter: bytes, bits: int, start: Callable[[bytes], State], whole: Callable[[bytes], bytes]
    ) -> None:
        self.name = name
        self.letter = letter
        self.length = 1 + bits // 8
        self.start = start
        self.whole = whole

    def of_bytes(self, data: bytes) -> bytes:
        """The digest of ``data``."""
        return self.letter + self.whole(data)

    def of_descriptor(self, fd: int) -> bytes:
        """The digest of what an open regular file holds, from byte 0; its offset is not used or moved."""
        data = os.pread(fd, ONE_READ, 0)
        if len(data) < ONE_READ:
            rest = os.pread(fd, ONE_READ, len(data)) if data else b""
            if not rest:
                return self.letter + self.whole(data)
            data += rest
        state = self.start(data)
        st = os.fstat(fd)
        offset = len(data)
        if st.st_blocks * 512 < st.st_size:
            _update_sparse(state, fd, offset, st.st_size)
            offset = max(offset, st.st_size)
        _update(state, fd, offset, NO_END)  # files of proc(5) do not tell their size
        return self.letter + state.digest()


def _update(state: State, fd: int, offset: int, end: int) -> None:
    """Take what a file holds from ``offset`` to ``end`` into a digest."""
    while offset < end and (chunk := os.pread(fd, min(ONE_READ, end - offset), offset)):
        state.update(chunk)
        offset += len(chunk)


def _update_sparse(state: State, fd: int, offset: int, end: int) -> None:
    """The same of a file with holes, which are not read (lseek(2)): by a descriptor of our own, whose offset moves."""
    own = os.open(b"/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while offset < end:
            try:
                start = min(end, os.lseek(own, offset, os.SEEK_DATA))
                stop = os.lseek(own, start, os.SEEK_HOLE) if start < end else end
            except OSError:  # ENXIO: a hole up to the end
                start = stop = end
            _update_zeros(state, start - offset)
            _update(state, own, start, min(stop, end))
            offset = stop
    finally:
        os.close(own)


def _update_zeros(state: State, count: int) -> None:
    zeros = bytes(min(count, ONE_READ))
    while count >= ONE_READ:
        state.update(zeros)
        count -= ONE_READ
    state.update(zeros[:count])


XXH3 = Algorithm("xxh3", b"x", 128, xxh3_128, xxh3_128_digest)
_known = {XXH3.letter: XXH3}
#: The algorithm by which this process makes digests.
current = XXH3
NAMES = ("xxh3", "blake3")
#: Bytes of a digest with its letter, by the letter.
LENGTHS = {b"x": XXH3.length, b"b": 33}


class Unknown(ValueError):
    """Raised for a digest by an algorithm that is not there: the letter is another, or a package is missing."""


def use(name: str) -> None:
    """Make digests by this algorithm (of ``NAMES``) from now on. Raises Unknown where its package is not installed."""
    global current
    current = XXH3 if name == XXH3.name else algorithm(name[:1].encode())


def algorithm(letter: bytes) -> Algorithm:
    """The algorithm that a digest's first letter names. Raises Unknown."""
    found = _known.get(letter)
    if found is None:
        found = _known[letter] = _blake3(letter)
    return found


def _blake3(letter: bytes) -> Algorithm:
    if letter != b"b":
        raise Unknown(f"no algorithm for digests is called {letter!r}")
    try:
        from blake3 import blake3
    except ImportError as error:
        raise Unknown("digests by BLAKE3 need the package blake3 (pip install 'procache[blake3]')") from error
    return Algorithm("blake3", letter, 256, blake3, lambda data: blake3(data).digest())


def of_bytes(data: bytes) -> bytes:
    """Digest of ``data``, the algorithm's letter first."""
    return current.letter + current.whole(data)


def of_descriptor(fd: int) -> bytes:
    """Digest of what an open regular file holds, from byte 0; its offset is not used or moved."""
    return current.of_descriptor(fd)


class Running:
    """A digest that is taken piece by piece."""

    __slots__ = ("_letter", "_state")

    def __init__(self) -> None:
        self._letter = current.letter
        self._state = current.start(b"")

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self._state.update(data)

    def digest(self) -> bytes:
        """The digest of all bytes so far."""
        return self._letter + self._state.digest()


def is_digest(value: object) -> bool:
    """True for bytes that have the form of a digest by a known algorithm."""
    return isinstance(value, bytes) and LENGTHS.get(value[:1]) == len(value)


def fits(digest: bytes, data: bytes) -> bool:
    """True where ``data`` has this digest, by whichever algorithm it is. Raises Unknown."""
    return algorithm(digest[:1]).of_bytes(data) == digest


def descriptor_fits(digest: bytes, fd: int) -> bool:
    """True where an open file has this digest, by whichever algorithm it is. Raises Unknown, OSError."""
    return algorithm(digest[:1]).of_descriptor(fd) == digest


def hexadecimal(digest: bytes) -> bytes:
    """A digest as the store names files by it: its letter, and the rest in hexadecimal digits."""
    return digest[:1] + digest[1:].hex().encode()


def parsed(name: bytes) -> bytes | None:
    """The digest that ``hexadecimal`` gave this name; None where it is the name of something else."""
    try:
        found = name[:1] + bytes.fromhex(name[1:].decode("ascii"))
    except ValueError:
        return None
    return found if is_digest(found) and hexadecimal(found) == name else None
