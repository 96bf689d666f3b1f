"""Where things lie in the cache folder, and making sure that it is ours.

ROOT/v2/records/ab/xabcdef…  all records of one command key
        blobs/               content of files and of large outputs (``blobs``)
        runs/RUNID.journal   what one run did
        tmp/                 files being written; nothing here is ever read back
        configs/             what configuration files say, by the digest of their bytes
        memo/                digests of files by identity, for each host
        usage                what each run did, in a few bytes
        lock                 held shared by who uses blobs, and alone by who evicts them
        gc                   held by who evicts; its time is that of the last time
        pins/RUNID           the commands of a run that is to be kept
"""

from __future__ import annotations

import os
import stat

from procache.digests import hexadecimal
from procache.errors import StoreError

#: The format of everything in the folder; another format lives beside it in a folder of its own.
VERSION = b"v2"


class Layout:
    """Paths of one cache folder, all absolute bytes, and how files are written there.

    ``fsync``: "none", "data" or "full"; ``compression``: "auto" or "none" (the settings of these names).
    """

    __slots__ = (
        "top",
        "root",
        "records",
        "blobs",
        "runs",
        "tmp",
        "configs",
        "memo",
        "usage",
        "lock",
        "gc",
        "pins",
        "fsync",
        "compression",
        "shared",
    )

    def __init__(self, top: bytes) -> None:
        self.fsync, self.compression = "none", "auto"
        self.top = top
        self.root = top + b"/" + VERSION
        self.records = self.root + b"/records"
        self.blobs = self.root + b"/blobs"
        self.runs = self.root + b"/runs"
        self.tmp = self.root + b"/tmp"
        self.configs = self.root + b"/configs"
        self.memo = self.root + b"/memo"
        self.usage = self.root + b"/usage"
        self.lock = self.root + b"/lock"
        self.gc = self.root + b"/gc"
        self.pins = self.root + b"/pins"
        #: whether members of a group write to it; known when it was checked
        self.shared = False

    def record(self, key: bytes) -> bytes:
        """Path of the record file of a command key."""
        name = hexadecimal(key)
        return self.records + b"/" + name[1:3] + b"/" + name

    def set_aside(self, path: bytes) -> None:
        """Take a damaged file out of use, so that it can be stored anew; it is counted."""
        from procache.store import usage

        try:
            os.rename(path, self.tmp + b"/damaged-" + os.path.basename(path))
        except OSError:
            return  # gone already, or a store that cannot be written to
        usage.append(self, usage.NO_RUN, damaged=1)

    def prepare(self) -> None:
        """Make the folders that are missing. Raises StoreError when the store cannot be used."""
        try:
            os.makedirs(self.top, mode=0o700, exist_ok=True)
            self.check()
            for folder in (self.root, self.records, self.blobs, self.runs, self.tmp):
                if not os.path.isdir(folder):
                    os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot use the cache folder {os.fsdecode(self.top)}: {error.strerror}; "
                "name another with --cache-dir or PROCACHE_DIR"
            ) from error

    def check(self) -> None:
        """Raise StoreError when the folder belongs to somebody else or others may write to it."""
        st = os.stat(self.top)
        name = os.fsdecode(self.top)
        if not stat.S_ISDIR(st.st_mode):
            raise StoreError(f"{name} is not a folder; name another with --cache-dir or PROCACHE_DIR")
        if st.st_uid != os.geteuid():
            raise StoreError(f"the cache folder {name} belongs to another user (uid {st.st_uid}); use one of your own")
        if st.st_mode & 0o022:
            raise StoreError(f"others may write to the cache folder {name}; say: chmod go-w '{name}'")


def locate(cache_dir: str | None) -> Layout:
    """The layout for ``--cache-dir``, else $PROCACHE_DIR, else $XDG_CACHE_HOME/procache, else ~/.cache/procache."""
    chosen = cache_dir or os.environ.get("PROCACHE_DIR")
    if not chosen:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not base.startswith("/"):
            base = os.path.join(os.path.expanduser("~"), ".cache")
        chosen = os.path.join(base, "procache")
    return Layout(os.fsencode(os.path.abspath(chosen)))
