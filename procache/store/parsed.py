"""What configuration files say, kept under the digest of their bytes so that each is parsed once.

Nothing here can be out of date, since another content has another name. What cannot be read is a miss.
"""

from __future__ import annotations

import os

import msgpack

from procache import __version__, digests
from procache.store import opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

Entries = dict[str, tuple[object, int]]


def path_of(layout: Layout, digest: bytes) -> bytes:
    """Where the entries of a file with this content are."""
    return layout.configs + b"/" + digests.hexadecimal(digest)


def read(layout: Layout, digest: bytes) -> Entries | None:
    """The entries that were kept for a file with this content by this version of procache, or None."""
    try:
        with opened(path_of(layout, digest)) as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None  # in a shared store, others could say what our settings are
            data = file.read()
        checksum, body = data[: len(digest)], data[len(digest) :]
        if not digests.fits(checksum, body):
            return None
        version, entries = msgpack.unpackb(body, use_list=True)
        found = {str(name): (value, int(line)) for name, (value, line) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError, msgpack.UnpackException):
        return None  # damaged, or made up
    return found if version == __version__ else None


def write(layout: Layout, digest: bytes, entries: Entries) -> None:
    """Keep entries; where that fails, the file is parsed again next time."""
    from procache.store import files

    try:
        body: bytes = msgpack.packb((__version__, entries))
        files.write(layout, path_of(layout, digest), digests.of_bytes(body) + body)
    except (OSError, TypeError, OverflowError):  # a value that is none of ours, such as a date
        pass
