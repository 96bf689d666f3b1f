"""Temporaries in folders of the user, and the note in tmp that tells gc where this process makes them.

A replay stages outputs beside their places (``.procache-HOST-PID-RANDOM-NUMBER``). A process that is killed meanwhile
leaves them there, where no gc would look. So each folder is noted before the first temporary is made in it. The note
has the name of a temporary of the store (``files``), which tells whether its process is gone; then gc removes what
the note leads to (``litter``). A process that stages nothing writes none, and each folder is noted once.

The note is the host (``hosts``) in hexadecimal, and then ``NUL folder /`` for each folder. Where it cannot be written
(a store that is full, or read-only), the replay goes on without.
"""

from __future__ import annotations

import os

from procache.store import files, hosts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

#: How names of temporaries begin; then comes what also follows ``w-`` in the name of the note.
PREFIX = b".procache-"
#: How names end of what was there before and was moved out of the way.
ASIDE = b"-aside"
#: How names of notes end.
NOTE = b".folders"


class Staging:
    """The temporaries of this process, and its note."""

    __slots__ = ("layout", "note", "prefix", "noted", "number", "made")

    def __init__(self, layout: Layout) -> None:
        own = files.temporary(layout)
        self.layout = layout
        self.note = own + NOTE
        self.prefix = PREFIX + os.path.basename(own).partition(b"-")[2]
        self.noted: set[bytes] = set()
        self.number = 0
        #: whether there is a note
        self.made = False

    def temporary(self, folder: bytes) -> bytes:
        """A new path in a folder (the root is ``b""``), which is noted."""
        if folder not in self.noted:
            self._note(folder)
            self.noted.add(folder)
        self.number += 1
        return b"%b/%b-%d" % (folder, self.prefix, self.number)

    def _note(self, folder: bytes) -> None:
        entry = b"\0" + folder + b"/"
        try:
            if not self.noted:
                files.write_new(self.note, hosts.own().hex().encode() + entry)
                self.made = True
            elif self.made:
                fd = os.open(self.note, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                try:
                    files.write_all(fd, entry)  # a part of it names another folder at worst; the next begins anew
                finally:
                    os.close(fd)
        except OSError:
            pass  # see the module

    def end(self) -> None:
        """No temporary is left: the note is not needed."""
        if self.made:
            files.drop(self.note)
        self.layout.staging = None


def of(layout: Layout) -> Staging:
    """The temporaries of this process; ``layout`` keeps them until they ``end``."""
    if layout.staging is None:
        layout.staging = Staging(layout)
    return layout.staging
