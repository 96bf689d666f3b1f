"""What is particular to x86-64. Another architecture is another file with these names.

Sources: syscall(2) on calling conventions, <linux/audit.h>, ``ptrace.binding`` for the register layout.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import addressof, memmove, sizeof

from ptrace.binding.func import PTRACE_GETREGS, PTRACE_SETREGS, ptrace, ptrace_registers_t
from ptrace.ctypes_libc import libc
from ptrace.syscall.names import SYSCALL_NAMES

#: seccomp_data.arch of a native call (AUDIT_ARCH_X86_64).
AUDIT_ARCH = 0xC000003E
#: Set in the number of an x32 call (__X32_SYSCALL_BIT): another ABI, which is not followed.
FOREIGN_BIT = 0x40000000
#: ELF: e_machine and class of native programs.
ELF_CLASS, ELF_MACHINE = 2, 62
#: Bytes of the system call instruction, after which ``rip`` points.
INSTRUCTION = 2
CALL_INSTRUCTION = b"\x0f\x05"

#: Calls that python-ptrace 0.9.9 names otherwise (283) or does not have yet
#: (arch/x86/entry/syscalls/syscall_64.tbl, Linux 6.19).
NEWER = {
    283: "timerfd_create",
    335: "uretprobe",
    428: "open_tree",
    429: "move_mount",
    430: "fsopen",
    431: "fsconfig",
    432: "fsmount",
    433: "fspick",
    434: "pidfd_open",
    435: "clone3",
    436: "close_range",
    437: "openat2",
    438: "pidfd_getfd",
    439: "faccessat2",
    440: "process_madvise",
    441: "epoll_pwait2",
    442: "mount_setattr",
    443: "quotactl_fd",
    444: "landlock_create_ruleset",
    445: "landlock_add_rule",
    446: "landlock_restrict_self",
    447: "memfd_secret",
    448: "process_mrelease",
    449: "futex_waitv",
    450: "set_mempolicy_home_node",
    451: "cachestat",
    452: "fchmodat2",
    453: "map_shadow_stack",
    454: "futex_wake",
    455: "futex_wait",
    456: "futex_requeue",
    457: "statmount",
    458: "listmount",
    459: "lsm_get_self_attr",
    460: "lsm_set_self_attr",
    461: "lsm_list_modules",
    462: "mseal",
    463: "setxattrat",
    464: "getxattrat",
    465: "listxattrat",
    466: "removexattrat",
    467: "open_tree_attr",
    468: "file_getattr",
    469: "file_setattr",
    470: "listns",
    471: "rseq_slice_yield",
}

#: Name of every native system call by number; x32 numbers (512 and up) are not native.
NAMES: dict[int, str] = {**{nr: name for nr, name in SYSCALL_NAMES.items() if nr < 512}, **NEWER}
NUMBERS: dict[str, int] = {name: nr for nr, name in NAMES.items()}

regs = ptrace_registers_t()
_ADDRESS = addressof(regs)
_SIZE = sizeof(regs)
PTRACE_GET_SYSCALL_INFO = 0x420E
#: struct ptrace_syscall_info: op, arch, instruction and stack pointers, then number and arguments.
_INFO_SIZE = 88
_INFO_BUFFER = ctypes.create_string_buffer(_INFO_SIZE)
_INFO_ADDRESS = addressof(_INFO_BUFFER)
_INFO = struct.Struct("<4xI16x7Q").unpack_from

Args = tuple[int, ...]


#: ptrace(2) with the argument types that ``ptrace.binding`` declares, without its check of every result: for
#: the two requests of each stop. Anything but 0 is a failure.
request = libc.ptrace


def fetch(pid: int) -> None:
    """Read the registers of a stopped tracee into ``regs``. Raises PtraceError when it is gone."""
    if request(PTRACE_GETREGS, pid, 0, _ADDRESS):
        ptrace(PTRACE_GETREGS, pid, 0, _ADDRESS)


def store(pid: int) -> None:
    """Write ``regs`` to a stopped tracee."""
    ptrace(PTRACE_SETREGS, pid, 0, _ADDRESS)


def snapshot() -> bytes:
    """A copy of ``regs``."""
    return bytes(regs)


def restore(saved: bytes) -> None:
    """Set ``regs`` from a copy."""
    memmove(_ADDRESS, saved, _SIZE)


def entry(pid: int) -> tuple[bool, int, Args]:
    """(whether it is a native call, number, six arguments) of the call at whose entry a tracee stands.

    PTRACE_GET_SYSCALL_INFO (Linux 5.3) tells the architecture too: ``int $0x80`` in a native program makes
    i386 calls, of other numbers. Raises PtraceError when the tracee is gone.
    """
    if request(PTRACE_GET_SYSCALL_INFO, pid, _INFO_SIZE, _INFO_ADDRESS) > _INFO_SIZE:
        fetch(pid)  # says how it failed
    architecture, number, *args = _INFO(_INFO_BUFFER)
    return architecture == AUDIT_ARCH, number, tuple(args)


def number() -> int:
    """The number of the call that ``regs`` are of."""
    return int(regs.orig_rax)


def result() -> int:
    """The signed result of the call at whose exit ``regs`` were fetched; errors are -errno."""
    value = int(regs.rax)
    return value - (1 << 64) if value >> 63 else value


def become(name: str, *args: int) -> None:
    """Turn the call in ``regs`` into another one; to be stored by ``store``."""
    regs.orig_rax = NUMBERS[name]
    for register, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args, strict=False):
        setattr(regs, register, value & 0xFFFFFFFFFFFFFFFF)


def answer(value: int) -> None:
    """Make the call at whose entry ``regs`` were fetched return ``value``, unmade (seccomp(2), SECCOMP_RET_TRACE)."""
    regs.orig_rax = 0xFFFFFFFFFFFFFFFF
    regs.rax = value


def again(number: int) -> None:
    """Make the instruction just executed run once more, as the call ``number``."""
    regs.rax = number
    regs.rip -= INSTRUCTION


def stack() -> int:
    """The stack pointer in ``regs``."""
    return int(regs.rsp)


def position() -> int:
    """The instruction pointer in ``regs``."""
    return int(regs.rip)


def skip_instruction() -> None:
    """Move ``regs`` behind a call instruction."""
    regs.rip += INSTRUCTION


def leave_call() -> None:
    """Say that ``regs`` are of no call any more, so that the kernel restarts none."""
    regs.orig_rax = 0xFFFFFFFFFFFFFFFF
