"""What the user may decide: which differences count. One value object, with the defaults here.

A program is named by the base name of its executable. Where the values come from is ``procache.config``.
"""

from __future__ import annotations

from procache import digests
from procache.model import redaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.model.pathrules import PathRules

#: Environment variables that differ from run to run and mean nothing to a result.
#: A ``*`` at the end stands for any end.
IGNORED_ENV = frozenset(
    b"""
    _ OLDPWD SHLVL WINDOWID TERM_SESSION_ID TERM_PROGRAM TERM_PROGRAM_VERSION SSH_CLIENT SSH_CONNECTION
    SSH_TTY SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS DISPLAY WAYLAND_DISPLAY XAUTHORITY
    DESKTOP_SESSION SESSION_MANAGER INVOCATION_ID JOURNAL_STREAM MANAGERPID TMUX TMUX_PANE STY WINDOW
    MFLAGS MAKELEVEL MAKE_TERMOUT MAKE_TERMERR PARALLEL PROCACHE_*
    SLURM_JOB_ID SLURM_JOBID SLURM_STEP_ID SLURM_STEPID SLURM_TASK_PID SLURM_SUBMIT_HOST SLURM_LAUNCH_NODE_IPADDR
    PBS_JOBID LSB_JOBID JOB_ID GITHUB_RUN_ID GITHUB_RUN_NUMBER CI_JOB_ID CI_PIPELINE_ID BUILD_ID BUILD_NUMBER BUILD_TAG
    PARALLEL_* XDG_SESSION_* XDG_VTNR* XDG_SEAT* KONSOLE_* GNOME_TERMINAL_* VSCODE_* ITERM_* KITTY_* ALACRITTY_*
    WEZTERM_* SYSTEMD_EXEC_PID* PYTEST_CURRENT_TEST*
    """.split()
)

#: Programs whose result depends on modification times or link counts, so that these must be equal.
MTIME_SENSITIVE = frozenset(
    b"""
    make gmake ninja gzip pigz bzip2 xz zstd lz4 compress diff diff3 sdiff pr ar ranlib jar javac patch
    logrotate mksquashfs genisoimage xorriso samu tar bsdtar gtar cpio pax rsync find fd ls dir vdir stat exa
    eza lsd git hg svn cp mv install zip unzip 7z 7za touch newer du mtree cmake ctest scons waf bazel meson
    tup redo redo-ifchange snakemake nextflow
    """.split()
)

#: Programs whose very point is to differ, or to look at other processes.
NEVER_CACHED = frozenset(
    b"""
    date cal ncal hwclock timedatectl df mktemp uuidgen shuf uptime ps top htop pgrep pidof pstree w who last
    users free vmstat iostat mpstat time tty pwgen openssl-rand inotifywait watch kill killall pkill lsof
    fuser strace ltrace gdb perf valgrind sudo su doas ssh scp sftp curl wget tmux screen script expect flock
    dmesg journalctl systemctl shred
    """.split()
)

#: Programs that are worth running for the time they take; what contains them may be recorded.
NEVER_SKIPPED = frozenset(b"sleep usleep".split())

#: Programs that compare times only of what they stat (``[ a -nt b ]``), and open files for their content.
TIMED_STATS = frozenset(b"sh dash bash ash ksh mksh zsh fish busybox toybox test [ perl tclsh".split())

#: Programs that trace others by themselves, which works for one tracer at a time: they run unwatched.
TRACERS = frozenset(b"strace ltrace gdb lldb rr perf bpftrace proot".split())

#: Arguments by which find(1) compares with the clock.
_CLOCK_TESTS = (b"-mmin", b"-mtime", b"-amin", b"-atime", b"-cmin", b"-ctime", b"-used")


#: Shells ask for the time and process ids at their start, whatever they do.
SHELLS = frozenset(b"sh dash bash ash ksh mksh zsh".split())

#: Calls that taint with --strict, which ``tracer.table`` describes.
STRICT_CALLS = frozenset(
    name.decode()
    for name in b"clock_gettime gettimeofday time times getrandom getpid gettid getppid getpgrp getpgid getsid".split()
)

#: Files that taint with --strict.
RANDOM_DEVICES = (b"/dev/random", b"/dev/urandom")

#: What the policy says of one program, as bits: its result depends on times; only its looks do.
TIMED, TIMED_LOOKS = 1, 2


