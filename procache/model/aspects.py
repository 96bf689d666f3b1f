"""The closed vocabulary of facts: which side of a path an execution looked at.

A fact is (path, aspect, value). The numbers are stored in records, so they are never reused;
a new aspect gets a new number. Aspects from TYPE to CONTENT form a chain: each says everything
that the ones before it say, so only the strongest is kept for a path.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ABSENT = 0  # value: errno of the failed look (ENOENT, ENOTDIR, ELOOP, EACCES)
TYPE = 1  # value: file type bits (S_IFMT): folders walked through, names only tested for existence
OWNER = 2  # value: (mode, uid, gid): a folder that was stat'ed, a file about to be overwritten
META = 3  # value: the State without a digest that counts: stat, lstat, statx, access
CONTENT = 4  # value: the State with its digest: opened for reading, executed, changed in part
TARGET = 5  # value: link text
LISTING = 6  # value: digest of the sorted (name, type) pairs of a folder
WRITABLE = 7  # value: (mode, uid, gid): absent, or a regular file that is already so
REPLACEABLE = 8  # value: None: absent or anything but a folder (the target of a rename)
FS = 9  # value: type name of the file system
PSEUDO = 10  # value: digest of the stable part of a file of /proc or /sys
XATTR = 11  # value: digest of all extended attributes
STDIN = 12  # value: (offset, digest) of a file, of a pipe (size, digest, ended, digest of its head); path b"0"
DESCRIPTORS = 13  # value: numbers and kinds of the descriptors above 2 that were inherited; the path is b""
LINK_META = 14  # value: (mode, uid, gid, mtime_ns) of a link that a program looked at which goes by times
BEGINS = 15  # value: whether a file inherited as output stood at its begin; the path is the descriptor's number
WHOLE = 16  # value: True: work of it went on when it had ended, so only a whole run may be replayed; path b""
PROGRAM = 17  # value: what the policy said of a program that was run (``Policy.of_program``); its name is the path
UNCOUNTED = 18  # value: None: the policy said that this path is no input
UNSTABLE = 19  # value: None: the command gave another result when it was verified, and is not to be skipped

NAMES = {
    ABSENT: "absent",
    TYPE: "type",
    OWNER: "owner",
    META: "meta",
    CONTENT: "content",
    TARGET: "target",
    LISTING: "listing",
    WRITABLE: "writable",
    REPLACEABLE: "replaceable",
    FS: "fs",
    PSEUDO: "pseudo",
    XATTR: "xattr",
    STDIN: "stream",
    DESCRIPTORS: "descriptors",
    LINK_META: "link",
    BEGINS: "position",
    WHOLE: "place",
    PROGRAM: "program",
    UNCOUNTED: "uncounted",
    UNSTABLE: "unstable",
}

#: Aspects of which a path keeps one, the strongest. ABSENT and TARGET are complete in themselves.
STRENGTH = {TYPE: 1, OWNER: 2, META: 3, CONTENT: 4, TARGET: 5, ABSENT: 6}

#: Places in a state tuple: (mode, uid, gid, size, nlink, mtime_ns, digest, identity). ``mode`` has its
#: type bits; ``digest`` is empty where it is not known; ``identity`` is (device, inode, ctime_ns), or None
#: where the file was too young to be recognised by it.
MODE: Final = 0
UID: Final = 1
GID: Final = 2
SIZE: Final = 3
NLINK: Final = 4
MTIME: Final = 5
DIGEST: Final = 6
IDENTITY: Final = 7

Identity = tuple[int, int, int]
State = tuple[int, int, int, int, int, int, bytes, "Identity | None"]
#: A fact as recorded: path, aspect, value, and whether modification times count.
Fact = tuple[bytes, int, object, bool]


class ChangedWhileReading(Exception):
    """Raised by a world when a file changed while its digest was being taken; nothing can be said of it."""
