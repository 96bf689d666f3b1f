"""The event source in C and its twin in Python: the same command leaves the same records."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from common.filling import every_record

from procache.model.aspects import NAMES
from procache.model.record import telling
from procache.store.layout import Layout

from .lab import Lab

#: Looks of all kinds: plain and not, of siblings that look alike, between changes, by relative and absolute paths.
SCRIPT = """\
for n in 1 2 3; do
    cat in link d/x none none/y in/z "$PWD/in" > out.$n 2>&1
    test -r in; test -e d/none; test -L link
    sort in > sorted.$n; sort sorted.$n > again.$n; cat again.$n > sorted.$n
    echo d/*; (cd d; cat x ../in; cat ./x)
done
cat /proc/self/comm /dev/null loop
mkdir made; cat made/none; ln -s in new; cat new; rm new; ln -s d/x new; cat new
mv made moved; cat moved/none made/none
"""


@pytest.fixture
def prepared(lab: Lab) -> Lab:
    lab.write("in", "b\na\n")
    lab.write("d/x", "x\n")
    lab.path("link").symlink_to("d/x")
    lab.path("loop").symlink_to("loop")
    for path in lab.work.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    return lab


def found(cache: Path) -> Iterator[str]:
    """Of each record, in an order of its own: the command, facts without what differs from run to run, effects."""
    for _, record in every_record(Layout(os.fsencode(cache))):
        facts = [(path, NAMES[aspect], telling(value, timed), timed) for path, aspect, value, timed in record.facts]
        effects = sorted((effect[0], effect[1]) for effect in record.effects)
        yield repr((record.command[1], record.status, sorted(map(repr, facts)), effects))


def test_both_leave_the_same_records(prepared: Lab) -> None:
    lab, left, recorded = prepared, [], []
    fresh = lab.save()
    for native in ("1", "0"):
        lab.restore(fresh)
        lab.env["PROCACHE_NATIVE"] = native
        lab.cache = lab.root / f"cache-{native}"
        lab.env["PROCACHE_DIR"] = str(lab.cache)
        run = lab.run(SCRIPT)
        left.append((run.status, run.out, run.err))
        recorded.append(set(found(lab.cache)))
    assert left[0] == left[1]
    assert sorted(recorded[0] - recorded[1]) == sorted(recorded[1] - recorded[0]) == []
    assert len(recorded[0]) > 10


def test_a_file_that_is_changed_after_it_was_opened(lab: Lab) -> None:
    """By hands outside: what was read is not what is there when the look is counted."""
    lab.write("in", "old\n")
    lab.write("go")
    opened = "import os, time\nf = open('in')\nd = f.read()\nos.utime('go', (0, 0))\n"
    run = lab.run(
        ["python3", "-c", opened + "time.sleep(0.5)\nprint(d, end='')"],
        around='(while [ $(stat -c %Y go) != 0 ]; do sleep 0.05; done; echo new > in) & exec "$@"',
    )
    assert (run.out, run.root.outcome) == (b"old\n", "uncacheable")
    assert lab.run(["python3", "-c", opened + "time.sleep(0.5)\nprint(d, end='')"]).out == b"new\n"


@pytest.mark.parametrize(
    "script",
    [
        "cd d; test -e none",
        "cd /; test -e /etc/passwd",
        "mkdir made; rmdir made; test -e none",
    ],
)
def test_looks_are_counted_when_the_shell_has_ended(lab: Lab, script: str) -> None:
    """Where it was matters to a shell's looks, and is not to be asked any more."""
    lab.write("d/x")
    first, again = lab.both(script), lab.run(script)
    assert (first.root.outcome, first.err, again.root.outcome) == ("miss", b"", "hit")


def test_a_link_into_sys(lab: Lab) -> None:
    """Files there change and keep their times: they are told apart by what they say, however they are reached."""
    counter = "/sys/class/net/lo/statistics/tx_packets"
    if not os.path.exists(counter):
        pytest.skip("no counter of packets")
    lab.path("link").symlink_to("/sys")
    for name in (f"link/{counter[5:]}", f"/{counter}", os.path.relpath(counter, lab.work)):
        for _ in range(2):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", ("127.0.0.1", 9))
            now = Path(counter).read_bytes()
            assert lab.run(["cat", name]).out >= now, name


@pytest.mark.parametrize("name", ["self/cwd/in", "self/fd/77", "self/fd/77/x"])
def test_a_link_into_proc(lab: Lab, name: str) -> None:
    """What is there is another thing to the tracer."""
    lab.write("in", "old\n")
    lab.write("d/x", "old\n")
    lab.path("link").symlink_to("/proc")
    script = f"exec 77< {'d' if name.endswith('x') else 'in'}; exec cat link/{name}"
    assert lab.run(["bash", "-c", script]).out == b"old\n"
    lab.write("in", "newer\n")
    lab.write("d/x", "newer\n")
    assert lab.run(["bash", "-c", script]).out == b"newer\n"


def test_a_program_whose_interpreter_is_another_in_each_folder(lab: Lab) -> None:
    """An interpreter that is named without a folder is found from where the program is started."""
    linker = b"/lib64/ld-linux-x86-64.so.2"
    content = Path("/usr/bin/true").read_bytes()
    if linker not in content:
        pytest.skip("no such program here")
    lab.write("true", content.replace(linker, b"ld.so".ljust(len(linker), b"\0")), 0o755)
    for folder in ("a", "b"):
        lab.write(f"{folder}/ld.so", Path(os.fsdecode(linker)).read_bytes(), 0o755)
        os.utime(lab.path(f"{folder}/ld.so"), (1, 1))
    time.sleep(0.1)  # until they are old enough to be recognised
    script = '(cd a; "$OLDPWD/true"; "$OLDPWD/true"); (cd b; "$OLDPWD/true"); echo $?'
    assert lab.both(script).out == b"0\n"
    lab.write("b/ld.so", b"no interpreter", 0o755)
    assert lab.both(script).out != b"0\n"


def test_a_link_that_a_skipped_program_makes_a_file(lab: Lab) -> None:
    """The way through it that was remembered leads nowhere any more."""
    lab.write("target", "old\n")
    lab.path("first").symlink_to("link")
    lab.path("link").symlink_to("target")
    lab.write("seed", "1")
    script = "cat first seed; sh -c 'rm link; echo new > link'; cat seed first"
    fresh = lab.save()
    lab.run(script)
    lab.restore(fresh)
    lab.write("seed", "2")
    run = lab.both(script)
    assert [(e.outcome, e.reasons) for e in run.executions if e.outcome == "uncacheable"] == []
    assert run.out == b"old\n22new\n"


#: Kills processes at about the time when they fork, and waits for what they have made.
KILLING = """\
import os, signal, time
for n in range(200):
    ready, made = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(made[0])
        os.write(ready[1], b'x')
        os.fork() and signal.pause()
        os._exit(0)
    os.close(made[1])
    os.read(ready[0], 1)
    until = time.perf_counter() + n % 50 * 1e-5
    while time.perf_counter() < until:
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.read(made[0], 1)
    for fd in (*ready, made[0]):
        os.close(fd)
"""


@pytest.mark.parametrize("native", ["1", "0"])
def test_a_process_whose_parent_is_killed_while_it_forks(lab: Lab, native: str) -> None:
    """It is heard of although its parent could not tell."""
    lab.env["PROCACHE_NATIVE"] = native
    assert lab.run(["python3", "-c", KILLING]).status == 0
