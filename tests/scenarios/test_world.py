"""What a program learns of the machine: one test for each line of docs/world.md, with and without --strict."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from common.filling import every_record

from procache.store.layout import Layout

from .lab import ROOT, Lab

DOCUMENT = ROOT / "docs" / "world.md"


class Line(NamedTuple):
    """How a line is checked.

    ``looks``: of the program ``world``. ``around`` or ``env``: another state of the machine (for a key). ``facts``:
    a path that must be among the facts, as a regular expression.
    """

    looks: str
    around: str = ""
    env: tuple[str, str] = ("", "")
    facts: str = ""


LINES = {
    "time of day (`clock_gettime`, `gettimeofday`, `time`)": Line("clock coarse gettimeofday time"),
    "time since the start of the machine (monotonic clocks, `times`)": Line("monotonic boottime times"),
    "CPU time used (`getrusage`, CPU clocks)": Line("getrusage cputime threadtime"),
    "process id, thread id": Line("getpid gettid"),
    "parent's id, process group, session": Line("getppid getpgrp getpgid getsid"),
    "random numbers (`getrandom`)": Line("getrandom getrandom-8"),
    "the 8 random bytes of malloc": Line("malloc-key"),
    "`/dev/random`, `/dev/urandom`": Line("urandom"),
    "`/proc/sys/kernel/random`": Line("uuid"),
    "addresses in memory": Line("address"),
    "own state in `/proc/self/stat`": Line("stat"),
    "host name and kernel release (`uname`)": Line("hostname", facts=r"uname\(2\)"),
    "CPUs that may be used (affinity)": Line("cpus", around='taskset -c 0 "$@"'),
    "CPUs that are there (`/sys/devices/system/cpu`)": Line("online", facts="/sys/devices/system/cpu/online"),
    "kind of CPU (`/proc/cpuinfo`)": Line("cpuinfo", facts="/proc/cpuinfo"),
    "memory of the machine (`/proc/meminfo`)": Line("meminfo", facts="/proc/meminfo"),
    "load and uptime in `/proc`": Line("loadavg uptime"),
    "load, uptime and free memory by `sysinfo`": Line("sysinfo"),
    "user and group ids": Line("ids", around='setpriv --regid 1 --clear-groups "$@"'),
    "user database (`/etc/passwd`, `/etc/group`)": Line("user group", facts="/etc/passwd"),
    "locale: variables": Line("locale", env=("LC_ALL", "C")),
    "locale: files": Line("locale", env=("", ""), facts="/usr/lib/locale.*"),
    "time zone: `TZ`": Line("zone", env=("TZ", "UTC-5")),
    "time zone: `/etc/localtime`": Line("zone", facts="/etc/localtime"),
    "resource limits": Line("limit", around='ulimit -n 100; "$@"'),
    "niceness": Line("nice", around='nice -n 3 "$@"'),
    "scheduling class": Line("policy", around='chrt -b 0 "$@"'),
    "umask": Line("umask", around='umask 027; "$@"'),
}


def documented() -> dict[str, tuple[str, str]]:
    """The decisions of each line of the table: without and with --strict."""
    rows = re.findall(r"^\| (.+?) \| (\w+) \| (\w+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: (plain, strict) for name, plain, strict in rows}


DOCUMENTED = documented()


def test_every_line_is_checked() -> None:
    assert set(LINES) == set(DOCUMENTED)
    assert {word for words in DOCUMENTED.values() for word in words} == {"key", "fact", "ignored", "taints"}


@pytest.mark.parametrize("options", [[], ["--strict"]], ids=["plain", "strict"])
@pytest.mark.parametrize("name", LINES)
def test_a_line(lab: Lab, name: str, options: list[str]) -> None:
    line, decision = LINES[name], DOCUMENTED[name][bool(options)]
    for look in line.looks.split() if decision == "taints" else [line.looks]:
        cmd = ["world", *look.split()]
        if name == "locale: files":
            lab.env.update(LC_ALL="", LANG="C.UTF-8")
        first = lab.run(cmd, options=options)
        assert first.status == 0
        assert b"no look" not in first.out
        check(lab, cmd, options, line, decision, first.root.outcome)


def check(lab: Lab, cmd: list[str], options: list[str], line: Line, decision: str, outcome: str) -> None:
    """The outcome of the first run, and of another one."""
    if decision == "taints":
        assert outcome == "uncacheable"
        assert lab.run(cmd, options=options).root.outcome == "uncacheable"
        return
    assert outcome == "miss"
    assert lab.run(cmd, options=options).root.outcome == "hit"
    if decision == "key":
        changed(lab, cmd, options, line)
    elif decision == "fact":
        paths = [os.fsdecode(fact[0]) for _, record in every_record(store(lab)) for fact in record.facts]
        assert any(re.fullmatch(line.facts, path) for path in paths), paths


def changed(lab: Lab, cmd: list[str], options: list[str], line: Line) -> None:
    """In another state of the machine it is another command."""
    tool = line.around.split(" ")[0]
    if tool in ("taskset", "setpriv", "chrt") and not shutil.which(tool):
        pytest.skip(f"no {tool} here")
    if tool == "setpriv" and os.geteuid():
        pytest.skip("only root can be another user")
    if tool == "taskset" and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one CPU only")
    name, value = line.env
    if name:
        lab.env[name] = value
    run = lab.run(cmd, options=options, around=line.around or None)
    assert (run.root.outcome, run.root.codes()) == ("miss", {"no-record"})
    assert run.out == lab.native(cmd, around=line.around or None).out


def store(lab: Lab) -> Layout:
    """The store of a test."""
    return Layout(os.fsencode(Path(lab.cache)))
