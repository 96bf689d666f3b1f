"""On what kind of file system a folder lies, and whether other hosts can see it there.

The kind is the name in /proc/self/mountinfo (proc(5)), found by the mount's id: it tells the kinds of FUSE apart,
which have one number (statfs(2)) for all, and the id is right where the device number of a folder is not that of its
mount (Btrfs subvolumes).
"""

from __future__ import annotations

import os

MOUNTINFO = "/proc/self/mountinfo"
#: File systems that several hosts can have mounted at once.
NETWORK = frozenset(
    b"""
    nfs nfs4 cifs smb3 smbfs ncpfs afs auristorfs coda ceph lustre gpfs mmfs beegfs glusterfs pvfs2 orangefs panfs
    wekafs gfs gfs2 ocfs2 acfs 9p virtiofs vboxsf vmhgfs prl_fs davfs
    """.split()
)
#: Of those that programs serve (FUSE), the ones that show what lies on this host.
LOCAL_FUSE = frozenset(
    b"fuseblk fuse.fuse-overlayfs fuse.ntfs-3g fuse.bindfs fuse.gocryptfs fuse.encfs fuse.cryfs fuse.mergerfs".split()
)
#: Those that take the times of changes from this host's clock when they are made: neither a server's nor later.
TIMED = frozenset(b"ext2 ext3 ext4 xfs btrfs f2fs bcachefs zfs jfs reiserfs nilfs2 tmpfs ramfs overlay".split())
UNKNOWN = b"?"


def kind_at(folder: bytes) -> bytes:
    """The name of the kind of file system that holds ``folder``; UNKNOWN where it cannot be told."""
    try:
        mount = _mount_id(folder)
        with open(MOUNTINFO, "rb") as file:
            for line in file:
                left, _, right = line.partition(b" - ")
                if left.split(b" ", 1)[0] == mount:
                    return right.split(b" ", 1)[0]
    except OSError:
        pass
    return UNKNOWN


def is_shared_device(device: int) -> bool:
    """True where the files with this device number may be changed by other hosts, or that is not known."""
    wanted = b"%d:%d" % (os.major(device), os.minor(device))
    kind = UNKNOWN
    try:
        with open(MOUNTINFO, "rb") as file:
            for line in file:
                left, _, right = line.partition(b" - ")
                if left.split(b" ", 3)[2] == wanted:
                    kind = right.split(b" ", 1)[0]
                    break
    except OSError:
        pass
    return is_shared(kind)


def _mount_id(folder: bytes) -> bytes:
    fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            return next((line.split()[1] for line in file if line.startswith(b"mnt_id:")), b"")
    finally:
        os.close(fd)


def is_shared(kind: bytes) -> bool:
    """True for a file system that other hosts may see too, and for one that is not known."""
    if kind.startswith(b"fuse"):
        return kind not in LOCAL_FUSE
    return kind in NETWORK or kind == UNKNOWN
