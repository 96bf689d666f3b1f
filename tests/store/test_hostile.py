"""Records that somebody has planted: the command runs natively, and explain names what is wrong with them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from common.filling import every_record

from procache import digests
from procache.model import aspects as asp
from procache.model import effects as fx
from procache.model.record import Record
from procache.store import blobs
from procache.store.layout import Layout
from procache.store.writer import add_record

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = "echo real > out; echo said"


class Victim:
    """A folder with a store in which one command is recorded, and a folder outside that nothing may touch."""

    def __init__(self, root: Path) -> None:
        self.work, self.outside, self.cache = root / "work", root / "outside", root / "cache"
        self.work.mkdir()
        self.outside.mkdir()
        (self.outside / "file").write_text("outside")
        assert self.run() == "said\n"
        self.layout = Layout(os.fsencode(self.cache))
        self.content = b"forged\n"
        blobs.put(self.layout, digests.of_bytes(self.content), self.content)

    def procache(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PROCACHE_DIR": str(self.cache)}
        command = [sys.executable, "-m", "procache", *words]
        return subprocess.run(
            command, env=environment, cwd=self.work, capture_output=True, text=True, check=False, timeout=60
        )

    def run(self) -> str:
        """Run the command; what it says."""
        (self.work / "out").unlink(missing_ok=True)
        done = self.procache("run", "--", "sh", "-c", SCRIPT)
        assert (done.returncode, done.stderr) == (0, "")
        assert (self.work / "out").read_text() in ("real\n", "forged\n")
        return done.stdout

    def forge(self, change: Callable[[Victim, dict[str, Any]], None]) -> None:
        """Put a changed record in the place of each that is stored."""
        for key, record in list(every_record(self.layout)):
            fields = dict(zip(Record.__slots__, record.values(), strict=True))
            change(self, fields)
            forged = Record.of(fields.values())
            os.unlink(self.layout.record(key))
            add_record(self.layout, key, forged, forged.pack(), 16)

    def effect(self, path: Path | str, mode: int = 0o644) -> fx.Effect:
        """The effect of a file with the forged content."""
        digest = digests.of_bytes(self.content)
        state = (stat.S_IFREG | mode, os.getuid(), os.getgid(), len(self.content), 1, 5, digest, None)
        return os.fsencode(path), fx.FILE, 0, state, None, False, None


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """A folder with a recorded command."""
    return Victim(tmp_path)


def outside(victim: Victim, fields: dict[str, Any]) -> None:
    """A file where the command has never been."""
    fields["effects"] = (*fields["effects"], victim.effect(victim.outside / "file"))


def dots(victim: Victim, fields: dict[str, Any]) -> None:
    """The same by a path that seems to begin where the command works."""
    fields["effects"] = (*fields["effects"], victim.effect(f"{victim.work}/../outside/file"))


def links(victim: Victim, fields: dict[str, Any]) -> None:
    """The same through a link that the record makes."""
    link = (os.fsencode(victim.work / "way"), fx.LINK, 0, os.fsencode(victim.outside), None, False, None)
    fields["effects"] = (*fields["effects"], link, victim.effect(victim.work / "way" / "file"))


def device(victim: Victim, fields: dict[str, Any]) -> None:
    """A mode that is none."""
    path, *_ = victim.effect(victim.work / "dev")
    state = (stat.S_IFBLK | 0o666, 0, 0, 0, 0, 5, b"", None)
    fields["effects"] = (*fields["effects"], (path, fx.FIFO, 0, state, None, False, None))


def lengths(victim: Victim, fields: dict[str, Any]) -> None:
    """Output that is longer than anything."""
    fields["segments"], fields["data"] = ((1, 1 << 62),), b"short"


def numbers(victim: Victim, fields: dict[str, Any]) -> None:
    """A status and a time that are none."""
    fields["status"], fields["wall"] = -9, float("nan")


def facts(victim: Victim, fields: dict[str, Any]) -> None:
    """Facts that cannot be compared."""
    fields["facts"] = ((b"/etc/\0passwd", asp.CONTENT, (1, 2), False),)


def trap(victim: Victim, fields: dict[str, Any]) -> None:
    """A look that would never end."""
    os.mkfifo(victim.work / "fifo")
    fields["facts"] = (*fields["facts"], (os.fsencode(victim.work / "fifo"), asp.PSEUDO, b"", False))


def way_round(victim: Victim, fields: dict[str, Any]) -> None:
    """The same by a link of /proc."""
    os.mkfifo(victim.work / "fifo")
    fifo = b"/proc/self/cwd/fifo"
    fields["facts"] = (*fields["facts"], (fifo, asp.PSEUDO, b"", False))


def bomb(victim: Victim, fields: dict[str, Any]) -> None:
    """Arrays in arrays in arrays."""
    value: Any = ()
    for _ in range(400):
        value = (value,)
    fields["facts"] = ((b"/x", asp.OWNER, value, False),)


def other(victim: Victim, fields: dict[str, Any]) -> None:
    """The record of another command."""
    exe, argv, *rest = fields["command"]
    fields["command"] = (exe, (*argv[:-1], b"echo other"), *rest)


def test_a_look_through_proc_does_not_wait(victim: Victim) -> None:
    victim.forge(way_round)
    assert victim.procache("check", "--", "sh", "-c", SCRIPT).returncode == 1
    assert victim.run() == "said\n"
    assert (victim.work / "out").read_text() == "real\n"


@pytest.mark.parametrize("change", [outside, dots, links, device, lengths, numbers, facts, trap, bomb, other])
def test_a_planted_record_is_refused_and_the_command_runs(
    victim: Victim, change: Callable[[Victim, dict[str, Any]], None]
) -> None:
    assert victim.run() == "said\n"
    victim.forge(change)
    check = victim.procache("check", "--", "sh", "-c", SCRIPT)
    assert (check.returncode, check.stderr) == (1, "")
    diagnosis = victim.procache("explain", "--", "sh", "-c", SCRIPT)
    assert (diagnosis.returncode, diagnosis.stderr) == (0, "")
    assert "what is stored for it is not used" in diagnosis.stdout
    assert victim.run() == "said\n"
    assert (victim.work / "out").read_text() == "real\n"
    assert (victim.outside / "file").read_text() == "outside"
    assert "what is stored for it is not used" in victim.procache("explain").stdout


def test_what_these_records_change_is_what_makes_them_refused(victim: Victim) -> None:
    """A record that only tells another result is believed: that is what the folder's mode is for."""

    def change(victim: Victim, fields: dict[str, Any]) -> None:
        fields["effects"] = (victim.effect(victim.work / "out"),)

    victim.forge(change)
    assert victim.run() == "said\n"
    assert (victim.work / "out").read_text() == "forged\n"


