"""What the user may decide: which differences count. One value object, with the defaults here.

A program is named by the base name of its executable.
"""

from __future__ import annotations

#: Environment variables that differ from run to run and mean nothing to a result.
IGNORED_ENV = frozenset(
    b"""
    _ OLDPWD SHLVL WINDOWID TERM_SESSION_ID TERM_PROGRAM TERM_PROGRAM_VERSION SSH_CLIENT SSH_CONNECTION
    SSH_TTY SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS DISPLAY WAYLAND_DISPLAY XAUTHORITY
    DESKTOP_SESSION SESSION_MANAGER INVOCATION_ID JOURNAL_STREAM MANAGERPID TMUX TMUX_PANE STY WINDOW
    MFLAGS MAKELEVEL MAKE_TERMOUT MAKE_TERMERR PARALLEL PROCACHE_DIR
    SLURM_JOB_ID SLURM_JOBID SLURM_STEP_ID SLURM_STEPID SLURM_TASK_PID SLURM_SUBMIT_HOST SLURM_LAUNCH_NODE_IPADDR
    PBS_JOBID LSB_JOBID JOB_ID GITHUB_RUN_ID GITHUB_RUN_NUMBER CI_JOB_ID CI_PIPELINE_ID BUILD_ID BUILD_NUMBER BUILD_TAG
    """.split()
)
IGNORED_ENV_PREFIXES = (
    b"PARALLEL_",
    b"XDG_SESSION_",
    b"XDG_VTNR",
    b"XDG_SEAT",
    b"KONSOLE_",
    b"GNOME_TERMINAL_",
    b"VSCODE_",
    b"ITERM_",
    b"KITTY_",
    b"ALACRITTY_",
    b"WEZTERM_",
    b"SYSTEMD_EXEC_PID",
    b"PYTEST_CURRENT_TEST",
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
    dmesg journalctl systemctl
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


class Policy:
    """The decisions that recording and matching ask for.

    ``mtime_sensitive`` and ``never_cached`` are sets of executable base names; ``resume`` accepts
    work whose own effects are already in place; ``only_success`` stores exit status 0 alone;
    ``max_variants`` bounds the records kept for one command.
    """

    __slots__ = (
        "ignored_env",
        "ignored_env_prefixes",
        "mtime_sensitive",
        "timed_stats",
        "never_cached",
        "never_skipped",
        "resume",
        "only_success",
        "max_variants",
    )

    def __init__(self, *, resume: bool = False) -> None:
        self.ignored_env = IGNORED_ENV
        self.ignored_env_prefixes = IGNORED_ENV_PREFIXES
        self.mtime_sensitive = MTIME_SENSITIVE
        self.timed_stats = TIMED_STATS
        self.never_cached = NEVER_CACHED
        self.never_skipped = NEVER_SKIPPED
        self.resume = resume
        self.only_success = False
        self.max_variants = 16

    def is_never_cached(self, program: bytes, argv: tuple[bytes, ...]) -> bool:
        """True for programs whose point is to differ, and for find(1) when it is asked about the clock."""
        return program in self.never_cached or (program == b"find" and any(map(asks_clock, argv)))

    def counted(self, raw: tuple[bytes, ...]) -> list[bytes]:
        """The entries of an environment that are part of a command, without what means nothing in them, sorted."""
        return sorted(plain for entry in raw if self.counts(entry) and (plain := without_job_server(entry)))

    def counts(self, entry: bytes) -> bool:
        """True when an environment entry (``NAME=value``) is part of a command."""
        name = entry.partition(b"=")[0]
        return name not in self.ignored_env and not name.startswith(self.ignored_env_prefixes)


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
