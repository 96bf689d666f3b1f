"""Processes, threads and signals: whatever a command is made of, it behaves and is seen whole."""

from __future__ import annotations

from ..case import Case, Hit, Kind
from ..make import case, content, gone, other, steps, unrelated

IN = "echo one > in"
R, A, F = Hit.REQUIRED, Hit.ALLOWED, Hit.FORBIDDEN


def way(name: str, **more: object) -> Case:
    """A way of programs/process.c."""
    given = more.pop("given", IN)
    hit = more.pop("change", Hit.FORBIDDEN)
    return case(f"processes/{name.replace('_', ' ')}", ["process", name], given, content(hit=hit), **more)


def spawned(how: str) -> Case:
    """A way of scenarios/programs/spawn.c to start another program, which is the one that is tested."""
    command = f'spawn {how} "$(command -v cat)" in'
    return case(
        f"processes/started by {how}",
        command,
        IN,
        content(),
        gone(),
        job="" if how == "memory" else "cat",
        hit=A if how in ("memory",) else R,
    )


JOBS = "mkdir -p in out; for n in 1 2 3 4 5 6; do echo $n > in/$n; done"
MUCH = "import subprocess as s; print(len(s.run(['blob', open('in').read()], capture_output=True).stdout), open('note').read())"
SORTED = " > log; sort log; rm log"

