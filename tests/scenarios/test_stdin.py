"""What a command reads from its stdin is an input, and what it leaves there is for the next reader."""

from __future__ import annotations

import pytest

from .cycle import cycle
from .lab import PREFIX, Lab, steps
from .results import How


@pytest.mark.parametrize("cmd", [["cat"], ["sort"], ["sh", "-c", "cat; echo end"], ["sh", "-c", "sort > out"]])
def test_stdin_from_a_pipe(lab: Lab, cmd: list[str]) -> None:
    cycle(lab, cmd, stdin=b"c\nb\na\n", then={"stdin": b"c\nb\nA\n"}, again=True)


def test_a_big_stdin_from_a_pipe(lab: Lab) -> None:
    data = bytes(range(256)) * 20000
    cycle(lab, ["sha256sum"], stdin=data, then={"stdin": data[:-1] + b"x"})


def test_stdin_from_a_file(lab: Lab) -> None:
    lab.write("in", "c\nb\na\n")
    cycle(lab, ["sort"], stdin="in", change=lambda: lab.rewrite("in", "c\nb\nA\n"), again=True)


def test_stdin_of_a_child_from_a_file(lab: Lab) -> None:
    lab.write("in", "c\nb\na\n")
    cycle(
        lab,
        "sort < in > out; wc -l < in",
        job="sort",
        change=lambda: lab.rewrite("in", "c\nb\nA\n"),
        again=True,
    )


def test_stdin_from_another_file_with_the_same_content(lab: Lab) -> None:
    lab.write("one", "1\n")
    lab.write("two", "1\n")
    lab.write("three", "3\n")
    assert lab.both(["cat"], stdin="one").root.outcome == "miss"
    lab.both(["cat"], stdin="two")
    assert lab.both(["cat"], stdin="three").root.outcome == "miss"
    assert lab.both(["cat"], stdin="one").root.outcome == "hit"


@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero"])
def test_stdin_from_a_device(lab: Lab, source: str) -> None:
    lab.write("in", "1\n")
    cmd = f"head -c 3 < {source} | od; steps read 3 fd 0 read 3 cat in < {source}"
    cycle(lab, cmd, hit=None, job="steps", change=lambda: lab.rewrite("in", "2\n"))


def test_a_here_document(lab: Lab) -> None:
    text = "cat <<X > out\none $(cat in)\nX\n"
    lab.write("in", "1\n")
    cycle(lab, text, change=lambda: lab.rewrite("in", "2\n"))


@pytest.mark.parametrize("first", ["head -n 1", "steps fd 0 read 2", "sh -c 'read x; echo $x'"])
def test_the_offset_of_a_shared_file_is_left_where_a_run_leaves_it(lab: Lab, first: str) -> None:
    lab.write("in", "a\nb\nc\nd\n")
    script = f"({first}; {first}; cat) < in"
    cycle(lab, script, change=lambda: lab.rewrite("in", "a\nB\nc\nd\n"), again=True)
    lab.both(f"{script} # the shell runs, the readers may be skipped")


@pytest.mark.parametrize("first", [["head", "-n", "1"], steps("fd 0 read 2"), ["cat"], ["true"]])
def test_the_offset_that_procache_leaves_behind(lab: Lab, first: list[str]) -> None:
    lab.write("in", "a\nb\nc\nd\n")
    around = 'exec < in; "$@"; echo status $?; cat'
    free = first == ["true"]  # it does not read, so it may be skipped whatever is there
    cycle(lab, first, around=around, hit=None, free=free, change=lambda: lab.rewrite("in", "A\nb\nc\nD\n"))


def test_the_offset_of_an_output_that_procache_leaves_behind(lab: Lab) -> None:
    lab.write("in", "1\n")
    around = 'exec > out; echo before; "$@"; echo after'
    cycle(lab, steps("cat in"), around=around, change=lambda: lab.rewrite("in", "2\n"), again=True)
    assert lab.path("out").read_text() == "before\n2\nafter\n"


@pytest.mark.parametrize("first", [["true"], steps("say x")])
def test_what_is_not_read_from_a_pipe_stays_in_it(lab: Lab, first: list[str]) -> None:
    lab.write("in", "a\nb\nc\n")
    cycle(lab, first, around='cat in | { "$@"; cat; }', free=True, change=lambda: lab.rewrite("in", "x\ny\nz\n"))


def test_a_program_that_reads_only_a_part_of_a_pipe(lab: Lab) -> None:
    lab.write("in", "abcdef\n")
    around = 'cat in | { "$@"; cat; }'
    cycle(lab, ["head", "-c", "2"], around=around, hit=None, change=lambda: lab.rewrite("in", "xbcdef\n"))


def test_a_stdin_that_stays_open_is_not_waited_for(lab: Lab) -> None:
    for _ in range(2):
        process = lab.start([*PREFIX, "run", "--", *steps("say x")], How(stdin=b""))
        assert process.wait(timeout=30) == 0
        assert process.communicate()[0] == b"x\n"


@pytest.mark.parametrize("option", ["", "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"])
def test_stdin_by_its_names(lab: Lab, option: str) -> None:
    lab.write("in", "1\n")
    reader = f"cat {option}"
    script = f"{reader} < in; cat in | {reader}; cat in"
    cycle(lab, script, hit=None, change=lambda: lab.rewrite("in", "2\n"))
    lab.both(f"{script} # the shell runs, the readers may be skipped")


def test_two_readers_of_one_pipe(lab: Lab) -> None:
    lab.write("in", "1\n2\n3\n")
    script = "cat in | (read x; echo first $x; cat) > out"
    cycle(lab, script, change=lambda: lab.rewrite("in", "1\n2\n4\n"))
