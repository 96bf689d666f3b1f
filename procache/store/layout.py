"""Where things lie in the cache folder, and making sure that it is ours.

ROOT/v2/records/ab/xabcdef…  all records of one command key
        blobs/               content of files and of large outputs (``blobs``)
        runs/RUNID.journal   what one run did
        tmp/                 files being written, and notes of where else there are some
        configs/             what configuration files say, by the digest of their bytes
        memo/                digests of files by identity, for each host
        claims/              what each run that goes on is about to change
        usage                what each run did, in a few bytes
        lock                 held shared by who uses blobs, and alone by who evicts them
        gc                   held by who evicts; its time is that of the last time
        pins/RUNID           the commands of a run that is to be kept
"""

from __future__ import annotations

import errno
import os
import stat

from procache.digests import hexadecimal
from procache.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.staging import Staging

#: The format of everything in the folder; another format lives beside it in a folder of its own.
VERSION = b"v2"
#: What a whole tree is called, with the process id, that was renamed to be deleted.
CLEARED = b".cleared-"


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
        "claims",
        "usage",
        "lock",
        "gc",
        "pins",
        "fsync",
        "compression",
        "shared",
        "staging",
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
        self.claims = self.root + b"/claims"
        self.usage = self.root + b"/usage"
        self.lock = self.root + b"/lock"
        self.gc = self.root + b"/gc"
        self.pins = self.root + b"/pins"
        #: whether members of a group write to it; known when it was checked
        self.shared = False
        #: the temporaries of this process in other folders, while there may be any
        self.staging: Staging | None = None

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
            self.make_top()
            self.check()
            if self.shared and not os.path.isdir(self.tmp):
                from procache.store import sharing

                sharing.fill(self)
            for folder in (self.root, self.records, self.blobs, self.runs, self.tmp):
                if not os.path.isdir(folder):
                    os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot use the cache folder {os.fsdecode(self.top)}: {error.strerror}; "
                "name another with --cache-dir or PROCACHE_DIR"
            ) from error

    def make_top(self) -> None:
        """Make the folder, and those above it that are missing, for this user alone. Raises OSError."""
        _make_private(self.top)

    def check(self) -> None:
        """Raise StoreError when the folder is somebody else's, or others may write to it and it is no shared store."""
        st = os.lstat(self.top)
        name = os.fsdecode(self.top)
        if stat.S_ISLNK(st.st_mode):
            if st.st_uid not in (os.geteuid(), 0):
                raise StoreError(f"the cache folder {name} is a link that another user (uid {st.st_uid}) has put there")
            st = os.stat(self.top)
        if not stat.S_ISDIR(st.st_mode):
            raise StoreError(f"{name} is not a folder; name another with --cache-dir or PROCACHE_DIR")
        if st.st_uid != os.geteuid() or st.st_mode & 0o022:
            from procache.store import sharing

            sharing.check(self, st)
            self.shared = True
        above = os.path.dirname(self.top)
        if os.stat(above).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            folder = os.fsdecode(above)
            raise StoreError(f"everybody may replace the cache folder {name}; say: chmod o-w '{folder}', or +t")


def _make_private(folder: bytes) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    except FileNotFoundError:
        _make_private(os.path.dirname(folder))
        os.mkdir(folder, 0o700)


def locate(cache_dir: str | None) -> Layout:
    """The layout for ``--cache-dir``, else $PROCACHE_DIR, else $XDG_CACHE_HOME/procache, else ~/.cache/procache."""
    chosen = cache_dir or os.environ.get("PROCACHE_DIR")
    if not chosen:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not base.startswith("/"):
            base = os.path.join(os.path.expanduser("~"), ".cache")
        chosen = os.path.join(base, "procache")
    return Layout(os.fsencode(os.path.abspath(chosen)))
