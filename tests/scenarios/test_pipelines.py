"""Stages of a pipeline are skipped one by one: the first by its files, the others by what comes through the pipe."""

from __future__ import annotations

import shlex

import pytest

from .lab import Lab
from .results import Run

NUMBERS = "".join(f"{number}\n" for number in range(1, 400))


def again(lab: Lab, script: str, stages: dict[str, str]) -> Run:
    """Run a script as a native run would; each program named must have this outcome."""
    run = lab.both(script)
    seen = {program: run.outcomes(program) for program in stages}
    assert seen == {program: [outcome] for program, outcome in stages.items()}, run.executions
    return run


def test_every_stage_is_skipped(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.both("cat in | sort -r | tail -n 3 > out")
    again(lab, "cat in | sort -r | tail -n 3 > out # 2", {"cat": "hit", "sort": "hit", "tail": "hit"})
    lab.remove("out")
    assert lab.both("cat in | sort -r | tail -n 3 > out").root.outcome == "hit"


def test_a_setting_turns_it_off(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.both("cat in | sort -r > out")
    lab.env["PROCACHE_PIPE_SKIP"] = "false"
    again(lab, "cat in | sort -r > out # 2", {"cat": "hit", "sort": "miss"})
    lab.env["PROCACHE_PIPE_SKIP"] = "true"
    again(lab, "cat in | sort -r > out # 3", {"cat": "hit", "sort": "hit"})


def test_an_option_of_one_stage(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.both("cat in | sort -r | tail -n 3 > out")
    again(lab, "cat in | sort -r | tail -n 4 > out", {"cat": "hit", "sort": "hit", "tail": "miss"})
    again(lab, "cat in | sort -n | tail -n 4 > out", {"cat": "hit", "sort": "miss", "tail": "miss"})
    again(lab, "cat -n in | sort -n | tail -n 4 > out", {"cat": "miss", "sort": "miss", "tail": "miss"})
    again(lab, "cat -n in | sort -n | tail -n 4 > out # 2", {"cat": "hit", "sort": "hit", "tail": "hit"})


def test_a_first_stage_that_does_the_same_by_other_means(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.both("cat in | sort -r | tail -n 3 > out")
    again(lab, "head -n 1000 in | sort -r | tail -n 3 > out", {"head": "miss", "sort": "hit", "tail": "hit"})


def test_only_the_content_behind_the_pipe_changes(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.both("cat in | sort -r | tail -n 3 > out")
    lab.rewrite("in", NUMBERS.replace("\n150\n", "\n000\n"))
    again(lab, "cat in | sort -r | tail -n 3 > out", {"cat": "miss", "sort": "miss", "tail": "miss"})
    lab.rewrite("in", NUMBERS.replace("\n150\n", "\n151\n"))
    again(lab, "cat in | sort -r | tail -n 3 > out", {"cat": "miss", "sort": "miss", "tail": "miss"})


def test_an_earlier_input_comes_back(lab: Lab) -> None:
    other = NUMBERS.replace("\n150\n", "\n000\n")
    lab.write("in", NUMBERS)
    for number, text in enumerate((NUMBERS, other, NUMBERS, other)):
        lab.rewrite("in", text)
        outcome = "hit" if number > 1 else "miss"
        again(lab, f"cat in | sort -r | tail -n 3 > out # {number}", dict.fromkeys(("cat", "sort", "tail"), outcome))


def test_the_last_byte_of_a_long_input(lab: Lab) -> None:
    """Head and size are as recorded: it is held until the end, and then runs on all of it."""
    text = "x" * 60_000 + "\n"
    lab.write("in", text)
    lab.both("cat in | sha256sum > out")
    lab.rewrite("in", text[:-2] + "y\n")
    again(lab, "cat in | sha256sum > out", {"cat": "miss", "sha256sum": "miss"})


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + b"\n", lambda text: b""])
def test_an_input_of_another_size(lab: Lab, change: object) -> None:
    text = bytes(range(256)) * 100
    lab.write("in", text)
    lab.both("cat in | sha256sum > out")
    lab.write("in", change(text))  # type: ignore[operator]
    again(lab, "cat in | sha256sum > out", {"cat": "miss", "sha256sum": "miss"})


def test_a_stage_that_reads_a_file_too(lab: Lab) -> None:
    lab.write("in", "b\nd\n")
    lab.write("more", "a\nc\n")
    lab.both("cat in | sort - more > out")
    again(lab, "cat in | sort - more > out # 2", {"cat": "hit", "sort": "hit"})
    lab.rewrite("more", "A\nc\n")
    again(lab, "cat in | sort - more > out # 2", {"cat": "hit", "sort": "miss"})


@pytest.mark.parametrize("size", [1, 4096, 65536, 65537, 300_000, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_binary_inputs(lab: Lab, size: int) -> None:
    lab.both(f"blob {size} | sha256sum")
    again(lab, f"blob {size} | sha256sum; true", {"blob": "hit", "sha256sum": "hit"})
    again(lab, f"blob {size} 2 | sha256sum; true", {"blob": "miss", "sha256sum": "miss"})
    again(lab, f"blob {size - 1} | sha256sum; true", {"blob": "miss", "sha256sum": "miss"})


def test_the_last_byte_of_an_input_that_no_pipe_holds(lab: Lab) -> None:
    script = "{{ blob 3000000; printf {}; }} | sha256sum > out"
    lab.both(script.format("x"))
    again(lab, script.format("y"), {"sha256sum": "miss"})
    again(lab, f"{script.format('y')}; true", {"sha256sum": "hit"})
    again(lab, f"{script.format('xx')}; true", {"sha256sum": "miss"})


def test_a_pipe_that_was_emptied_is_no_empty_input(lab: Lab) -> None:
    """What was taken out of it to be compared is still what comes through it."""
    lab.both("true | sha256sum > out")
    lab.both("{ blob 3000000; printf x; } | sha256sum > out")
    again(lab, "{ blob 3000000; printf y; } | sha256sum > out", {"sha256sum": "miss"})


@pytest.mark.parametrize("reader", ["sha256sum", "sh -c 'exec sha256sum'"])
def test_an_input_that_goes_on_where_the_recorded_one_ended(lab: Lab, reader: str) -> None:
    """More was taken than fits: the program gets it, and then what still comes, and its record knows all of it."""
    lab.both(f"blob 3000000 | {reader}")
    again(lab, f"blob 9000000 | {reader}", {"blob": "miss", "sha256sum": "miss"})
    run = lab.both(f"blob 9000000 | {reader}; true")
    assert run.ran("blob") == run.ran("sha256sum") == []
    again(lab, f"{{ blob 9000000; printf x; }} | {reader}", {"sha256sum": "miss"})


def test_a_reader_that_stops_behind_what_was_taken(lab: Lab) -> None:
    """Its writer, which never ends by itself, has to notice."""
    lab.both("yes | head -c 3000000 | grep -q needle; echo $?")
    script = "{ yes | head -c 4000000; echo needle; yes; } | grep -q needle; echo ${PIPESTATUS[@]}"
    assert lab.both(["bash", "-c", script]).out == b"141 0\n"


def test_a_coprocess_that_answers_much(lab: Lab) -> None:
    """All that it has got so far is as recorded; the rest waits for its answer."""
    lab.both("blob 3000000 | cat | sha256sum")
    script = """
        coproc cat
        exec 5>&${COPROC[1]} 6<&${COPROC[0]}
        eval "exec ${COPROC[1]}>&-"
        blob 3000000 >&5 &
        head -c 3000000 <&6 | sha256sum
        echo more >&5
        exec 5>&-
        cat <&6
    """
    run = lab.both(["bash", "-c", script])
    assert run.out.endswith(b"\nmore\n")
    assert run.of("cat")[0].codes() == {"pipe-unknown"}


def test_a_pipe_that_others_could_read_keeps_what_is_in_it(lab: Lab) -> None:
    script = "blob 3000000 | sh -c 'sha256sum; cat | wc -c'"
    lab.both(script)
    lab.both(f"{script}; true")
    again(lab, "blob 3000000 | sh -c 'sha256sum; true; cat | wc -c'", {"sha256sum": "miss"})


def test_a_larger_pipe_that_is_shared(lab: Lab) -> None:
    """The inner shell has it open too, so nothing is taken out before the record fits."""
    lab.both("blob 300000 | sh -c 'sha256sum; wc -c'")
    again(lab, "blob 300000 | sh -c 'sha256sum; wc -c; true'", {"blob": "hit", "sha256sum": "hit", "wc": "hit"})
    again(lab, "blob 300000 2 | sh -c 'sha256sum; wc -c; true'", {"blob": "miss", "sha256sum": "miss", "wc": "hit"})


PACKETS = """
import os
ends = os.pipe2(os.O_DIRECT)
for number, argv in ((1, ["dd", "if=in", "bs=SIZE", "status=none"]), (0, ["sha256sum"])):
    if not os.fork():
        os.dup2(ends[number], number)
        os.closerange(3, 9)
        os.execvp(argv[0], argv)
os.closerange(3, 9)
os.wait(), os.wait()
"""


def test_pages_that_are_not_full(lab: Lab) -> None:
    """Every piece takes a page of the pipe, which so is full long before it holds what its size says."""
    lab.write("in", NUMBERS)
    lab.both(["/usr/bin/python3", "-c", PACKETS.replace("SIZE", "10")])
    run = lab.both(["/usr/bin/python3", "-c", PACKETS.replace("SIZE", "11")])
    assert run.outcomes("sha256sum") == ["hit"]
    lab.rewrite("in", NUMBERS.replace("\n150\n", "\n151\n"))
    run = lab.both(["/usr/bin/python3", "-c", PACKETS.replace("SIZE", "11")])
    assert run.outcomes("sha256sum") == ["miss"]


def test_an_empty_input(lab: Lab) -> None:
    lab.write("in", "")
    lab.both("cat in | wc -l > out")
    again(lab, "cat in | wc -l > out # 2", {"cat": "hit", "wc": "hit"})
    lab.write("in", "\n")
    again(lab, "cat in | wc -l > out # 2", {"cat": "miss", "wc": "miss"})


def test_a_slow_writer(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    script = "{ head -n 5 in; sleep 0.3; tail -n 5 in; } | sort > out"
    lab.both(script)
    again(lab, f"{script}; true", {"sort": "hit"})


def test_a_writer_that_computes(lab: Lab) -> None:
    """It writes nothing for longer than a resting writer is waited for."""
    lab.write("in", NUMBERS)
    script = "{ head -n 5 in; timeout 1.6 sh -c 'while :; do :; done'; tail -n 5 in; } | sort > out"
    lab.both(script)
    again(lab, f"{script}; true", {"sort": "hit"})


# -- who shares the pipe ----------------------------------------------------------------------------


def test_a_shell_that_hands_its_pipe_on(lab: Lab) -> None:
    lab.write("in", "3\n1\n2\n")
    inner = "read x; echo first $x; sort"
    lab.both(f"cat in | sh -c '{inner}' > out")
    run = again(lab, f"cat in | sh -c '{inner}' > out; true", {"cat": "hit"})
    assert run.ran("sort") == [] and "hit" in run.outcomes("sh")
    again(lab, f"cat in | sh -c '{inner}; true' > out", {"cat": "hit", "sort": "hit"})
    lab.rewrite("in", "4\n1\n2\n")
    again(lab, f"cat in | sh -c '{inner}; true' > out; true", {"cat": "miss", "sort": "hit"})
    lab.rewrite("in", "3\n1\n5\n")
    run = again(lab, f"cat in | sh -c '{inner}; true' > out; true # 2", {"cat": "miss", "sort": "miss"})


def test_what_a_skipped_child_reads_counts_for_its_parents(lab: Lab) -> None:
    """The inner shell is recorded over a child that did not run; another input must still reach it."""
    lab.write("in", "3\n1\n2\n")
    lab.both("cat in | sort > out")
    again(lab, "cat in | sh -c 'sort; echo end' > out", {"sort": "hit"})
    run = lab.both("cat in | sh -c 'sort; echo end' > out; true")
    assert run.of("sort") == [], "the inner shell is not skipped as a whole"
    lab.rewrite("in", "3\n1\n4\n")
    again(lab, "cat in | sh -c 'sort; echo end' > out", {"cat": "miss", "sort": "miss"})


def test_readers_one_after_the_other(lab: Lab) -> None:
    lab.write("in", "1\n2\n3\n")
    script = "cat in | (read x; echo $x > first; sort > rest; wc -l > nothing)"
    lab.both(script)
    again(lab, f"{script}; true", {"cat": "hit", "sort": "hit", "wc": "hit"})
    lab.rewrite("in", "4\n2\n3\n")
    again(lab, f"{script}; true", {"cat": "miss", "sort": "hit", "wc": "hit"})
    lab.rewrite("in", "1\n2\n4\n")
    again(lab, f"{script}; true", {"cat": "miss", "sort": "miss", "wc": "hit"})


def test_a_second_pipe(lab: Lab) -> None:
    """What is read by another number than 0 is nobody's stdin."""
    lab.write("in", "1\n")
    lab.write("more", "2\n")
    script = "cat in | bash -c 'cat; cat <&3; :' 3< <(cat more) > out"
    for comment in ("", " # 2"):
        run = lab.both(["bash", "-c", script + comment])
        assert run.outcomes("bash") == ["miss", "uncacheable"]
    lab.rewrite("more", "3\n")
    assert lab.both(["bash", "-c", script]).root.outcome == "miss"


def test_readers_at_once(lab: Lab) -> None:
    """Which of them gets what is chance; together they get all of it. Who has both cannot tell the order."""
    lab.write("in", NUMBERS)
    script = "exec 3<&0; (exec <&3 3<&-; cat) & (exec <&3 3<&-; cat) & exec 3<&- < /dev/null; wait"
    for number in range(3):
        run = lab.run(f"{{ sleep 1; cat in; }} | sh -c '{script}' | sort -n > out # {number}")
        assert run.status == 0
        assert lab.path("out").read_text() == NUMBERS
        assert number or "reads-stream" in run.of("sh -c")[1].codes()


@pytest.mark.parametrize("reader", ["steps fd 0 scatter 100", "sort /dev/stdin", "sort /proc/self/fd/0", "sort - <&0"])
def test_ways_to_read(lab: Lab, reader: str) -> None:
    program = reader.split()[0]
    lab.write("in", "2\n1\n")
    lab.both(f"cat in | {reader} > out")
    again(lab, f"cat in | {reader} > out; true", {"cat": "hit", program: "hit"})
    lab.rewrite("in", "1\n3\n")
    again(lab, f"cat in | {reader} > out; true", {"cat": "miss", program: "miss"})


# -- who waits for whom ---------------------------------------------------------------------------------


COPROCESS = """
coproc {reader}
for number in 1 2 3; do
    echo $number >&${{COPROC[1]}}
    read -t 7 answer <&${{COPROC[0]}}
    echo answer $answer
done
eval "exec ${{COPROC[1]}}>&-"
wait
"""


def test_a_coprocess_that_answers_is_not_held(lab: Lab) -> None:
    script = ["bash", "-c", COPROCESS.format(reader="sed -u s/^/x/")]
    for comment in ("", "# 2", "# 3"):
        run = lab.both([*script[:2], script[2] + comment])
        assert run.out == b"answer x1\nanswer x2\nanswer x3\n"
        assert run.outcomes("sed") == ["miss"]
    assert {"pipe-unknown"} == run.of("sed")[0].codes()


def test_a_coprocess_that_answers_in_the_end_is_skipped(lab: Lab) -> None:
    text = (
        'coproc sort -r; echo a >&${COPROC[1]}; echo b >&${COPROC[1]}; eval "exec ${COPROC[1]}>&-"; cat <&${COPROC[0]}'
    )
    lab.both(["bash", "-c", text])
    run = lab.both(["bash", "-c", f"{text}; true"])
    assert run.outcomes("sort") == ["hit"]


@pytest.mark.parametrize("close", [True, False])
def test_a_parent_that_waits_for_the_exec(lab: Lab, close: bool) -> None:
    """It writes only when the program runs."""
    code = (
        f"import subprocess; print(subprocess.run(['sort'], input=b'b\\na\\n', capture_output=True, close_fds={close}))"
    )
    for comment in ("", "# 2"):
        run = lab.both(["/usr/bin/python3", "-c", code + comment])
        assert run.outcomes("sort") == ["miss"]


def test_a_pipe_with_a_name(lab: Lab) -> None:
    """Others may open it yet, when all that have it open are gone."""
    lab.write("in", "1\n")
    lab.both("cat in in | sort")
    run = lab.both("mkfifo f; (cat in; cat in) > f & sort < f; rm f; wait")
    assert run.outcomes("sort") == ["uncacheable"]


def test_a_reader_that_stops_early(lab: Lab) -> None:
    text = "blob 3000000 | {}; echo ${{PIPESTATUS[@]}}"
    lab.both(["bash", "-c", text.format("grep -qxa nothing")])  # reads to the end, and is recorded
    for reader in ("grep -qxa nothing", "head -c 10", "true"):
        for comment in ("", " # 2"):
            lab.both(["bash", "-c", text.format(reader) + comment])


def test_an_endless_writer_before_a_recorded_reader(lab: Lab) -> None:
    lab.both("yes no | head -c 3000000 | grep -q yes; echo $?")
    assert lab.both("yes yes | grep -q yes; echo $?").out == b"0\n"


def test_an_input_that_begins_otherwise(lab: Lab) -> None:
    """Nothing of it is kept."""
    lab.both("blob 3000000 | sha256sum")
    run = again(lab, "blob 9000000 2 | sha256sum", {"blob": "miss", "sha256sum": "miss"})
    assert run.of("sha256sum")[0].codes() == {"fact-differs"}


def test_a_writer_that_is_killed(lab: Lab) -> None:
    lab.both("steps say a | sort > out")
    for comment in ("", "# 2"):
        lab.both(f"sh -c 'printf a; kill -9 $$' | sort > out; cat out {comment}")


KILLED = """
import os, time
ends, children = os.pipe(), []
for number, argv in ((1, ["sh", "-c", "timeout 3 sh -c 'while :; do :; done'; : > late"]), (0, ["sort"])):
    children.append(os.fork())
    if not children[-1]:
        os.dup2(ends[number], number)
        os.closerange(3, 9)
        os.execvp(argv[0], argv)
os.closerange(3, 9)
time.sleep(0.3)
os.kill(children[1], {number})
print(os.waitpid(children[1], 0)[1], os.listdir())
os.wait()
"""


@pytest.mark.parametrize("number", [15, 9])
def test_a_reader_that_is_killed_while_it_is_held(lab: Lab, number: int) -> None:
    """It dies at once, not when its input is complete."""
    lab.write("in", "1\n")
    lab.both("cat in | sort")
    assert lab.both(["/usr/bin/python3", "-c", KILLED.format(number=number)]).out == b"%d ['in']\n" % number


UNREAD = """
import os, subprocess, time
writer = subprocess.Popen(["seq", "200000"], stdout=subprocess.PIPE)
begin, rest = writer.stdout.read(10), b""
number = int(open("signal").read()) if os.path.exists("signal") else 0
time.sleep(0.2)
if number:
    writer.send_signal(number)
    time.sleep(0.2)
if number in (0, 28):  # SIGWINCH
    rest = writer.stdout.read()
print(begin, len(rest), writer.wait())
"""


@pytest.mark.parametrize("number", [15, 2, 9, 28])
def test_a_writer_that_gets_a_signal_while_nobody_reads(lab: Lab, number: int) -> None:
    """A skipped one dies at once, as one that runs; a signal that does nothing does nothing."""
    command = ["/usr/bin/python3", "-c", UNREAD]
    lab.both(command)
    lab.write("signal", str(number))
    for _ in range(2):
        run = lab.both(command)
        assert run.outcomes("seq") == ["hit"] or run.root.outcome == "hit"
        assert (run.root.outcome == "uncacheable") == (number != 28)


def test_a_stage_below_make(lab: Lab) -> None:
    lab.write("in", NUMBERS)
    lab.write("Makefile", "out: in\n\tcat in | sort -r | tail -n 3 > out\n")
    lab.both("make")
    lab.remove("out")
    lab.write("Makefile", "out: in\n\tcat in | sort -r | tail -n 2 > out\n")
    again(lab, "make", {"cat": "hit", "sort": "hit", "tail": "miss"})


def test_the_figures_of_a_pipeline(lab: Lab) -> None:
    """Every stage of three runs: what must be skipped is, and nothing else."""
    lab.write("in", NUMBERS)
    stages = ["cat in", "grep 1", "sort -r", "head -n 500", "wc -l"]
    lab.both(" | ".join(stages))
    run = lab.both(f"{' | '.join(stages)}; true")
    outcomes = [run.outcomes(shlex.split(stage)[0])[0] for stage in stages]
    assert outcomes == ["hit"] * 5
