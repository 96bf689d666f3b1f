"""Removing what killed replays left in folders of the user, as their notes tell (``staging``).

A note is believed as little as possible: it must be a file of this user about folders of this host, and leads only to
files, links and FIFOs whose names carry its own random number. Folders are opened name by name without following links.

Temporaries go at once. What was there before the replay and was moved out of the way may be the only copy of something:
it is left for a day, and so is the note.
"""

from __future__ import annotations

import os
import re
import stat

from procache.store import files, hosts, opened, scan
from procache.store.staging import ASIDE, NOTE, PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.choice import Sum

#: A note of another host, or user, is left to them for so long (s).
OF_OTHERS = 30 * 86400.0
#: No more of a note is read.
_MOST = 1 << 24
_NAME = re.compile(rb"w-([0-9a-f]{8}-[0-9]+-[0-9a-f]{16})" + re.escape(NOTE))
_HOST = re.compile(rb"[0-9a-f]{%d}" % (2 * hosts.LENGTH))
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REMOVABLE = (stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO)


def clear_up(note: bytes, now: float, removed: Sum, dry: bool) -> bool:
    """Remove what a dead process has left where its note leads; True when the note is not needed any more.

    ``now`` in seconds since 1970; ``removed`` counts. With ``dry`` nothing is removed. Other files of tmp are no notes.
    """
    name = _NAME.fullmatch(os.path.basename(note))
    if name is None:
        return True
    try:
        st = os.lstat(note)
        forgotten = now - st.st_mtime > OF_OTHERS
        if st.st_uid != os.geteuid():
            return forgotten
        host, *folders = _read(note)
    except OSError:  # not even a file
        return True
    if not _HOST.fullmatch(host):  # its process was killed while it wrote that, before it made any temporary
        return True
    if host != hosts.own().hex().encode():
        return forgotten
    pattern = re.compile(re.escape(PREFIX + name[1]) + rb"-[0-9]+(%b)?" % re.escape(ASIDE))
    done = [_clear_up(folder, pattern, now, removed, dry) for folder in folders]
    return all(done)


def _read(note: bytes) -> list[bytes]:
    """The host and the folders of a note. Raises OSError."""
    with opened(note) as file:
        return file.read(_MOST).split(b"\0")


def _clear_up(folder: bytes, pattern: re.Pattern[bytes], now: float, removed: Sum, dry: bool) -> bool:
    """Remove what has such a name; False where something is to be left for now."""
    try:
        here = _open(folder)
    except OSError:  # it is no more, or another one
        return True
    try:
        names = [name for name in map(os.fsencode, os.listdir(here)) if pattern.fullmatch(name)]
        done = [_remove(here, name, now, removed, dry) for name in names]
        return all(done)
    finally:
        os.close(here)


def _open(folder: bytes) -> int:
    """A folder, open for reading; no link is followed. Raises OSError, also where the path is none that is noted."""
    names = folder.split(b"/")[1:-1]
    if folder != b"/".join((b"", *names, b"")) or any(name in (b"", b".", b"..") for name in names):
        raise NotADirectoryError
    here = os.open(b"/", _FOLDER)
    for name in (*names, b"."):
        above, flags = here, _FOLDER if name != b"." else os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            here = os.open(name, flags, dir_fd=above)
        finally:
            os.close(above)
    return here


def _remove(here: int, name: bytes, now: float, removed: Sum, dry: bool) -> bool:
    """Remove a name in an open folder; False where it is to be left for now."""
    try:
        st = os.stat(name, dir_fd=here, follow_symlinks=False)
        if stat.S_IFMT(st.st_mode) not in _REMOVABLE or os.geteuid() not in (0, st.st_uid):
            return True
        if name.endswith(ASIDE) and now - st.st_ctime < files.LONG_AGO:
            return False
        if not dry:
            os.unlink(name, dir_fd=here)
        removed.add(scan.size_of(st))
    except OSError:
        pass  # it went by itself, or cannot
    return True
