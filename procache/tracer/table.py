"""Every system call in exactly one class: the table from which the filter and the dispatch are made.

*harmless* calls are let through untraced; *reads* and *changes* carry paths (or descriptors that stand for
paths) and name the handler in ``calls``; *stream* calls matter where their descriptor is watched; *process*
calls change the tree of processes or what it inherits; *taints* make an execution uncacheable. A call
that is in no list stops and taints. Sources: the man page of each call, section 2.
"""

from __future__ import annotations

from procache.tracer.arch import NAMES

HARMLESS, READS, CHANGES, STREAM = "harmless", "reads", "changes", "stream"
PROCESS, TAINTS, REFUSED = "process", "taints", "refused"

AT_FDCWD = -100
#: Places of arguments: an int is an argument's index, None means the default (current folder, no flags).
Spec = tuple["int | None", ...]

#: name -> (handler, places). Places are (dirfd, path, …) as each handler in ``calls`` says.
READING: dict[str, tuple[str, Spec]] = {
    "open": ("open", (None, 0, 1, 2)),
    "openat": ("open", (0, 1, 2, 3)),
    "creat": ("creat", (None, 0, None, 1)),
    "openat2": ("openat2", (0, 1, 2, 3)),
    "stat": ("stat", (None, 0, None)),
    "lstat": ("lstat", (None, 0, None)),
    "newfstatat": ("stat", (0, 1, 3)),
    "statx": ("stat", (0, 1, 2)),
    "access": ("access", (None, 0, None)),
    "faccessat": ("access", (0, 1, None)),
    "faccessat2": ("access", (0, 1, 3)),
    "readlink": ("readlink", (None, 0)),
    "readlinkat": ("readlink", (0, 1)),
    "chdir": ("chdir", (None, 0)),
    "fchdir": ("fchdir", ()),
    "getdents": ("getdents", (0,)),
    "getdents64": ("getdents", (0,)),
    "statfs": ("statfs", (None, 0)),
    "fstatfs": ("fstatfs", (0,)),
    "getxattr": ("xattr", (None, 0, None)),
    "lgetxattr": ("lxattr", (None, 0, None)),
    "listxattr": ("xattr", (None, 0, None)),
    "llistxattr": ("lxattr", (None, 0, None)),
    "getxattrat": ("xattr", (0, 1, 2)),
    "listxattrat": ("xattr", (0, 1, 2)),
    "fgetxattr": ("fxattr", (0,)),
    "flistxattr": ("fxattr", (0,)),
    "file_getattr": ("stat", (0, 1, 4)),
    "uname": ("uname", ()),
}
_OPENING = 0o2000 | 0o4000 | 0o400 | 0o100000 | 0o200000 | 0o1000000 | 0o2000000
_AT = 0x100 | 0x800 | 0x6000
#: Calls of which an event source may take the look itself: name -> (places of folder, path and flags, -1 for none;
#: flags that change nothing of it). Opening: O_APPEND, O_NONBLOCK, O_NOCTTY, O_LARGEFILE, O_DIRECTORY, O_NOATIME,
#: O_CLOEXEC; otherwise AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT and, for statx, AT_STATX_…, for faccessat2, AT_EACCESS.
PLAIN: dict[str, tuple[int, int, int, int]] = {
    "open": (-1, 0, 1, _OPENING),
    "openat": (0, 1, 2, _OPENING),
    "stat": (-1, 0, -1, 0),
    "lstat": (-1, 0, -1, 0),
    "newfstatat": (0, 1, 3, _AT),
    "statx": (0, 1, 2, _AT),
    "access": (-1, 0, -1, 0),
    "faccessat": (0, 1, -1, 0),
    "faccessat2": (0, 1, 3, 0x100 | 0x200),
    "readlink": (-1, 0, -1, 0),
    "readlinkat": (0, 1, -1, 0),
}
CHANGING: dict[str, tuple[str, Spec]] = {
    "mkdir": ("mkdir", (None, 0)),
    "mkdirat": ("mkdir", (0, 1)),
    "rmdir": ("rmdir", (None, 0)),
    "unlink": ("unlink", (None, 0, None)),
    "unlinkat": ("unlink", (0, 1, 2)),
    "rename": ("rename", (None, 0, None, 1, None)),
    "renameat": ("rename", (0, 1, 2, 3, None)),
    "renameat2": ("rename", (0, 1, 2, 3, 4)),
    "link": ("link", (None, 0, None, 1, None)),
    "linkat": ("link", (0, 1, 2, 3, 4)),
    "symlink": ("symlink", (None, 1)),
    "symlinkat": ("symlink", (1, 2)),
    "mknod": ("mknod", (None, 0, 1)),
    "mknodat": ("mknod", (0, 1, 2)),
    "chmod": ("attributes", (None, 0, None)),
    "fchmodat": ("attributes", (0, 1, None)),
    "fchmodat2": ("attributes", (0, 1, 3)),
    "chown": ("attributes", (None, 0, None)),
    "lchown": ("lattributes", (None, 0, None)),
    "fchownat": ("attributes", (0, 1, 4)),
    "fchmod": ("fattributes", (0,)),
    "fchown": ("fattributes", (0,)),
    "utime": ("utime", (None, 0, 1)),
    "utimes": ("utimes", (None, 0, 1)),
    "futimesat": ("utimes", (0, 1, 2)),
    "utimensat": ("utimensat", (0, 1, 2, 3)),
    "truncate": ("attributes", (None, 0, None)),
    "ftruncate": ("fattributes", (0,)),
    "fallocate": ("fattributes", (0,)),
    "setxattr": ("set_xattr", (None, 0, None)),
    "lsetxattr": ("lset_xattr", (None, 0, None)),
    "removexattr": ("set_xattr", (None, 0, None)),
    "lremovexattr": ("lset_xattr", (None, 0, None)),
    "setxattrat": ("set_xattr", (0, 1, 2)),
    "removexattrat": ("set_xattr", (0, 1, 2)),
    "fsetxattr": ("fset_xattr", (0,)),
    "fremovexattr": ("fset_xattr", (0,)),
    "ioctl": ("ioctl", ()),
}
#: Calls on a descriptor that matter where it was inherited: name -> handler in ``streamcalls``.
STREAMS: dict[str, str] = {
    "read": "read",
    "readv": "readv",
    "pread64": "pread",
    "preadv": "pread",
    "preadv2": "pread",
    "recvfrom": "receive",
    "recvmsg": "receive",
    "recvmmsg": "receive",
    "write": "write",
    "writev": "writev",
    "pwrite64": "pwrite",
    "pwritev": "pwrite",
    "pwritev2": "pwrite",
    "lseek": "lseek",
    "dup": "dup",
    "dup2": "dup2",
    "dup3": "dup2",
    "fcntl": "fcntl",
    "mmap": "mmap",
    "sendfile": "copy_out",
    "copy_file_range": "copy_range",
    "splice": "splice",
    "tee": "tee",
    "vmsplice": "vmsplice",
    "sendto": "send",
    "sendmsg": "sendmsg",
    "sendmmsg": "sendmsg",
}
PROCESSES: dict[str, str] = {
    "execve": "execve",
    "execveat": "execveat",
    "clone": "clone",
    "clone3": "clone3",
    "kill": "kill",
    "tkill": "kill",
    "tgkill": "tgkill",
    "rt_sigqueueinfo": "kill",
    "rt_tgsigqueueinfo": "tgkill",
    "pidfd_send_signal": "pidfd_signal",
    "setrlimit": "inherit",
    "prlimit64": "prlimit",
    "setpriority": "priority",
    "ioprio_set": "io_priority",
    "sched_setparam": "sched",
    "sched_setscheduler": "sched",
    "sched_setattr": "sched",
    "sched_setaffinity": "set_affinity",
    "sched_getaffinity": "affinity",
    "personality": "inherit",
    "setuid": "identity",
    "setgid": "identity",
    "setreuid": "identities",
    "setregid": "identities",
    "setresuid": "three_identities",
    "setresgid": "three_identities",
    "setfsuid": "identity",
    "setfsgid": "identity",
    "connect": "connect",
    "seccomp": "seccomp",
}
#: reason code -> names
TAINTING: dict[str, str] = {
    "network": "socket",
    "socket": "bind",
    "ptrace": "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease",
    "namespace": """
    mount umount2 pivot_root chroot unshare setns open_tree open_tree_attr move_mount fsopen fsconfig fsmount
    fspick mount_setattr swapon swapoff landlock_create_ruleset landlock_add_rule landlock_restrict_self
    statmount listmount listns
    """,
    "credentials": "setgroups capset lsm_set_self_attr",
    "privileged": """
    syslog uselib sysfs vhangup acct settimeofday reboot sethostname setdomainname iopl ioperm create_module
    init_module delete_module get_kernel_syms query_module quotactl quotactl_fd nfsservctl getpmsg putpmsg
    afs_syscall tuxcall security _sysctl lookup_dcookie clock_settime adjtimex clock_adjtime kexec_load
    kexec_file_load add_key request_key keyctl perf_event_open finit_module bpf userfaultfd ustat vserver
    uretprobe migrate_pages move_pages
    """,
    "ipc": "shmget semget msgget mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
    "async-io": "io_setup",
    "watch": "inotify_add_watch fanotify_init fanotify_mark",
    "seccomp": "prctl",
    "file-handle": "name_to_handle_at open_by_handle_at",
    "special-file": "file_setattr",
}
#: Harmless calls that stop with --strict, and what they give. CPU time is let pass, and memory in use (sysinfo).
STRICT: dict[str, str] = {
    "clock_gettime": "the time",
    "gettimeofday": "the time",
    "time": "the time",
    "times": "the time",
    "getrandom": "random numbers",
    "getpid": "its process id",
    "gettid": "its process id",
    "getppid": "its parent's process id",
    "getpgrp": "its process group",
    "getpgid": "a process group",
    "getsid": "its session",
}
#: Calls that the filter answers with ENOSYS, as a kernel without them does, so that programs fall back.
REFUSING = "io_uring_setup io_uring_enter io_uring_register"
HARMLESS_CALLS = """
    close fstat poll mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pipe select sched_yield mremap
    msync mincore madvise shmat shmctl shmdt semop semctl semtimedop msgsnd msgrcv msgctl pause nanosleep getitimer
    alarm setitimer getpid accept accept4 shutdown listen getsockname getpeername socketpair setsockopt getsockopt
    fork vfork exit exit_group wait4 waitid flock fsync fdatasync getcwd umask gettimeofday getrlimit getrusage
    sysinfo times getuid getgid geteuid getegid setpgid getppid getpgrp setsid getgroups getresuid getresgid
    getpgid getsid capget rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack getpriority sched_getparam
    sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall
    munlockall modify_ldt arch_prctl sync gettid readahead time futex set_thread_area get_thread_area io_destroy
    io_getevents io_submit io_cancel io_pgetevents epoll_create epoll_ctl_old epoll_wait_old remap_file_pages
    set_tid_address restart_syscall fadvise64 timer_create timer_settime timer_gettime timer_getoverrun
    timer_delete clock_gettime clock_getres clock_nanosleep epoll_wait epoll_ctl mbind set_mempolicy get_mempolicy
    ioprio_get inotify_init inotify_init1 inotify_rm_watch pselect6 ppoll set_robust_list get_robust_list
    sync_file_range epoll_pwait epoll_pwait2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime
    eventfd eventfd2 epoll_create1 pipe2 syncfs getcpu sched_getattr getrandom memfd_create memfd_secret membarrier
    mlock2 pkey_mprotect pkey_alloc pkey_free rseq pidfd_open close_range futex_waitv set_mempolicy_home_node
    cachestat map_shadow_stack futex_wake futex_wait futex_requeue lsm_get_self_attr lsm_list_modules mseal
    rseq_slice_yield
"""


