"""What a command writes to the streams it was given, and reads from them."""

from __future__ import annotations

import pytest

from .cycle import cycle
from .lab import Lab, steps

BOTH = "for i in $(seq 60); do echo out $i; echo err $i >&2; done; cat in; cat in >&2; echo end"


def test_the_order_of_stdout_and_stderr_is_kept(lab: Lab) -> None:
    lab.write("in", "1\n")
    cycle(lab, BOTH, merged=True, job="cat", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_stdout_and_stderr_are_kept_apart(lab: Lab) -> None:
    lab.write("in", "1\n")
    cycle(lab, BOTH, job="cat", change=lambda: lab.rewrite("in", "2\n"), again=True)


def test_a_big_binary_stdout(lab: Lab) -> None:
    size = str(20 << 20)
    cycle(lab, ["blob", size], then={"cmd": ["blob", size, "2"]})


def test_a_skipped_child_fills_a_pipe(lab: Lab) -> None:
    size = 20 << 20
    result = cycle(lab, f"blob {size} | sha256sum", job="blob", then={"cmd": f"blob {size} 2 | sha256sum"})
    assert result.warm.root.outcome == "hit"
    assert result.first.outcomes("sha256sum") == ["miss"]


def test_a_reader_that_goes_away(lab: Lab) -> None:
    lab.both("blob 3000000 > all; blob 3000000; true")
    for tail in ("head -c 10", "true"):
        for round in "12":
            run = lab.both(f"{{ blob 3000000; echo $? >&2; }} | {tail} # {round}")
            assert run.err == b"141\n"


@pytest.mark.parametrize(
    "redirected",
    [
        "steps cat in complain sorry say x > out 2> err",
        "steps cat in complain sorry say x > out 2>&1",
        "steps cat in complain sorry say x 2>&1 > out",
        "steps cat in complain sorry say x >> out 2>> out",
        "steps cat in > out; steps cat in >> out; steps cat in complain x 2>> out",
        "exec > out; echo first; steps cat in; echo last",
        "steps cat in 1<> out",
        "steps cat in > /dev/null; steps cat in complain more 2> /dev/null",
    ],
)
def test_redirections(lab: Lab, redirected: str) -> None:
    lab.write("in", "one\n")
    lab.write("out", "old content of the file\n")
    cycle(lab, redirected, job="steps", change=lambda: lab.rewrite("in", "two\n"))


def test_appending_appends_again(lab: Lab) -> None:
    lab.write("in", "x")
    cycle(lab, "steps cat in >> log; steps cat in say y >> log", change=lambda: lab.rewrite("in", "z"))
    lab.remove("log")
    for _ in range(3):
        lab.both("cat in >> log")
    assert lab.path("log").read_text() == "zzz"


@pytest.mark.parametrize("closing", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_of_a_child(lab: Lab, closing: str) -> None:
    lab.write("in", "1\n")
    cmd = f"steps cat in complain x say y open out wct write z {closing}; echo status $?"
    cycle(lab, cmd, hit=None, then={"cmd": cmd.replace("write z", "write u")})


@pytest.mark.parametrize("closing", [">&-", "<&-", "2>&-"])
def test_closed_streams_of_procache_itself(lab: Lab, closing: str) -> None:
    lab.write("in", "1\n")
    cmd = steps("cat in complain x open out wct write z cat in")
    cycle(lab, cmd, around=f'exec "$@" {closing}', hit=None, change=lambda: lab.rewrite("in", "2\n"))


def test_a_program_that_closes_its_stdout_and_opens_a_file_in_its_place(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = steps("say kept fd 1 close open out wct say hidden cat in")
    cycle(lab, cmd, change=lambda: lab.rewrite("in", "2\n"), again=True)
    cycle(lab, steps("say kept open new wct dup2 1 say hidden cat in"), change=lambda: lab.rewrite("in", "3\n"))


@pytest.mark.parametrize(
    "way",
    [
        "dup 1 write text",
        "open /dev/stdout w write text",
        "open /dev/stdout wa write text",
        "open /proc/self/fd/1 w write text",
        "open /dev/fd/1 w write text",
        "fd 1 sendfile in",
        "fd 1 splice in",
        "fd 1 write text thread fd 1 write more",
        "fork fd 1 write text",
        "fd 1 pwrite 2 text",
        "fd 1 seek 1 write text",
        "fd 1 ftruncate 3",
    ],
)
def test_stdout_by_another_way(lab: Lab, way: str) -> None:
    lab.write("in", "from the file\n")
    lab.write("log", "a line\n")
    program = f"steps say first {way} say last"
    script = f"{program}; {program} > out; {program} >> log; cat in"
    cycle(lab, script, hit=None, job="cat", change=lambda: lab.rewrite("in", "FROM THE FILE\n"))
    lab.both(script + " # the shell runs, the children may be skipped")


@pytest.mark.parametrize("script", ["echo a; steps cat in; echo b >> out", "steps cat in open out wa write b; echo c"])
def test_the_file_on_stdout_is_opened_by_its_name_too(lab: Lab, script: str) -> None:
    lab.write("in", "x\n")
    cycle(lab, script, around='exec "$@" >> out', hit=None, change=lambda: lab.rewrite("in", "y\n"))
    lab.remove("out")
    cycle(lab, f"sh -c '{script}' >> out", hit=None, job="steps", change=lambda: lab.rewrite("in", "z\n"))


def test_where_stdout_leads_is_not_confused(lab: Lab) -> None:
    """One command with outputs of one kind, and a program that looks at what kind of file its stdout is."""
    lab.write("in", "x\n")
    script = "cat in > out; cat in >> out; cat in >> in; echo $?; cat in 1<> out; cat out"
    cycle(
        lab,
        f"{script}; grep x in > /dev/null; grep x in",
        hit=None,
        job="cat",
        change=lambda: lab.rewrite("in", "y\n"),
    )


def test_copy_file_range_to_stdout(lab: Lab) -> None:
    lab.write("in", "from the file\n")
    cmd = "steps say first fd 1 copyrange in say last > out"
    cycle(lab, cmd, hit=None, job="steps", change=lambda: lab.rewrite("in", "FROM THE FILE\n"))


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_further_descriptor_is_written(lab: Lab, where: str) -> None:
    lab.write("in", "1\n")
    inner = 'steps cat in fd 3 write "to three" say more'
    if where == "inside":
        cycle(lab, f"{inner} 3> three; cat in", hit=None, job="cat", change=lambda: lab.rewrite("in", "2\n"))
    else:
        cycle(
            lab,
            inner,
            around='exec "$@" 3> three',
            hit=None,
            job="steps",
            change=lambda: lab.rewrite("in", "2\n"),
        )
    assert lab.path("three").read_text() == "to three"


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_further_descriptor_is_read(lab: Lab, where: str) -> None:
    lab.write("in", "12345678\n")
    if where == "inside":
        cycle(
            lab,
            "exec 3< in; steps fd 3 read 2; steps fd 3 read 3",
            hit=None,
            change=lambda: lab.rewrite("in", "abcdefgh\n"),
        )
    else:
        cycle(
            lab,
            steps("fd 3 read 4"),
            around='exec 3< in; "$@"; steps fd 3 read 2',
            hit=None,
            change=lambda: lab.rewrite("in", "abcdefgh\n"),
        )


def test_twenty_programs_write_to_one_inherited_pipe(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = "(for i in $(seq 20); do steps say $i cat in; done) | sort -n"
    cycle(lab, cmd, job="steps", change=lambda: lab.rewrite("in", "2\n"))


def test_the_command_sees_no_descriptor_of_procache(lab: Lab) -> None:
    cycle(lab, ["state"], then={"around": 'exec "$@" 7< /dev/null'})
