"""What a file of /proc, /sys or a device means as an input: a declared policy, not an accident.

Sources: proc(5), sysfs(5), null(4), random(4), and the kernel's devices.txt for device numbers.
"""

from __future__ import annotations

import os
import stat

from procache import digests

IGNORE = "ignore"  # not an input: says only who is asking, or is random by design
STABLE = "stable"  # an input by the stable part of its content
TAINT = "taint"  # changes by itself; what reads it must not be recorded

#: Files of /proc that are read for facts about the machine, with the lines that count (None: all).
STABLE_FILES: dict[bytes, tuple[bytes, ...] | None] = {
    b"/proc/cpuinfo": (
        b"processor",
        b"vendor_id",
        b"cpu family",
        b"model",
        b"flags",
        b"physical id",
        b"core id",
        b"cpu cores",
    ),
    b"/proc/meminfo": (b"MemTotal", b"SwapTotal", b"Hugepagesize"),
    b"/proc/filesystems": None,
    b"/proc/version": None,
    b"/proc/version_signature": None,
    b"/proc/cmdline": None,
    b"/proc/devices": None,
    b"/proc/mounts": None,
    b"/proc/modules": (),
    b"/proc/config.gz": None,
    b"/proc/crypto": None,
    b"/proc/cgroups": None,
}
#: Parts of a process's own folder that are an input by their content.
OWN_STABLE = frozenset((b"mounts", b"mountinfo", b"cgroup", b"uid_map", b"gid_map", b"limits"))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Not a path: stands for what uname(2) tells.
UNAME = b"uname(2)"

#: What the reader itself is called in paths of facts.
_OWN = (b"self",)
_NULL = os.makedev(1, 3)
_HARMLESS_DEVICES = frozenset(os.makedev(1, minor) for minor in (3, 5, 7, 8, 9))  # null zero full random urandom
_TERMINAL_MAJORS = frozenset((4, 5, *range(136, 144), 188, 204, 229))


def of_proc(path: bytes, own: tuple[bytes, ...]) -> str:
    """Policy for opening a path below /proc; ``own`` are the ids that mean the process itself."""
    parts = path.split(b"/", 3)
    first = parts[2] if len(parts) > 2 else b""
    rest = parts[3] if len(parts) > 3 else b""
    if first in own:
        if rest.partition(b"/")[0] in OWN_STABLE:
            return STABLE
        return TAINT if rest.startswith((b"net", b"mem", b"pagemap", b"task/", b"fd/", b"map_files/")) else IGNORE
    if path in STABLE_FILES:
        return STABLE
    if first == b"sys":
        return IGNORE if rest.startswith(b"kernel/random") else STABLE
    return TAINT


def digest(path: bytes) -> bytes:
    """Digest of the stable part of a pseudo file, or of the error that reading it gives."""
    if path == UNAME:
        return digests.of_bytes("\0".join(os.uname()).encode())
    if path == b"/dev/tty":
        return b"terminal" if _has_terminal() else b"none"
    if path.startswith(b"/proc/") and of_proc(path, _OWN) != STABLE:
        return b"not read"  # only a planted record asks: links in /proc lead to what blocks, or is used up by reading
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            data = b""
            while chunk := file.read(1 << 16):
                data += chunk
    except OSError as error:
        return b"errno %d" % (error.errno or 0)
    wanted = STABLE_FILES.get(path)
    if wanted is not None:
        data = b"\n".join(line for line in data.splitlines() if line.startswith(wanted))
    return digests.of_bytes(data)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _has_terminal() -> bool:
    """True when this session has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def harmless_device(st: os.stat_result) -> bool:
    """True for the devices that carry no state: null, zero, full, random, urandom."""
    return stat.S_ISCHR(st.st_mode) and st.st_rdev in _HARMLESS_DEVICES


def is_terminal(st: os.stat_result) -> bool:
    """True when ``st`` is of a terminal device."""
    return stat.S_ISCHR(st.st_mode) and os.major(st.st_rdev) in _TERMINAL_MAJORS


def stream_kind(st: os.stat_result) -> bytes:
    """What kind of thing a descriptor is, as far as a program may behave differently for it."""
    return kind_of(st.st_mode, st.st_rdev)


def kind_of(mode: int, rdev: int) -> bytes:
    """``stream_kind`` of a type and the number of the device that it is."""
    if stat.S_ISFIFO(mode):
        return b"pipe"
    if stat.S_ISREG(mode):
        return b"file"
    if stat.S_ISCHR(mode):
        if rdev == _NULL:
            return b"null"
        return b"terminal" if os.major(rdev) in _TERMINAL_MAJORS else b"device %x" % rdev
    return b"socket" if stat.S_ISSOCK(mode) else b"other %o" % stat.S_IFMT(mode)


def file_mode(flags: int) -> bytes:
    """How a file is open, as far as a program may behave differently for it: access mode and O_APPEND."""
    return b" %o" % (flags & (os.O_ACCMODE | os.O_APPEND))


def further_kind(fd: int, st: os.stat_result, path: bytes) -> bytes:
    """A descriptor above 2 as a fact: its number and kind; a folder is told by its path."""
    return b"%d:%b" % (fd, path if stat.S_ISDIR(st.st_mode) else stream_kind(st))


def with_sharing(
    kinds: list[bytes], files: dict[int, tuple[int, int]], one_open: Callable[[int, int], bool]
) -> tuple[bytes, ...]:
    """Kinds of the standard streams, each with the number of an earlier one that is the same file.

    ``one_open`` tells whether two descriptors share one open file (``=``) or only the inode (``~``).
    """
    found = list(kinds)
    for fd in (1, 2):
        for earlier in range(fd):
            if kinds[fd] not in (b"closed", b"null") and fd in files and files.get(earlier) == files[fd]:
                same = not kinds[fd].startswith(b"file") or one_open(earlier, fd)
                found[fd] += b" %b%d" % (b"=" if same else b"~", earlier)
                break
    return tuple(found)


def file_system(path: bytes) -> bytes:
    """Type name of the file system that holds ``path``, from /proc/self/mountinfo; b"?" if unknown."""
    try:
        st = os.stat(path)
        with open("/proc/self/mountinfo", "rb") as mounts:
            lines = mounts.readlines()
    except OSError as error:
        return b"errno %d" % (error.errno or 0)
    number = b"%d:%d" % (os.major(st.st_dev), os.minor(st.st_dev))
    for line in lines:
        left, _, right = line.partition(b" - ")
        if left.split(b" ")[2] == number:
            return right.split(b" ")[0]
    return b"?"
