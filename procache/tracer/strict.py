"""``--strict``: who reads the clock, randomness or process ids is not recorded.

The calls for these stop where it is on (``table.STRICT``). libc reads the clock without a call, from code that the
kernel maps into every program (vDSO, vdso(7)); so that is hidden from each new program, which then makes the call.

Two uses are let pass, since nearly every program would be tainted by them: the 8 random bytes that malloc of glibc
takes to protect its lists (``tcache_key_initialize``; the filter lets that very call through), and what shells ask
at their start whatever they run. The text that a shell was given is searched instead for the words that show these.
"""

from __future__ import annotations

import os
import struct

from procache.model.policy import SHELLS
from procache.model.reasons import reason
from procache.tracer import arch, table
from procache.tracer.tracee import Tracee, Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procache.model.policy import Policy
    from procache.model.tree import Tree

    Handler = Callable[[Tracee, tuple[int, ...]], object]

# Types of entries of the auxiliary vector: <linux/auxvec.h>.
AT_NULL, AT_IGNORE, AT_SYSINFO_EHDR = 0, 1, 33
_PAIR = struct.Struct("<QQ")
#: Parameters of shells by which a script gets the time, a process id or a random number (POSIX sh, bash, zsh).
SHELL_WORDS = (b"$$", b"${$", b"PPID", b"BASHPID", b"RANDOM", b"SECONDS", b"EPOCH", b"printf %(", b"printf '%(")
#: Words that print times when they begin a command.
SHELL_TIMERS = frozenset((b"time", b"times"))
#: No more of a script than this many bytes is searched.
MOST = 1 << 20


class Strict:
    """Taints readers of clock, randomness and process ids."""

    __slots__ = ("policy", "tree", "exempt")

    def __init__(self, policy: Policy, tree: Tree) -> None:
        self.policy = policy
        self.tree = tree
        #: number of an execution -> calls that it may make
        self.exempt: dict[int, frozenset[str]] = {}

    def handlers(self) -> dict[int, Handler]:
        """The handlers of the calls that stop only here."""
        return {arch.NUMBERS[name]: self._reads(what, name) for name, what in table.STRICT.items()}

    def _reads(self, what: str, name: str) -> Handler:
        def handle(t: Tracee, args: tuple[int, ...]) -> None:
            if name not in self.exempt.get(t.ex.number, ()):
                self.tree.taint(t.ex, reason("strict", detail=f"{what} ({name})"))

        return handle

    def started(self, t: Tracee) -> None:
        """A tracee has exec'ed."""
        try:
            hide_vdso(t)
        except (OSError, Unreadable) as error:
            self.tree.taint(t.ex, reason("strict", detail=f"the time, maybe: {error}"))
        image = os.path.basename(os.readlink(b"/proc/%d/exe" % t.tid))  # a script's program is its shell
        calls = self._calls(t.ex.command.program) | self._calls(image)
        if not calls:
            return
        self.exempt[t.ex.number] = calls
        for text in texts(t) if image in SHELLS else ():
            if word := tells(text):
                self.tree.taint(t.ex, reason("strict", detail=f"{os.fsdecode(word)} in its script"))

    def _calls(self, program: bytes) -> frozenset[str]:
        """What a program may ask for: all, or the calls that the settings name (``program:call``)."""
        if program in self.policy.strict_exempt:
            return frozenset(table.STRICT)
        return frozenset(
            name for name in table.STRICT if b"%b:%b" % (program, name.encode()) in self.policy.strict_exempt
        )


def hide_vdso(t: Tracee) -> None:
    """Take the address of the vDSO out of the auxiliary vector that lies on the stack of a new program.

    It begins with argc, the arguments, a NULL, the environment and a NULL (System V ABI, AMD64 supplement, 3.4.1).
    """
    arch.fetch(t.tid)
    at = arch.stack()
    count = struct.unpack("<Q", t.read(at, 8))[0]
    at += 8 * (count + 2)
    at += 8 * (len(t.pointers(at)) + 1)
    while len(pair := t.read(at, _PAIR.size)) == _PAIR.size:
        kind, _ = _PAIR.unpack(pair)
        if kind == AT_NULL:
            return
        if kind == AT_SYSINFO_EHDR:
            t.write(at, struct.pack("<Q", AT_IGNORE))
            return
        at += _PAIR.size
    raise Unreadable("no auxiliary vector")


def texts(t: Tracee) -> Iterator[bytes]:
    """What a shell was given to run: its arguments, the file that they begin with, and the script that it is."""
    command = t.ex.command
    yield from command.argv[1:]
    first = next((word for word in command.argv[1:] if not word.startswith((b"-", b"+"))), None)
    for path in (command.exe, t.absolute(None, first) if first else None):
        try:
            if path is not None:
                with open(path, "rb") as file:
                    text = file.read(MOST)
                if path != command.exe or text.startswith(b"#!"):
                    yield text
        except OSError:
            pass  # no file: a text, or nothing that the shell could read either


def tells(text: bytes) -> bytes:
    """The first word of a shell's text that gives the time, a process id or a random number; b"" without one."""
    found = next((word for word in SHELL_WORDS if word in text), b"")
    return found or next((word for word in text.replace(b";", b" ").split() if word in SHELL_TIMERS), b"")