CASES = (
    way("threads", quick=True, again=R),
    way("exit_with_threads"),
    way("exit_by_a_thread"),
    way("leader_ends", hit=A),
    way("exec_by_a_thread", job="cat", hit=A),
    way("fork", quick=True, again=R),
    way("forks", hit=A),
    way("double_fork", hit=A),
    way("subreaper", hit=A),
    way("vfork"),
    way("vfork_without_exec"),
    way("shared_tables", given=f"{IN}; mkdir d; echo 1 > d/x; echo 2 > x"),
    way("clone3"),
    way("killed_child", hit=A),
    way("continued_child", hit=A),
    way("many"),
    way("aborts", hit=F, below=A),
    way("child_aborts", hit=A),
    way("faults", hit=F, below=A),
    way("alarm", hit=F, below=A),
    way("no_exec"),
    way("groups", hit=A),
    way("signals", hit=A),
    way("limits", hit=A, change=A),
    way("size_limit", hit=A),
    *map(
        spawned,
        ("fork", "vfork", "posix_spawn", "clone", "clone3", "untraced", "thread", "execveat", "fexecve", "memory"),
    ),
    case("processes/a core is left", "ulimit -c unlimited; process aborts; echo $?; rm -f core*", IN, content(), hit=A),
    case("processes/two hundred deep", ["deep", "200", "in"], IN, content(), again=R),
    case(
        "processes/two hundred children",
        "i=0; while [ $i -lt 200 ]; do cat in; i=$((i + 1)); done",
        IN,
        content(),
        again=R,
    ),
    case(
        "processes/a daemon",
        ["daemon", "out"],
        IN,
        until="out",
        hit=A,
    ),
    case(
        "processes/in the background", "(cat in > a) & (cat in > b) & wait; cat a b", IN, content(), again=R, quick=True
    ),
    case(
        "processes/in a subshell",
        "(cd d; (cat x; exit 3); echo $?); x=$(cat in); echo $x",
        f"{IN}; mkdir d; echo x > d/x",
        content(),
        content("d/x"),
        again=R,
    ),
    case("processes/by exec", "exec sh -c 'exec cat in'", IN, content(), again=R),
    case("processes/status", "cat in; exit 3", IN, content(), again=R),
    case(
        "processes/status of a child",
        "sh -c 'cat in; exit 41'; echo $?; false; echo $?; none; echo $?",
        IN,
        content(),
        again=R,
    ),
    case("processes/killed", steps("cat in kill 9"), IN, content(), hit=F, below=A),
    case("processes/killed by a terminating signal", steps("cat in kill 15"), IN, content(), hit=F, below=A),
    case("processes/a child that is killed", "steps cat in kill 9; echo $?", IN, content(), hit=A),
    case("processes/a trap", "trap 'cat in' USR1 EXIT; kill -USR1 $$; echo after", IN, content(), hit=A),
    case(
        "processes/timeout", "timeout -s KILL 0.2 sleep 100; echo $?; timeout 5 cat in; echo $?", IN, content(), hit=A
    ),
    case("processes/waits for nobody", "sleep 0.2 & cat in", IN, content(), hit=A, around='"$@"; sleep 0.3'),
    case(
        "processes/stopped and continued",
        "steps kill 19 say on & sleep 0.2; kill -CONT $!; wait $!; echo $?",
        IN,
        hit=A,
    ),
    case(
        "processes/job control",
        ["bash", "-c", "set -m; sleep 0.1 & wait; (cat in) & wait %1; echo $?"],
        IN,
        content(),
        hit=A,
        needs=("bash",),
    ),
    case(
        "processes/a shell on a terminal",
        ["bash", "-c", "set -m; cat in & wait; [ -t 0 ] && echo tty"],
        IN,
        content(),
        around='via pty "$@"',
        hit=A,
        needs=("bash",),
    ),
    case("processes/niceness of a child", ["nice", "-n", "5", "nice"], "", unrelated(), again=R),
    case("processes/a limit of a child", "ulimit -n 50; ulimit -n; cat in", IN, content(), again=R),
    case("processes/session of its own", ["setsid", "-w", "cat", "in"], IN, content(), again=R, needs=("setsid",)),
    case("processes/xargs", "seq 6 | xargs -P2 -n1 job" + SORTED, JOBS, content("in/3"), gone("in/2"), quick=True),
    case(
        "processes/make with two jobs",
        "make -s -j2" + SORTED,
        f"{JOBS}; printf 'all: %s\\nout/%%: in/%%\\n\\tjob $*\\n' 'out/1 out/2 out/3 out/4' > Makefile",
        other(Kind.OTHER, "another input", "echo 33 > in/3"),
        needs=("make",),
    ),
    case(
        "processes/make below make",
        "make -s -j2" + SORTED,
        f"{JOBS}; printf 'all:\\n\\t+$(MAKE) -s -f low.mk\\n' > Makefile; printf 'all: out/1 out/2\\nout/%%: in/%%\\n\\tjob $*\\n' > low.mk",
        other(Kind.OTHER, "another input", "echo 33 > in/2"),
        needs=("make",),
    ),
    case(
        "processes/parallel", "parallel -j2 job ::: 1 2 3 4" + SORTED, JOBS, content("in/3"), needs=("parallel",), hit=A
    ),
    case(
        "processes/python's subprocess",
        [
            "python3",
            "-I",
            "-S",
            "-c",
            "import subprocess as s; print(s.run(['job','1'], capture_output=True).stdout); s.run('job 2; exit 4', shell=True).returncode",
        ],
        JOBS,
        content("in/1", hit=A),
        other(Kind.OTHER, "another input", "echo 22 > in/2"),
    ),
    *(
        case(
            f"processes/much output {name}",
            command,
            "echo 300000 > in; echo 1 > note",
            content(sed="s/3/2/"),
            content("note", hit=A),
            job="blob",
            hit=A,
            needs=(command[0],),
        )
        # Their parents read a pipe that the exec closes, and only then what the program writes.
        for name, command in (
            ("to python's subprocess", ["python3", "-I", "-S", "-c", MUCH]),
            (
                "to perl's pipe",
                ["perl", "-e", "open(F, '-|', 'blob', `cat in`) || die; local $/; print length(<F>), `cat note`"],
            ),
            ("to a shell", ["sh", "-c", "x=$(blob $(cat in) | wc -c); echo $x; cat note"]),
        )
    ),
    case(
        "processes/perl's system",
        [
            "perl",
            "-e",
            "system('job 1'); print `job 2`; open(F, 'job 3 |'); print <F>; open(G, '| cat > log'); print G 'x'",
        ],
        JOBS,
        other(Kind.OTHER, "another input", "echo 22 > in/2"),
        other(Kind.OTHER, "a third", "echo 33 > in/3"),
        needs=("perl",),
        hit=A,
    ),
)
