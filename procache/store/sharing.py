"""Stores that the members of a group share: making one, and telling one from a folder that others can write to.

The owner of such a store has put a marker into it. Whoever else can write to the folder cannot make that marker: it
must belong to the owner of the folder. Nothing in a shared store is made by the umask of whoever happens to run.
"""

from __future__ import annotations

import os
import stat

from procache.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

MARKER = b"/procache-shared"
TEXT = b"The owner of this folder shares it as a cache of procache with the group that the folder belongs to.\n"
#: The folders of a shared store, those in which everybody may remove only what is his own, and the files.
FOLDER, STICKY, FILE = 0o2770, 0o3770, 0o660
#: The marker is changed by nobody; journals are changed by whose run it is.
MARKER_MODE, JOURNAL = 0o440, 0o640


# -- is it one? ------------------------------------------------------------------------------------


def check(layout: Layout, st: os.stat_result) -> None:
    """Make sure that a folder that others own or can write to is a shared store. Raises StoreError, OSError.

    ``st``: of the folder.
    """
    name = os.fsdecode(layout.top)
    own = st.st_uid == os.geteuid()
    try:
        marker = os.lstat(layout.top + MARKER)
    except FileNotFoundError:
        if own:
            raise StoreError(f"others may write to the cache folder {name}; say: chmod go-w '{name}'") from None
        raise StoreError(
            f"the cache folder {name} belongs to another user (uid {st.st_uid}); use one of your own, "
            "or one that was made with `procache store create --shared`"
        ) from None
    if st.st_mode & stat.S_IWOTH:
        raise StoreError(f"everybody may write to the shared cache folder {name}; say: chmod o-w '{name}'")
    if not stat.S_ISREG(marker.st_mode) or marker.st_uid != st.st_uid or marker.st_mode & 0o022:
        raise StoreError(f"the cache folder {name} is not shared by its owner: its marker is not the owner's")
    if not own and st.st_uid:
        _check_place(layout.top, name, st.st_uid)


def _check_place(top: bytes, name: str, owner: int) -> None:
    """Where everybody can make folders, anybody can make a store and wait for who uses it."""
    folder = top
    while folder != b"/":
        folder = os.path.dirname(folder)
        if os.stat(folder).st_mode & stat.S_IWOTH:
            raise StoreError(
                f"the shared cache folder {name} of another user (uid {owner}) is in {os.fsdecode(folder)}, where "
                "everybody may put one; it must be where only its owner and root can have put it"
            )


# -- making one --------------------------------------------------------------------------------------


def create(layout: Layout, group: int) -> None:
    """Make a shared store of an empty folder, or of none. Raises UsageError, OSError."""
    layout.make_top()
    if os.listdir(layout.top):
        raise UsageError(f"{os.fsdecode(layout.top)} is not empty; name a new folder")
    os.chown(layout.top, -1, group)
    os.chmod(layout.top, STICKY)
    fd = os.open(layout.top + MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    try:
        os.write(fd, TEXT)
        os.fchmod(fd, MARKER_MODE)
    finally:
        os.close(fd)
    layout.shared = True
    fill(layout)


def fill(layout: Layout) -> None:
    """Make all folders of a shared store, and the files that are locked or appended to. Raises OSError.

    They are made at once, so that none is made later by the umask of whoever needs it first.
    """
    for folder in (layout.root, layout.records, layout.blobs, layout.pins):
        _folder(folder, FOLDER)
    for folder in (layout.runs, layout.tmp, layout.claims):
        _folder(folder, STICKY)
    for number in range(256):
        for folder in (layout.records, layout.blobs):
            _folder(folder + b"/%02x" % number, FOLDER)
        _file(layout.records + b"/%02x/.lock" % number)
    for path in (layout.usage, layout.lock, layout.gc):
        _file(path)


def _folder(path: bytes, mode: int) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    os.chmod(path, mode)  # the group is that of the folder above (mkdir(2), S_ISGID)


def _file(path: bytes) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(fd, FILE)
    finally:
        os.close(fd)


def group_of(name: str | None) -> int:
    """The number of a group that is named by name or number; by default the one that new files get."""
    if name is None:
        return os.getegid()
    if name.isdigit():
        return int(name)
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise UsageError(f"there is no group {name!r}") from None