class Row:
    """One system call: its class, the handler that follows it, its argument places, and the taint it means."""

    __slots__ = ("nr", "name", "kind", "handler", "spec", "code")

    def __init__(self, nr: int, name: str, kind: str, handler: str = "", spec: Spec = (), code: str = "") -> None:
        self.nr = nr
        self.name = name
        self.kind = kind
        self.handler = handler
        self.spec = spec
        self.code = code


def _classified() -> dict[str, list[tuple[str, str, Spec, str]]]:
    found: dict[str, list[tuple[str, str, Spec, str]]] = {}
    for kind, calls in ((READS, READING), (CHANGES, CHANGING)):
        for name, (handler, spec) in calls.items():
            found.setdefault(name, []).append((kind, handler, spec, ""))
    for kind, handlers in ((STREAM, STREAMS), (PROCESS, PROCESSES)):
        for name, handler in handlers.items():
            found.setdefault(name, []).append((kind, handler, (), ""))
    for code, names in TAINTING.items():
        for name in names.split():
            found.setdefault(name, []).append((TAINTS, "taints", (), code))
    for kind, names in ((HARMLESS, HARMLESS_CALLS), (REFUSED, REFUSING)):
        for name in names.split():
            found.setdefault(name, []).append((kind, "", (), ""))
    return found


#: name -> all classes that were declared for it; a test holds this to exactly one each.
DECLARED = _classified()
#: number -> row, for every call of the architecture that is declared.
ROWS: dict[int, Row] = {nr: Row(nr, name, *DECLARED[name][0]) for nr, name in NAMES.items() if name in DECLARED}
