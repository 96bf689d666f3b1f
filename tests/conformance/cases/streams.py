"""Standard streams and other inherited descriptors: what they are, what is read from them and written to them."""

from __future__ import annotations

from ..case import Hit, Kind
from ..make import appears, calls, case, content, gone, longer, other, start, steps, unrelated

IN = "echo one > in"
LINES = "seq 100 > in"
R, A, F = Hit.REQUIRED, Hit.ALLOWED, Hit.FORBIDDEN
TTY = "for fd in 0 1 2; do if [ -t $fd ]; then echo $fd yes; else echo $fd no; fi; done; cat in"


def stdin(text: bytes, **more: Hit) -> object:
    """Another text comes through the pipe on stdin."""
    return start(Kind.STDIN, f"stdin is {text!r}", stdin=text, **more)


def through(around: str, **more: Hit) -> object:
    """Other streams."""
    return start(Kind.STREAM, around, around=around, **more)


CASES = (
    case(
        "streams/stdout and stderr",
        steps("say 1 complain 2 say 3 cat in"),
        IN,
        content(),
        through('"$@" 2>&1'),
        again=R,
        quick=True,
    ),
    case(
        "streams/in one pipe",
        steps("say 1 complain 2 say 3 complain 4 cat in"),
        IN,
        content(),
        around='"$@" 2>&1',
        again=R,
    ),
    case(
        "streams/in one pipe, by children",
        "cat in; cat in >&2; cat none; echo end",
        IN,
        content(),
        appears("none"),
        around='"$@" 2>&1',
        again=R,
        quick=True,
    ),
    case("streams/by tee(2)", "cat in | calls fd 1 tee", IN, content(), hit=A),
    case(
        "streams/in one file",
        steps("say 1 complain 2 say 3 cat in"),
        IN,
        content(),
        around='"$@" > ../both 2>&1',
        again=R,
    ),
    case(
        "streams/in one file from two opens",
        steps("say 1 complain 22 cat in"),
        IN,
        content(),
        around='"$@" > ../both 2> ../both',
        hit=A,
    ),
    case(
        "streams/much",
        ["blob", "30000001"],
        "",
        start(Kind.ARGUMENT, "another seed", cmd=["blob", "30000001", "5"]),
        again=R,
    ),
    case("streams/very much", ["blob", "200000000"], "", again=R, hit=A, around='"$@" | sha256sum'),
    case(
        "streams/much to a slow reader",
        "cat in in in in; echo end >&2",
        "seq 100000 > in",
        content("in", "1s/1/2/"),
        around='"$@" | (sleep 0.3; sha256sum)',
        again=R,
    ),
    case(
        "streams/binary",
        ["cat", "in"],
        "printf '\\000\\377\\n\\r\\001' > in",
        other(Kind.CONTENT, "content", "printf '\\001\\377\\n\\r\\001' > in; touch -d 2001-09-09 in"),
        again=R,
    ),
    case("streams/nothing", ["true"], "", unrelated(), again=R),
    case("streams/to a file", "cat in; echo end", IN, content(), around='"$@" > ../out', again=R),
    case(
        "streams/to a file with something in it",
        "cat in; echo end",
        IN,
        content(),
        around='echo begin > ../out; "$@" >> ../out',
        again=R,
    ),
    case(
        "streams/behind something in a file",
        "cat in; echo end",
        IN,
        content(),
        around='(echo begin; "$@"; echo "after $?") > ../out',
        again=R,
    ),
    case(
        "streams/to a file for reading and writing",
        steps("cat in say x"),
        IN,
        content(),
        around='"$@" 1<> ../out',
        again=A,
    ),
    case(
        "streams/to /dev/null",
        steps("say 1 complain 2 cat in open out wct write x"),
        IN,
        content(hit=A),
        around='"$@" > /dev/null 2>&1',
        again=R,
    ),
    case("streams/to /dev/full", "cat in", IN, content(hit=A), around='"$@" > /dev/full', hit=A),
    case("streams/to a socket", "cat in; cat; echo end", IN, content(), around='via socket "$@"', hit=A),
    case("streams/to a reader that is gone", "cat in; echo $? >&2", IN, content(hit=A), around='via gone "$@"', hit=A),
    case(
        "streams/to a reader that goes away",
        ["blob", "1000000"],
        "",
        around='{ "$@"; echo "status $?" >&2; } | head -c 10',
        hit=A,
    ),
    case(
        "streams/a child whose reader goes away",
        "(blob 1000000; echo $? >&2) | head -c 10; cat in",
        IN,
        content(),
        hit=A,
    ),
    *(
        case(
            f"streams/closed {name}",
            steps("say 1 complain 2 read 5 cat in fd 0 read 5 open out wct write x"),
            IN,
            content(hit=A if name == "stdout" else F),
            around=f'"$@" {how}',
            hit=A,
        )
        for name, how in (("stdin", "<&-"), ("stdout", ">&-"), ("stderr", "2>&-"))
    ),
    case(
        "streams/all closed",
        steps("open out wct write x cat in say end"),
        IN,
        content(hit=A),
        around='"$@" <&- >&- 2>&-',
        hit=A,
    ),
    *(
        case(f"streams/a terminal: {what}", TTY, IN, content(), through('"$@"'), around=f'via {what} "$@"', hit=A)
        for what in ("pty", "pty-in", "pty-out", "pty-err")
    ),
    case(
        "streams/colours on a terminal",
        ["ls", "--color=auto", "."],
        "touch 1; mkdir d",
        through('via pty "$@"'),
        appears("2"),
    ),
    case(
        "streams/stdin from a pipe",
        ["sort"],
        "",
        stdin(b"b\na\nd\n"),
        stdin(b""),
        stdin(b"b\na\nc", hit=A),
        below=A,
        stdin=b"b\na\nc\n",
        quick=True,
    ),
    case(
        "streams/stdin from a pipe, in part",
        ["head", "-n", "1"],
        "",
        stdin(b"2\n1\n"),
        stdin(b"1\n3\n", hit=A),
        below=A,
        stdin=b"1\n2\n",
    ),
    case("streams/stdin from a pipe, unread", ["echo", "done"], "", stdin(b"2\n", hit=A), unrelated(), stdin=b"1\n"),
    case(
        "streams/stdin from a pipe, by a child",
        "read x; echo got $x; cat in",
        IN,
        stdin(b"2\n"),
        content(),
        stdin=b"1\n",
        hit=A,
    ),
    case("streams/much stdin from a pipe", ["sha256sum"], "", stdin(b"x" * 3_000_000), below=A, stdin=b"y" * 3_000_000),
    case(
        "streams/stdin from a file",
        ["sort"],
        LINES,
        content("in", "1s/1/2/"),
        longer(),
        around='"$@" < in',
        again=R,
        quick=True,
    ),
    case(
        "streams/stdin from a file, in part",
        ["sed", "-n", "1p;1q"],
        LINES,
        content("in", "1s/1/2/"),
        longer(hit=A),
        around='("$@"; cat > ../rest) < in',
        again=A,
    ),
    case(
        "streams/stdin from behind the begin",
        "read x; echo $x; cat in",
        LINES,
        content("in", "2s/2/3/"),
        around='(read first; "$@"; cat) < in',
    ),
    case(
        "streams/one after the other",
        "(head -n 1; head -n 1; wc -l) < in; (read a; cat) < in > out",
        LINES,
        content("in", "1s/1/2/"),
        longer(),
    ),
    case(
        "streams/stdin from a folder",
        ["cat"],
        "mkdir d",
        around='"$@" < d',
        hit=A,
        known="Python itself refuses to start with a folder as stdin",
    ),
    case("streams/stdin is /dev/zero", ["head", "-c", "5"], "", around='"$@" < /dev/zero', hit=A),
    case(
        "streams/below a pipeline",
        "cat in | sort -r | (read x; echo $x; wc -l) > out; cat out",
        LINES,
        content("in", "99s/99/98/"),
        longer(),
        again=R,
        quick=True,
    ),
    case("streams/the first of a pipeline", "sort in | cat", LINES, content("in", "1s/1/2/"), job="sort"),
    case(
        "streams/a pipeline that fails", "cat none | sort; cat in | false | cat; echo $?", IN, appears("none"), again=R
    ),
    case("streams/a here document", "cat <<END\n$(cat in)\nEND", IN, content(), again=R),
    case(
        "streams/process substitution",
        ["bash", "-c", "diff <(sort a) <(sort b)"],
        "seq 5 > a; seq 6 > b",
        content("b"),
        longer("a"),
        needs=("bash",),
        hit=A,
    ),
    case(
        "streams/a coprocess",
        ["bash", "-c", "coproc cat; echo hello >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x; cat in"],
        IN,
        content(),
        needs=("bash",),
        hit=A,
    ),
    case(
        "streams/by name: /dev/stdin", ["cat", "/dev/stdin"], LINES, content("in", "1s/1/2/"), around='"$@" < in', hit=A
    ),
    case("streams/by name: /dev/stdin, a pipe", ["cat", "/dev/stdin"], "", stdin(b"2\n"), stdin=b"1\n", hit=A),
    case(
        "streams/by name: /dev/stdout",
        "cat in > /dev/stdout; cat in > /dev/stderr; cat in > /dev/fd/1",
        IN,
        content(),
        hit=A,
    ),
    case("streams/by name: tee", "cat in | tee /dev/stderr", IN, content(), hit=A),
    case("streams/by name: of a file", "cat in > /dev/stdout", IN, content(), around='"$@" > ../out', hit=A),
    case("streams/by name: /proc/self/fd", calls("open in r cat /proc/self/fd/3 cat in"), IN, content(), hit=A),
    case(
        "streams/by name: readlink",
        ["readlink", "/proc/self/fd/0"],
        "touch in other",
        through('"$@" < other'),
        around='"$@" < in',
        hit=A,
    ),
    case(
        "streams/by name: a script on stdin",
        ["sh"],
        "echo 'cat in' > script; echo 1 > in",
        content(),
        content("script", "s/cat/sed/"),
        around='"$@" < script',
        hit=A,
    ),
    case(
        "streams/a descriptor for writing",
        steps("fd 3 write text cat in say end"),
        IN,
        content(),
        around='"$@" 3> ../three',
    ),
    case(
        "streams/a descriptor for appending",
        steps("fd 3 write text cat in say end"),
        IN,
        content(),
        around='"$@" 3>> ../three',
    ),
    case(
        "streams/a descriptor for reading",
        steps("fd 3 read 5 cat in"),
        f"{IN}; echo three > three",
        content("three"),
        around='"$@" 3< three',
        hit=A,
    ),
    case("streams/a descriptor that is a pipe", "echo text >&3; cat in", IN, content(), around='"$@" 3>&1 | cat'),
    case("streams/a descriptor inside", "exec 5> out; cat in >&5; echo end >&5", IN, content(), again=R),
    case(
        "streams/a descriptor of a child for reading",
        "exec 5< in; read a <&5; sed -n 1p <&5; cat <&5",
        LINES,
        content("in", "2s/2/3/"),
        hit=A,
    ),
    case(
        "streams/a descriptor at a high number",
        ["bash", "-c", "exec 77> out; cat in >&77; exec 77>&-; cat out"],
        IN,
        content(),
        needs=("bash",),
    ),
    case(
        "streams/opened again under signals",
        calls("cat in alarms 4000 fd 1 reopens 40 say end"),
        IN,
        content(),
        hit=A,
    ),
    case(
        "streams/swapped", ["sh", "-c", "sh -c 'echo out; echo err >&2; cat in' 3>&1 1>&2 2>&3"], IN, content(), again=R
    ),
    case("streams/duplicated", calls("dup 1 write first cat in dup2 9 fd 9 write last"), IN, content(), hit=A),
    case(
        "streams/stdout closed and opened as a file",
        calls("fd 1 close open out wct say into cat in"),
        IN,
        content(),
        hit=A,
    ),
    case(
        "streams/appended by children", "for n in 1 2 3; do echo $n >> log; cat in >> log; done; cat log", IN, content()
    ),
    case("streams/overwritten by children", "for n in 1 2 3; do cat in > log; done; cat log", IN, content(), again=R),
    case(
        "streams/truncated while open",
        "exec 5> out; echo first >&5; : > out; echo second >&5; cat in",
        IN,
        content(),
        again=A,
    ),
    case(
        "streams/one open file for two children",
        "{ cat in; cat in; } > out; { echo a; echo b >&2; } > log 2>&1",
        IN,
        content(),
        again=R,
    ),
    case(
        "streams/read and written",
        "exec 3<> data; read x <&3; echo new >&3; cat data",
        "echo first > data; echo second >> data",
        content("data"),
        hit=A,
    ),
    case(
        "streams/an output that is an input",
        ["cat", "in", "out"],
        IN,
        content(),
        around='echo begin > out; "$@" >> out 2> ../error',
        hit=A,
    ),
    case(
        "streams/input missing in a pipeline",
        ["bash", "-c", "set -o pipefail; cat none | sort; echo $?"],
        "",
        appears("none"),
        needs=("bash",),
    ),
    case("streams/gone in between", "cat in; rm in; cat in", IN, content(), gone(hit=A), around='"$@" 2>&1'),
)
