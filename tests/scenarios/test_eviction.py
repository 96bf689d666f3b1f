"""The store after runs: counted, told what was used, brought within its limits, and checked while runs go on."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .lab import PREFIX, Lab

SCRIPT = "cat in > out; blob 100000 > big; steps say end"
OLD = time.time() - 5 * 86400


def report(lab: Lab, *words: str) -> Any:
    """What a verb says as JSON."""
    done = subprocess.run([*PREFIX, *words, "--json"], env=lab.env, cwd=lab.work, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout or b"{}")


def files(lab: Lab, part: str) -> list[Path]:
    """The files in a part of the store, without locks."""
    found = (lab.cache / "v2" / part).rglob("*")
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def make_old(lab: Lab) -> None:
    """Nothing was used for days."""
    for path in (*files(lab, "records"), *files(lab, "blobs")):
        os.utime(path, (OLD, OLD))


def old(lab: Lab) -> int:
    """How many files were not used since."""
    return sum(path.stat().st_mtime < OLD + 60 for path in (*files(lab, "records"), *files(lab, "blobs")))


def eventually(held: Callable[[], bool]) -> None:
    """Wait for a process that nobody waits for."""
    end = time.monotonic() + 30.0
    while not held():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_runs_did_is_known_without_their_journals(lab: Lab) -> None:
    lab.write("in", "1\n")
    cold = lab.both(SCRIPT)
    lab.both(SCRIPT)
    for path in files(lab, "runs"):
        path.unlink()
    told = report(lab, "stats")
    assert (told["runs"]["count"], told["runs"]["journals"]) == (2, 0)
    assert (told["hit"], told["miss"]) == (1, len(cold.executions))
    assert told["saved"] > 0


def test_a_hit_of_the_whole_command_makes_all_that_is_below_it_young(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both(SCRIPT)
    make_old(lab)
    assert old(lab) > 5
    assert lab.both(SCRIPT).root.outcome == "hit"
    assert old(lab) == 0
    times = [path.stat().st_mtime_ns for path in files(lab, "records")]
    lab.both(SCRIPT)
    assert [path.stat().st_mtime_ns for path in files(lab, "records")] == times, "once an hour is enough"


def test_a_hit_below_makes_what_it_used_young(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both(SCRIPT)
    make_old(lab)
    lab.both(f"{SCRIPT}; steps say more")
    assert old(lab) == 1, "the record of the whole command, which was not used"


def test_a_store_that_has_outgrown_its_limit_shrinks_after_the_run(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both(SCRIPT)
    make_old(lab)
    before = {path.name for path in files(lab, "blobs")}
    lab.env["PROCACHE_MAX_SIZE"] = "100K"
    lab.both("blob 200000 > other; steps say other")
    eventually(lambda: not before & {path.name for path in files(lab, "blobs")})
    lab.remove("out", "big")
    assert lab.both(SCRIPT).root.outcome == "miss"
    assert report(lab, "verify")["problems"] == []


def test_a_hit_sees_to_the_store_once_a_day(lab: Lab) -> None:
    lab.both("steps say hello")
    left = lab.cache / "v2" / "tmp" / "w-00000000-1-00"
    left.write_bytes(b"of a process of another host")
    os.utime(left, (OLD, OLD))
    assert lab.both("steps say hello").root.outcome == "hit"
    assert left.exists()
    os.utime(lab.cache / "v2" / "gc", (OLD, OLD))
    assert lab.both("steps say hello").root.outcome == "hit"
    eventually(lambda: not left.exists())


def test_a_pinned_run_is_a_hit_whatever_was_evicted(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.both(SCRIPT)
    assert lab.raw(["pin", "last"]).status == 0
    lab.both("steps say other")
    told = report(lab, "gc", "--max-size", "0")
    assert told["removed"]["records"]["count"] > 0
    lab.remove("out", "big")
    assert lab.both(SCRIPT).root.outcome == "hit"
    lab.raw(["unpin", lab.raw(["pin", "--list"]).out.decode().strip()])
    lab.raw(["gc", "--max-size", "0"])
    assert lab.both(SCRIPT).root.outcome == "miss"


def test_while_runs_go_on_nothing_is_wrong_and_nothing_breaks(lab: Lab) -> None:
    lab.write("in", "1\n")
    lab.env["PROCACHE_MAX_SIZE"] = "150K"
    done = threading.Event()
    wrong: list[Any] = []

    def check() -> None:
        while not done.is_set():
            for words in (["verify"], ["gc", "--max-size", "60K"], ["verify", "--repair"]):
                wrong.extend(report(lab, *words).get("problems", ()))

    lab.run("true")  # so that there is a store
    checker = threading.Thread(target=check)
    checker.start()
    try:
        for number in range(12):
            run = lab.run(f"cat in > out; blob {90000 + number % 3} > big; steps say {number % 4}")
            assert (run.status, run.out, run.err) == (0, b"%d\n" % (number % 4), b"")
            lab.remove("out", "big")
    finally:
        done.set()
        checker.join()
    assert wrong == []
