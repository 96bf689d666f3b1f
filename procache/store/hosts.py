"""Which host this is: device and inode numbers, and so the identities of files, mean something on one only.

A store can be seen by several hosts at once, which may be clones of one disk image: files of equal device, inode and
times can then differ. A host is told by /etc/machine-id (machine-id(5)) together with its name, since clones are often
made without giving them another id, or without giving them another name. Where there is no id, as in most containers,
it is the running kernel, which numbers the devices of all its containers.
"""

from __future__ import annotations

import os

from procache.digests import XXH3

#: Bytes that stand for a host.
LENGTH = 8
#: Stands for a host that is not known: it is none.
NOBODY = bytes(LENGTH)
MACHINE_ID = "/etc/machine-id"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


_own = b""


def own() -> bytes:
    """What stands for this host; NOBODY where it cannot be told."""
    global _own
    _own = _own or told()
    return _own


def told() -> bytes:
    """As ``own``, asked anew."""
    machine = _content(MACHINE_ID).strip()
    if machine and machine != b"uninitialized":
        return XXH3.whole(machine + b"\0" + os.fsencode(os.uname().nodename))[:LENGTH]
    boot = _content(BOOT_ID)
    return XXH3.whole(boot)[:LENGTH] if boot else NOBODY


def _content(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 256)
    except OSError:
        return b""
    finally:
        os.close(fd)