def test_a_store_that_everybody_may_write_to_is_not_used(victim: Victim) -> None:
    victim.cache.chmod(0o777)
    done = victim.procache("run", "--", "sh", "-c", SCRIPT)
    assert (done.returncode, done.stdout) == (0, "said\n")
    assert done.stderr.count("\n") == 1
    assert "others may write to the cache folder" in done.stderr
    assert victim.procache("explain", "--", "true").returncode == 125


@pytest.mark.parametrize("trap", ["FIFO", "link"])
def test_a_trap_in_the_place_of_each_file(victim: Victim, trap: str) -> None:
    """What members of a shared store can do: nothing waits, and nothing is written elsewhere."""
    assert victim.run() == "said\n"
    for folder, _, names in os.walk(victim.layout.root):
        for path in (os.path.join(folder, os.fsencode(name)) for name in names):
            os.unlink(path)
            if trap == "FIFO":
                os.mkfifo(path)
            else:
                os.symlink(victim.outside / "file", path)
    (victim.work / "out").unlink()
    done = victim.procache("run", "--", "sh", "-c", SCRIPT)
    assert (done.returncode, done.stdout) == (0, "said\n")
    assert (victim.work / "out").read_text() == "real\n"
    for words in (["stats"], ["log"], ["explain"], ["verify"], ["gc", "--max-size", "1"]):
        assert "Traceback" not in victim.procache(*words).stderr
    assert (victim.outside / "file").read_text() == "outside"
