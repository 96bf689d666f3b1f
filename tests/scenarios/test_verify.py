"""Hits that are run for real: what differs from the record is found and named, and can be remembered.

A program that is not deterministic is one that goes by a variable which the settings leave out.
"""

from __future__ import annotations

import pytest

from .lab import Lab, same
from .results import Run


@pytest.fixture(autouse=True)
def fickle(lab: Lab) -> None:
    """Commands go by the variable N, and no key tells of it."""
    lab.env.update(PROCACHE_IGNORED_ENV="...:N", N="1")


def verified(lab: Lab, cmd: str, *options: str, n: str = "2") -> Run:
    """Run a command that is recorded once more, for real."""
    lab.env["N"] = n
    return lab.run(cmd, options=["--verify", *options])


def test_the_same_is_the_same(lab: Lab) -> None:
    lab.write("in", "text\n")
    cmd = "cat in; cat in >&2; cat in > out; mkdir -p d; ln -s in l; rm -f none; exit 3"
    first = lab.both(cmd)
    for name in ("out", "d", "l"):
        lab.remove(name)
    run = verified(lab, cmd)
    same(first, run)
    assert {execution.outcome for execution in run.executions} == {"miss"}
    assert all(execution.codes() == {"verified"} for execution in run.executions), run.executions
    assert "gave the same" in run.root.reasons[0]["detail"]
    assert lab.run(cmd).root.outcome in ("hit", "miss")


