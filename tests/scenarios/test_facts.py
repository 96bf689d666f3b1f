"""What a command has looked at: each single thing that changes must be noticed, and no more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .cycle import cycle
from .lab import Lab, steps

Change = Callable[[Lab], object]


def _to_symlink(lab: Lab) -> None:
    lab.remove("in")
    lab.path("in").symlink_to("b/x")


def _retarget(name: str, to: str) -> Change:
    def change(lab: Lab) -> None:
        lab.remove(name)
        lab.path(name).symlink_to(to)

    return change


def _replace(name: str, content: str | None) -> Change:
    """Another file in its place, or a folder for no content."""

    def change(lab: Lab) -> None:
        lab.remove(name)
        if content is None:
            lab.path(name).mkdir()
        else:
            lab.write(name, content)

    return change


def _swap_folder(lab: Lab) -> None:
    lab.path("a").rename(lab.path("away"))
    lab.path("a").symlink_to("b")


LOOKS: dict[str, tuple[str, Change]] = {
    "the content, with size and times as before": ("cat in", lambda lab: lab.rewrite("in", "IN\n")),
    "the content of another size": ("cat in", lambda lab: lab.write("in", "longer\n")),
    "a file that is emptied": ("cat in", lambda lab: lab.write("in", "")),
    "a file that goes away": ("cat in", lambda lab: lab.remove("in")),
    "a file that becomes a folder": ("cat in", _replace("in", None)),
    "a file that becomes a symlink": ("lstat in", _to_symlink),
    "a listed folder gets a file": ("ls a", lambda lab: lab.write("a/new")),
    "a listed folder loses a file": ("ls a", lambda lab: lab.remove("a/x")),
    "a listed folder has a file renamed": ("ls a", lambda lab: lab.path("a/x").rename(lab.path("a/y"))),
    "the listed working folder gets a file": ("ls .", lambda lab: lab.write("new")),
    "a name in a listed folder becomes a folder": ("ls a stat a/x", _replace("a/x", None)),
    "a missing file appears": ("open none r", lambda lab: lab.write("none")),
    "a missing file appears after a failed stat": ("stat none", lambda lab: lab.write("none")),
    "a missing file appears after a failed lstat": ("lstat none", lambda lab: lab.write("none")),
    "a missing file appears after a failed access": ("access none", lambda lab: lab.write("none")),
    "a missing file appears after a failed readlink": ("readlink none", lambda lab: lab.write("none")),
    "a missing file appears after a failed unlink": ("unlink none", lambda lab: lab.write("none")),
    "a missing file appears after a failed rename": ("rename none x", lambda lab: lab.write("none")),
    "a missing file appears after a failed chmod": ("chmod 600 none", lambda lab: lab.write("none")),
    "a missing folder appears": ("open none/x r", lambda lab: lab.write("none/x")),
    "a missing folder appears, after a failed chdir": (
        "chdir none cwd",
        lambda lab: lab.path("none").mkdir(),
    ),
    "a missing folder appears, before a failed create": (
        "open none/x wct",
        lambda lab: lab.path("none").mkdir(),
    ),
    "a folder takes the place of an output": ("open out wct write x", lambda lab: lab.path("out").mkdir()),
    "the name of an output is taken by a folder": (
        "open out wcx write x",
        lambda lab: lab.path("out").mkdir(),
    ),
    "the name of a folder to be made is taken": ("mkdir d", lambda lab: lab.write("d")),
    "a folder to be removed is not empty any more": ("rmdir empty", lambda lab: lab.write("empty/x")),
    "a symlink is retargeted": ("cat link", _retarget("link", "b/x")),
    "a symlink is retargeted and only read": ("readlink link", _retarget("link", "b/x")),
    "a symlink in the middle of a path is retargeted": ("cat folder/x", _retarget("folder", "b")),
    "a symlink to a symlink is retargeted": ("cat chain", _retarget("link", "b/x")),
    "a symlink to a missing file, which appears": ("cat dangling", lambda lab: lab.write("none", "1")),
    "a symlink in the way of O_NOFOLLOW goes": ("open link rn read 5", _replace("link", "x")),
    "a symlink becomes what it leads to": ("lstat link", _replace("link", "x")),
    "a symlinked folder to write into is retargeted": ("open folder/new wct", _retarget("folder", "b")),
    "a symlink to write through is retargeted": ("open link wct write x", _retarget("link", "b/x")),
    "a symlink, and a file through dots behind it": ("cat folder/../in", _retarget("folder", "deep/down")),
    "a folder in the middle is replaced by a symlink": ("cat a/x", _swap_folder),
    "the mode of a file": ("stat in", lambda lab: lab.path("in").chmod(0o600)),
    "the mode of a folder": ("stat a", lambda lab: lab.path("a").chmod(0o700)),
    "the owner of a file": ("sh 'stat -c %u in'", lambda lab: os.chown(lab.path("in"), 12345, 0)),
    "the size of a file that is only looked at": ("stat in", lambda lab: lab.write("in", "longer\n")),
    "the type of a file that is only looked at": ("stat in", _replace("in", None)),
    "the number of its links": ("sh 'stat -c %h in'", lambda lab: os.link(lab.path("in"), lab.path("in2"))),
    "the type of a file system": ("statfs folder", _retarget("folder", "/dev/shm")),
    "a file behind a chdir": ("chdir a cat x", lambda lab: lab.write("a/x", "new\n")),
    "a file behind a chdir in a thread": ("thread chdir a cat x", lambda lab: lab.write("a/x", "new\n")),
    "a file behind a chdir in a fork": ("fork chdir a cat x", lambda lab: lab.write("a/x", "new\n")),
    "a file behind an fchdir": ("open a rd fchdir cat x", lambda lab: lab.write("a/x", "new\n")),
    "a file that is truncated in part": ("truncate in 1", lambda lab: lab.write("in", "X\n")),
    "a file that is appended to": ("open in wa write x", lambda lab: lab.write("in", "other\n")),
    "a file that is overwritten in part": ("open in w pwrite 1 X", lambda lab: lab.write("in", "other\n")),
    "a file that is renamed": ("rename in out", lambda lab: lab.write("in", "other\n")),
    "a file that is linked": ("link in out", lambda lab: lab.write("in", "other\n")),
    "a file that is read by a shared mapping": (
        "open in b mapwrite 0 X cat in",
        lambda lab: lab.write("in", "ot\n"),
    ),
    "a folder that is renamed, with what is in it": (
        "rename a moved",
        lambda lab: lab.write("a/x", "other\n"),
    ),
}


@pytest.fixture
def world(lab: Lab) -> Lab:
    """A lab with the files that the looks start from."""
    for name in ("in", "a/x", "b/x", "deep/in", "deep/down/x"):
        lab.write(name, f"{name}\n")
    lab.path("empty").mkdir()
    for name, to in {"link": "a/x", "folder": "a", "chain": "link", "dangling": "none"}.items():
        lab.path(name).symlink_to(to)
    return lab


#: Here a replay can do the same to a changed file as a run would: a hit is right if the result is.
HARMLESS = ("a file that is renamed", "a file that is linked", "a folder that is renamed, with what is in it")


@pytest.mark.parametrize("look", LOOKS)
def test_a_change_is_noticed(world: Lab, look: str) -> None:
    text, change = LOOKS[look]
    if "owner" in look and os.geteuid() != 0:
        pytest.skip("only root may change the owner of a file")
    hit = None if "mapping" in look else True
    script = f'steps {text} > log; cat log; echo "status $?"'
    cycle(world, script, job="steps", hit=hit, free=look in HARMLESS, change=lambda: change(world))


IRRELEVANT: dict[str, tuple[str, Change]] = {
    "an input is touched": ("cat in", lambda lab: os.utime(lab.path("in"), (1, 1))),
    "an input is written anew with the same content": ("cat in", _replace("in", "in\n")),
    "a folder on the way gets another file": ("cat a/x", lambda lab: lab.write("a/other")),
    "another file changes": ("cat in", lambda lab: lab.write("b/x", "new\n")),
    "an output exists already": ("open out wct write x", lambda lab: lab.write("out", "old and longer")),
    "a folder on the way is touched": ("cat a/x", lambda lab: os.utime(lab.path("a"), (1, 1))),
    "a file in a folder on the way goes": ("cat a/x", lambda lab: lab.remove("b/x")),
    "a listed folder has a file rewritten": ("ls a", lambda lab: lab.write("a/x", "new\n")),
}


@pytest.mark.parametrize("look", IRRELEVANT)
def test_what_has_no_influence_is_no_reason_to_run(world: Lab, look: str) -> None:
    text, change = IRRELEVANT[look]
    assert world.both(steps(text)).root.outcome == "miss"
    if "out" in text:
        world.remove("out")
    change(world)
    assert world.both(steps(text)).root.outcome == "hit"


@pytest.mark.parametrize(
    "cmd", ["stat -c %Y in", "ls --full-time in", "find in a -newer mark", "make -s", "cp -p in out"]
)
def test_programs_that_depend_on_times(world: Lab, cmd: str) -> None:
    world.write("Makefile", "all: made\nmade: in\n\tcat in > made\n\techo made\n")
    world.write("mark")
    world.write("made", "in\n")
    times = {"Makefile": 1, "a/x": 1000, "a": 1000, "mark": 1500, "made": 1900, "in": 2000, ".": 1000}
    for name, time in times.items():
        os.utime(world.path(name), (time, time))
    copied = cmd.startswith("cp")
    cycle(
        world,
        cmd.split(),
        times=("out",) if copied else (),
        relevant=not copied,  # it shows in a time only
        change=lambda: os.utime(world.path("in"), (1200, 1200)),
    )


def test_an_input_outside_the_working_folder(world: Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("1\n")
    cycle(world, f"steps cat {outside}", job="steps", change=lambda: outside.write_text("2\n"), names="outside")