class Policy:
    """The decisions that recording and matching ask for.

    ``ignored_env``: names, or beginnings of names with a ``*``; ``mtime_sensitive``, ``never_cached`` and
    ``never_skipped``: sets of executable base names; ``ignored_paths`` and ``tainting_paths``: patterns;
    ``strict`` taints readers of clock, randomness and process ids, save ``strict_exempt`` (programs, or
    ``program:call``); ``resume`` accepts work whose own effects are already in place; ``only_success`` keeps
    exit status 0 alone; ``min_runtime``: seconds that something must take to be worth storing; ``verify``:
    how many of a hundred hits are run for real; ``verify_remember``: what then differs is not skipped again;
    ``follow_daemons``: seconds to wait for what goes on when the whole command has ended; ``max_variants`` bounds
    the records kept for one command; ``digest``: the algorithm (``digests.NAMES``);
    ``pipe_skip`` lets a program below the whole command be skipped by the content of the pipe on its stdin,
    ``pipe_patience`` is how many seconds without a byte such a pipe is waited
    for whose writers do not seem to work, and ``pipe_most`` the size (bytes) of the largest such input.
    ``max_size`` (bytes), ``max_age`` and ``max_journal_age`` (seconds) bound the store; 0 is no bound.
    ``compression`` and ``fsync``: how the store is written (``store.layout``).
    """

    __slots__ = (
        "_ignored_env",
        "_ignored_names",
        "_ignored_beginnings",
        "mtime_sensitive",
        "timed_stats",
        "never_cached",
        "never_skipped",
        "ignored_paths",
        "tainting_paths",
        "strict",
        "strict_exempt",
        "redact",
        "_paths",
        "resume",
        "only_success",
        "min_runtime",
        "verify",
        "verify_remember",
        "follow_daemons",
        "max_variants",
        "digest",
        "pipe_skip",
        "pipe_patience",
        "pipe_most",
        "max_size",
        "max_age",
        "max_journal_age",
        "compression",
        "fsync",
    )

    def __init__(self) -> None:
        self.ignored_env = IGNORED_ENV
        self.mtime_sensitive = MTIME_SENSITIVE
        self.timed_stats = TIMED_STATS
        self.never_cached = NEVER_CACHED
        self.never_skipped = NEVER_SKIPPED
        self.ignored_paths: tuple[bytes, ...] = ()
        self.tainting_paths: tuple[bytes, ...] = ()
        self.strict = False
        self.strict_exempt = SHELLS
        #: names of options whose values are not shown
        self.redact = redaction.DEFAULT
        self._paths: PathRules | None = None
        self.resume = False
        self.only_success = False
        self.min_runtime = 0.0
        self.verify = 0.0
        self.verify_remember = False
        self.follow_daemons = float("inf")
        self.max_variants = 64
        self.digest = "xxh3"
        self.pipe_skip = True
        self.pipe_patience = 1.0
        self.pipe_most = 1 << 32
        self.max_size = 20 << 30
        self.max_age = 0.0
        self.max_journal_age = 90 * 86400.0
        self.compression = "auto"
        self.fsync = "none"

    @property
    def ignored_env(self) -> frozenset[bytes]:
        """Names of variables that do not count."""
        return self._ignored_env

    @ignored_env.setter
    def ignored_env(self, names: frozenset[bytes]) -> None:
        self._ignored_env = names
        self._ignored_names = frozenset(name for name in names if not name.endswith(b"*"))
        self._ignored_beginnings = tuple(sorted(name[:-1] for name in names if name.endswith(b"*")))

    @property
    def rule(self) -> bytes:
        """Digest of what a record cannot tell of the policy that it was made under: a part of every command key.

        What was recorded while a variable did not count depends on the value that it had then; and what was
        recorded without ``strict`` may depend on the time.
        """
        strict = b"=".join(sorted(self.strict_exempt)) if self.strict else b"-"
        return digests.of_bytes(b" ".join((strict, *sorted(self.ignored_env))))

    @property
    def paths(self) -> PathRules | None:
        """The rules for paths; None where there are none. They are made once, at the first look."""
        if self._paths is None and (self.strict or self.ignored_paths or self.tainting_paths):
            from procache.model.pathrules import PathRules

            tainting = (*self.tainting_paths, *(RANDOM_DEVICES if self.strict else ()))
            self._paths = PathRules(self.ignored_paths, tainting)
        return self._paths

    def of_program(self, program: bytes) -> int:
        """The bits above as they hold for a program."""
        return (TIMED if program in self.mtime_sensitive else 0) | (TIMED_LOOKS if program in self.timed_stats else 0)

    def objection(self, program: bytes, recorded: int) -> str:
        """Why a record that contains ``program`` and was made when ``of_program`` said ``recorded`` does not hold now.

        "" where it does: a record made under the stricter rule is good under the laxer one.
        """
        if program in self.never_cached:
            return "it is never cached"
        return "times count for it" if self.of_program(program) & ~recorded else ""

    def is_never_cached(self, program: bytes, argv: tuple[bytes, ...]) -> bool:
        """True for programs whose point is to differ, and for find(1) when it is asked about the clock."""
        return program in self.never_cached or (program == b"find" and any(map(asks_clock, argv)))

    def counted(self, raw: tuple[bytes, ...]) -> list[bytes]:
        """The entries of an environment that are part of a command, without what means nothing in them.

        They are sorted by name. Entries of one name stay in their order: a program may go by the first.
        """
        entries = [plain for entry in raw if self.counts(entry) and (plain := without_job_server(entry))]
        return sorted(entries, key=_name_of)

    def counts(self, entry: bytes) -> bool:
        """True when an environment entry (``NAME=value``) is part of a command."""
        name = entry.partition(b"=")[0]
        return name not in self._ignored_names and not name.startswith(self._ignored_beginnings)


def _name_of(entry: bytes) -> bytes:
    return entry.partition(b"=")[0]


def asks_clock(word: bytes) -> bool:
    """True for a test of find(1) that compares with the clock: -mtime and its kin, -newermt and its kin."""
    return word.startswith(_CLOCK_TESTS) or (word.startswith(b"-newer") and len(word) == 8 and word.endswith(b"t"))


#: Words of MAKEFLAGS that say how many jobs run at once and by which descriptors they are counted.
_JOB_WORDS = (b"-j", b"--jobserver", b"-l", b"--sync-mutex", b"--load-average", b"--jobs")


def without_job_server(entry: bytes) -> bytes:
    """``MAKEFLAGS`` without the number of jobs; b"" where nothing is left. Options like -n and -B stay: they count."""
    if not entry.startswith(b"MAKEFLAGS="):
        return entry
    words = [word for word in entry[10:].split(b" ") if word and not word.startswith(_JOB_WORDS)]
    return b"MAKEFLAGS=" + b" ".join(words) if words else b""
