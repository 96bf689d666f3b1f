"""What a program learns from the machine and from who starts it, and whom it speaks to."""

from __future__ import annotations

import shlex

from ..case import Case, Hit, Kind
from ..make import appears, case, content, env, start, unrelated

IN = "echo one > in"
R, A, F = Hit.REQUIRED, Hit.ALLOWED, Hit.FORBIDDEN


def does(name: str, text: str, *changes: object, **more: object) -> Case:
    """A case of programs/world.c."""
    given = more.pop("given", IN)
    return case(f"world/{name}", ["world", *shlex.split(text)], given, *changes, **more)


def taints(name: str, text: str, **more: object) -> Case:
    """The same, for what must never be skipped, neither by itself nor below another program."""
    return does(name, text, content(), hit=F, **more)


CASES = (
    does(
        "the environment",
        "env COLOUR cat in",
        env("COLOUR", "red"),
        env("COLOUR", ""),
        env("OTHER", "1", hit=A),
        content(),
        env={"COLOUR": "blue"},
        again=R,
        quick=True,
    ),
    does(
        "a variable that means nothing",
        "cat in",
        env("SLURM_JOB_ID", "17", hit=R),
        env("DISPLAY", ":1", hit=R),
        content(),
        again=R,
    ),
    does("the locale", "cat in", env("LC_ALL", "C", hit=A), content(), again=R),
    case(
        "world/the time zone",
        ["python3", "-I", "-S", "-c", "import time; print(time.localtime(0).tm_hour)"],
        "",
        env("TZ", "Asia/Tokyo"),
        again=R,
        needs=("/usr/share/zoneinfo/Asia/Tokyo",),
    ),
    case(
        "world/arguments",
        ["printf", "%s\\n", "one"],
        "",
        start(Kind.ARGUMENT, "another", cmd=["printf", "%s\\n", "two"]),
        start(Kind.ARGUMENT, "more", cmd=["printf", "%s\\n", "one", ""]),
        start(Kind.ARGUMENT, "not text", cmd=["printf", "%s\\n", b"\xff"]),
        unrelated(),
        again=R,
        quick=True,
    ),
    does(
        "the working folder",
        "cwd cat in",
        start(Kind.CWD, "another folder", cwd="d"),
        content(),
        given=f"{IN}; mkdir d; echo d > d/in",
        again=R,
        quick=True,
    ),
    case(
        "world/the working folder by a link",
        ["sh", "-c", "pwd; /bin/pwd; cat in"],
        f"{IN}; mkdir d; echo d > d/in; ln -s d l",
        start(Kind.CWD, "by a link", cwd="l", hit=A),
        content("d/in"),
        cwd="d",
        again=R,
    ),
    does(
        "the umask",
        "mask open out wct",
        start(Kind.UMASK, "another umask", umask=0o077),
        content(hit=A),
        again=R,
        quick=True,
    ),
    does("a limit", "limit", start(Kind.LIMIT, "another limit", around='ulimit -n 77; "$@"'), again=R),
    does("the niceness", "nice", start(Kind.LIMIT, "nicer", around='nice -n 3 "$@"'), again=R),
    does("ignored signals", "ignored 1", start(Kind.LIMIT, "ignored", around="trap '' HUP; \"$@\""), again=R),
    does(
        "the processors",
        "cpus",
        start(Kind.LIMIT, "one of them", around='taskset -c 0 "$@"', hit=A),
        again=R,
        needs=("taskset",),
    ),
    does(
        "the group",
        "sh 'id -g'",
        start(Kind.LIMIT, "another group", around='exec setpriv --regid=12345 --clear-groups "$@"'),
        needs=("root", "setpriv"),
    ),
    does(
        "a terminal", "isatty 0 isatty 1 isatty 2", start(Kind.STREAM, "on a terminal", around='via pty "$@"'), again=R
    ),
    does("the host name", "hostname", unrelated(), again=R),
    does("clocks, random numbers and ids, unseen", "unseen cat in", content(), again=R),
    does("io_uring", "iouring cat in", content(), again=R),
    does("events and timers", "events cat in", content(), again=R),
    does("a pair of sockets", "pair text cat in", content(), again=R),
    does("a server inside", "serve s cat in", content(), hit=A),
    does("a semaphore of its own", "semaphore cat in", content(), again=R),
    does("a limit that it sets itself", "sh 'ulimit -n 30; ulimit -n' cat in", content(), again=R),
    does("a missing socket", "unixconnect none cat in", content(), again=R),
    does("a socket that appears", "unixconnect s", appears("s"), given="", again=R),
    taints("the network: connect", "connect 1 cat in"),
    taints("the network: listen", "listen cat in"),
    taints("the network: a datagram", "udp cat in"),
    does("shared memory of its own", "sharedmemory cat in", content(), hit=A),
    taints("ptrace", "ptrace cat in"),
    taints("watching a folder", "watch . cat in"),
    taints("a name space", "unshare cat in", needs=("root",)),
    taints("a mount", "mount cat in"),
    taints("another root", "cat in chroot", given=f"{IN}; mkdir d", needs=("root",)),
    taints("another user", "setuid 12345 cat in", needs=("root",)),
    taints("another process", "readother cat in"),
    does("POSIX shared memory", "posixmemory cat in", content(), hit=A),
    case("world/the time", "date > ../tmp/now; cat in", IN, content(), hit=F, around='"$@"; rm -f ../tmp/now'),
    case("world/a temporary name", "x=$(mktemp); cat in > $x; cat $x; rm $x", IN, content(), hit=F),
    case("world/a shuffled list", "shuf in | wc -l", "seq 10 > in", content(hit=A), hit=F),
    case("world/the load", "cat /proc/loadavg > /dev/null; cat in", IN, content(), hit=F),
    case("world/uptime", "read x < /proc/uptime; cat in", IN, content(), hit=F),
    case(
        "world/a device",
        "head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; cat in > /dev/null; cat in",
        IN,
        content(),
        again=R,
    ),
    case("world/a list of processes", "ls /proc > /dev/null; cat in", IN, content(), hit=F),
    case(
        "world/files of the kernel",
        "cat /proc/version /proc/sys/kernel/ostype /proc/self/mounts | wc -l; cat in",
        IN,
        content(),
        again=R,
    ),
    case("world/the user database", "getent passwd root; cat in", IN, content(), again=R),
    case("world/sleep", "sleep 0.1; cat in", IN, content(), again=A),
)