DIFFERENCES = {
    "stdout": ("echo abc$N", "standard output: byte 3 differs (recorded 0x31, now 0x32)"),
    "stderr": ("echo abc; echo $N >&2", "standard error: byte 0 differs (recorded 0x31, now 0x32)"),
    "more": ("test $N = 1 || echo x", "standard output: from byte 0 on there is more than recorded"),
    "less": ("echo abc; test $N = 2 || echo x", "standard output: from byte 4 on there is nothing any more"),
    "status": ("exit $N", "exit status: recorded 1, now 2"),
    "signal": ("test $N = 1 || kill -SEGV $$", "exit status: recorded 0, now -11"),
    "content": ("echo some text $N > out", "{}/out: byte 10 differs (recorded 0x31, now 0x32)"),
    "length": ("echo $N > out; test $N = 1 || echo more >> out", "{}/out: byte 0 differs"),
    "mode": ("echo > out; test $N = 1 || chmod 600 out", "{}/out: mode or owner"),
    "missing": ("test $N = 2 || echo > out", "{}/out: it is not there now"),
    "new": ("test $N = 1 || echo > out", "{}/out: it was not changed when recorded"),
    "kept": ("test $N = 1 && rm -f in; true", "{}/in: it was recorded as removed"),
    "link": ("ln -s in$N l", "{}/l: it was recorded as link, with another"),
    "folder": ("mkdir d; test $N = 1 || chmod 700 d", "{}/d: it was recorded as folder, with another mode"),
    "time": ("touch -d 200${N}-01-01 out", "{}/out: the modification time that was set"),
    "hard link": ("echo > a; if test $N = 1; then ln a b; else echo > b; fi", "{}/b: it was another name"),
    "large": ("head -c 100000 /dev/zero; echo $N", "standard output: byte 100000 differs"),
    "larger": ("head -c 9000000 /dev/zero; echo $N", "standard output: byte 9000000 differs"),
    "stdin": ("test $N = 1 && exec dd bs=1 count=3 status=none; true", "standard input: read to byte 3 when"),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_difference_is_named(lab: Lab, kind: str) -> None:
    cmd, text = DIFFERENCES[kind]
    lab.write("in", "abcdefgh\n")
    before = lab.save()
    stdin = "in" if kind == "stdin" else None
    lab.run(cmd, stdin=stdin)
    lab.restore(before)
    lab.env["N"] = "2"
    native = lab.native(cmd, stdin=stdin)
    run = lab.run(cmd, options=["--verify"], stdin=stdin)
    assert (run.status, run.out) == (native.status, native.out)
    text = text.replace("{}", str(lab.work))
    told = [line for line in run.err.decode().splitlines() if line.startswith("procache: not deterministic: ")]
    assert len(told) == 1, run.err
    assert text in told[0], told
    assert run.root.outcome != "hit"
    assert "verify-differs" in run.root.codes()


def test_streams_that_are_one_file_are_compared_in_order(lab: Lab) -> None:
    cmd = "if test $N = 1; then echo a; echo b >&2; else echo b >&2; echo a; fi"
    lab.run(cmd, merged=True)
    lab.env["N"] = "2"
    assert b"byte 0 differs" in lab.run(cmd, options=["--verify"], merged=True).out


def test_streams_that_are_two_may_change_their_order(lab: Lab) -> None:
    cmd = "if test $N = 1; then echo a; echo b >&2; else echo b >&2; echo a; fi"
    lab.run(cmd)
    assert verified(lab, cmd).root.codes() == {"verified"}


def test_the_part_that_differs_is_named_and_what_contains_it_is_not(lab: Lab) -> None:
    cmd = "sh -c 'echo fixed'; sh -c 'echo $N > out'; cat out"
    lab.run(cmd)
    run = verified(lab, cmd)
    assert run.err.decode().count("not deterministic") == 1
    assert "not deterministic: sh -c 'echo $N > out': " in run.err.decode()
    assert [execution.codes() for execution in run.executions] == [
        {"verify-differs"},
        {"verified"},
        {"verify-differs"},
        {"fact-differs"},
    ]


def test_it_is_told_by_explain_and_show(lab: Lab) -> None:
    lab.run("echo $N > out")
    verified(lab, "echo $N > out")
    assert b"out: byte 0 differs (recorded 0x31, now 0x32)" in lab.raw(["explain"]).out
    assert b"(another result than recorded)" in lab.raw(["show"]).out
    assert b"with --verify" in lab.raw(["show"]).out
    lab.run("true")
    verified(lab, "true")
    assert b"gave the same" in lab.raw(["explain"]).out
    assert b"another result" not in lab.raw(["show"]).out


def test_the_new_result_is_the_one_that_is_kept(lab: Lab) -> None:
    lab.run("echo $N")
    assert verified(lab, "echo $N").out == b"2\n"
    run = lab.run("echo $N")
    assert (run.root.outcome, run.out) == ("hit", b"2\n")


@pytest.mark.parametrize("level", ["command", "child"])
def test_what_differed_can_be_remembered(lab: Lab, level: str) -> None:
    cmd = "echo $N" if level == "command" else "sh -c 'echo $N' > out; true"
    lab.run(cmd)
    verified(lab, cmd, "--verify-remember")
    for n in ("3", "4"):
        lab.env["N"] = n
        run = lab.both(cmd)
        assert run.root.outcome == "uncacheable"
        assert "unstable" in run.executions[-1].codes()
        assert "standard output" in run.executions[-1].reasons[0]["detail"] or level == "child"
    refreshed = lab.run(cmd, options=["--refresh"])
    assert refreshed.root.outcome == "miss"
    assert lab.run(cmd).root.outcome == "hit", "--refresh begins anew"


def test_what_did_not_differ_is_not_remembered(lab: Lab) -> None:
    lab.run("echo fixed")
    verified(lab, "echo fixed", "--verify-remember")
    assert lab.run("echo fixed").root.outcome == "hit"


def test_how_many_are_verified(lab: Lab) -> None:
    lab.run("echo x")
    assert lab.run("echo x", options=["--verify=0"]).root.outcome == "hit"
    assert lab.run("echo x", options=["--verify=100"]).root.outcome == "miss"
    lab.write("procache.toml", "verify = 100\n")
    assert lab.run("echo x").root.outcome == "miss"
    assert lab.run("echo x", options=["--verify=0"]).root.outcome == "hit"
    many = [lab.run("echo x", options=["--verify=50"]).root.outcome for _ in range(40)]
    assert set(many) == {"hit", "miss"}  # fails once in 2**39
    for value in ("--verify=101", "--verify=x", "--verify=-1", "--verify=nan", "--verify="):
        assert lab.raw(["run", value, "--", "true"]).status == 2


def test_the_summary_counts_them(lab: Lab) -> None:
    lab.run("true")
    run = verified(lab, "true", "-v")
    assert b"1 execution: 0 hit, 1 run, 1 of them to verify;" in run.err


def test_without_a_store_to_write_to_it_is_compared_all_the_same(lab: Lab) -> None:
    lab.run("echo $N")
    run = verified(lab, "echo $N", "--no-store", "--verify-remember")
    assert b"not deterministic" in run.err
    again = lab.run("echo $N")
    assert (again.root.outcome, again.out) == ("hit", b"1\n")


def test_work_that_is_done_is_not_verified(lab: Lab) -> None:
    lab.run("mkdir out")
    assert lab.run("mkdir out", options=["--resume", "--verify"]).root.outcome == "hit"


def test_a_pipe_on_stdin_is_read_by_the_program(lab: Lab) -> None:
    lab.run("cat; echo $N", stdin=b"some text\n")
    lab.env["N"] = "2"
    run = lab.run("cat; echo $N", options=["--verify"], stdin=b"some text\n")
    assert run.out == b"some text\n2\n"
    assert b"standard output: byte 10 differs" in run.err


def test_what_is_not_cacheable_now_is_not_compared(lab: Lab) -> None:
    cmd = "test $N = 1 || date > /dev/null; echo x"
    lab.run(cmd)
    run = verified(lab, cmd)
    assert {"child", "verified"} <= run.root.codes()
    assert "could not be compared" in repr(run.root.reasons)
