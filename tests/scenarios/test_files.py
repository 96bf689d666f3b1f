"""Every way to make, change and remove files: a first run and a replay must leave the same tree."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .cycle import cycle
from .lab import Lab, steps

WAYS = {
    "raxml's way: closed and opened again": "open info wct write a close open info wa write b close cat info",
    "create, read back, rewrite": "open x wct write one close cat x open x wct write two close",
    "create, rename, rename": "open x wct write a close rename x y rename y z",
    "create, rename, create again": "open x wct write a close rename x y open x wct write b close",
    "unlink and create again": "unlink old open old wcx write new close",
    "unlink an input after reading it": "cat old unlink old",
    "rename over an existing file": "open x wct write new close rename x old",
    "rename an existing file away": "rename old moved",
    "rename an existing file away and back": "rename old moved rename moved old cat old",
    "exchange two files": "exchange old other",
    "rename an existing folder": "rename folder moved",
    "rename into a new folder": "mkdir d rename old d/old",
    "append, delete, create": "open old wa write x close unlink old open old wct write y close",
    "append to an existing file": "open old wa write more",
    "overwrite a part": "open old b pwrite 2 XX",
    "overwrite what was read": "open old b read 2 write XX close cat old",
    "truncate by name": "truncate old 2",
    "truncate by descriptor": "open old w ftruncate 3",
    "lengthen": "truncate old 100",
    "a file with holes": "open x wct pwrite 1000000 end",
    "write before truncating": "open old w write abc close open old wt write d",
    "an empty file": "open x wct",
    "create exclusively": "open x wcx write a close open x wcx",
    "a shared mapping of a new file": "open x bct mapwrite 3 mapped",
    "a shared mapping of an old file": "open old b mapwrite 1 M",
    "O_TMPFILE and linkat": "open . Tw write unnamed linkfd x",
    "O_TMPFILE that stays unnamed": "open . Tw write unnamed close",
    "memfd": "memfd write text seek 0 read 4 close say done",
    "a file that does not survive": "open x wct write a close cat x unlink x",
    "a file written after it was unlinked": "open x bct unlink x write a seek 0 read 1",
    "a file written after it was renamed": "open x wct rename x y write late",
    "a mode of its own": "umask 027 open x wct fchmod 751 close mkdir d chmod 1777 d",
    "a private mode": "umask 077 open x wct write a mkdir d",
    "chmod of an input": "cat old chmod 600 old",
    "a set-user-id file": "open x wct write a close chmod 4755 x",
    "read only": "open x wct write a close chmod 400 x",
    "mkdir, file in it, rmdir of another": "mkdir d open d/x wct write a close rmdir empty",
    "mkdir and rmdir": "mkdir d mkdir d/e rmdir d/e rmdir d",
    "rmdir and mkdir": "rmdir empty mkdir empty open empty/x wct write a",
    "folders named with a slash behind": "mkdir d/ open d/x wct write a close rename d/ e// rmdir empty/",
    "mkdir of what exists": "mkdir folder say tried",
    "nested folders": "mkdir a mkdir a/b mkdir a/b/c open a/b/c/x wct write deep",
    "a symlink": "symlink nowhere x symlink old y cat y",
    "a symlink replaced": "unlink link symlink other link cat link",
    "writing through a symlink": "open link wct write through",
    "a symlink to a folder": "symlink folder x open x/new wct write a",
    "removing through a symlink to a folder": "symlink folder x unlink x/inside",
    "a hard link": "link old x",
    "a hard link to a new file": "open x wct write a close link x y open y wa write b",
    "one of two hard links written": "open twin1 wct write changed",
    "one of two hard links removed": "unlink twin1",
    "a file that takes the place of a folder": "rmdir empty open empty wct write a",
    "a folder that takes the place of a file": "unlink old mkdir old open old/x wct write a",
    "copy_file_range": "open x wct copyrange other",
    "sendfile": "open x wct sendfile other",
    "splice": "open x wct splice other",
    "dup": "open x wct dup 3 write a fd 3 write b",
    "chdir": "chdir folder open x wct write a close chdir .. open y wct write b cwd",
    "fchdir": "open folder rd fchdir open x wct write a close cat inside",
    "a parent's folder, by dots": "chdir folder open ../x wct write a close open ../folder/../y wct",
    "by a thread": "open before wct thread open x wct write a close rename x y",
    "by a fork": "open x wct write a fork write b open y wct write c close unlink other",
    "a thread writes what was opened before it": "open x wct thread write a fork write b thread write c",
    "a failed open for writing": "open none/x wct open old/x wct open folder wc",
}


def prepare(lab: Lab) -> None:
    """The files that the steps start from."""
    lab.write("old", "old content\n")
    lab.write("other", "other content\n")
    lab.write("folder/inside", "in the folder\n")
    lab.path("empty").mkdir()
    lab.path("link").symlink_to("folder/inside")
    lab.write("twin1", "twins\n")
    os.link(lab.path("twin1"), lab.path("twin2"))


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_change_files(lab: Lab, way: str) -> None:
    prepare(lab)
    lab.write("in", "1\n")
    hit = None if "mapping" in way or "hard link" in way else True
    cycle(lab, steps(f"cat in {WAYS[way]}"), hit=hit, change=lambda: lab.rewrite("in", "2\n"))


@pytest.mark.parametrize("way", ["sh", "child of sh"])
def test_a_new_file_is_restored_alone(lab: Lab, way: str) -> None:
    """The outputs of a command are deleted or damaged one by one; what is right stays as it is."""
    lab.write("in", "1\n")
    inner = "steps cat in open a wct write A close open b wct write B close"
    cmd = inner if way == "sh" else f"sh -c '{inner}; steps cat a'; echo end"
    done = lab.both(cmd)
    kept = lab.path("a").stat()

    def link() -> None:
        lab.remove("b")
        lab.path("b").symlink_to("a")

    damages: list[Callable[[], object]] = [
        lambda: lab.remove("b"),
        lambda: lab.write("b", "X"),
        lambda: lab.write("b", "longer than it was"),
        lambda: lab.path("b").chmod(0o600),
        link,
    ]
    for damage in damages[:3]:
        damage()
        run = lab.run(cmd)
        assert (run.root.outcome, run.after.entries) == ("hit", done.after.entries)
    assert lab.path("a").stat().st_mtime_ns == kept.st_mtime_ns, "what was right is left alone"
    for damage in damages[3:]:
        damage()
        lab.both(cmd)


@pytest.mark.parametrize("to", ["> out", ">> out"])
def test_an_output_with_other_names_or_behind_a_link(lab: Lab, to: str) -> None:
    lab.write("in", "new\n")
    lab.write("out", "before\n")
    os.link(lab.path("out"), lab.path("twin"))
    lab.path("link").symlink_to("behind")
    lab.write("behind", "behind\n")
    script = f"cat in {to}; cat in {to.replace('out', 'link')}"
    cycle(lab, script, hit=None, change=lambda: lab.rewrite("in", "NEW\n"))


def test_times_that_the_program_sets_are_restored_exactly(lab: Lab) -> None:
    prepare(lab)
    lab.write("in", "1\n")
    cmd = steps(
        "cat in open x wct write a futime 1000000000 close utime old 1234567890 "
        "mkdir d utime d 1111111111 symlink old l"
    )
    cycle(lab, cmd, times=("x", "old", "d"), change=lambda: lab.rewrite("in", "2\n"))


def test_times_that_are_copied(lab: Lab) -> None:
    lab.write("in", "1\n")
    os.utime(lab.path("in"), (1234567890, 1234567890))
    script = "cp -p in copy; touch -d @99 other; cat in"
    cycle(lab, script, times=("copy", "other"), change=lambda: lab.rewrite("in", "2\n"))


def test_a_time_that_is_set_again_is_not_left_to_the_replay(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "steps open x wct utime x 1000; steps cat in; touch -d @5000 x"
    cycle(lab, script, times=("x",), job="steps cat", change=lambda: lab.rewrite("in", "2\n"))


def test_a_time_that_is_set_before_another_program_changes_the_rest(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "touch -d @99 in new; cat in > out; touch -d @98 out; chmod 600 in new; steps setxattr out user.made here"
    cycle(lab, script, times=("in", "new", "out"), change=lambda: lab.rewrite("in", "2\n"))


def test_a_time_that_is_set_before_a_file_has_a_name(lab: Lab) -> None:
    lab.write("in", "1\n")
    cmd = steps("cat in open . Tw write unnamed futime 1000000000 linkfd x")
    cycle(lab, cmd, times=("x",), change=lambda: lab.rewrite("in", "2\n"))


def test_a_folder_of_files_in_memory(programs: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        lab = Lab(Path(folder), programs)
        lab.write("in", "1\n")
        os.utime(lab.path("in"), (1234567890, 1234567890))
        script = "cp -p in copy; steps open new wct write a futime 1000000000 fchmod 751; steps open in r fchmod 600"
        cycle(lab, script, times=("copy", "new"), change=lambda: lab.rewrite("in", "2\n"))


def test_extended_attributes(lab: Lab) -> None:
    lab.write("in", "1\n")
    try:
        os.setxattr(lab.path("in"), "user.colour", b"red")
    except OSError:
        pytest.skip("this file system has no extended attributes for users")
    cmd = steps("getxattr in user.colour open x wct setxattr x user.made here")
    cycle(lab, cmd, hit=None, change=lambda: os.setxattr(lab.path("in"), "user.colour", b"blue"))


def test_a_fifo_inside_the_command(lab: Lab) -> None:
    lab.write("in", "1\n")
    script = "mkfifo p; cat in > p & cat p > out; wait; rm p"
    cycle(lab, script, hit=None, change=lambda: lab.rewrite("in", "2\n"))
    cycle(lab, steps("mkfifo left cat in"), hit=None, change=lambda: lab.rewrite("in", "3\n"))


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline", b" blank ", b"-dash", "ü".encode(), b"x" * 255])
def test_odd_names_and_arguments(lab: Lab, name: bytes) -> None:
    lab.write(name, "1\n")
    cmd = [
        b"steps",
        b"cat",
        name,
        b"open",
        name + b"2" if len(name) < 255 else b"out",
        b"wct",
        b"write",
        name,
    ]
    cycle(lab, cmd, change=lambda: lab.write(name, "2\n"), again=True)
    lab.both([*cmd, b"say", b"\xff\xfe"])
    assert lab.both([*cmd, b"say", b"\xff\xff"]).root.outcome == "miss"


def test_a_time_set_by_another_name_of_a_file(lab: Lab) -> None:
    lab.write("in", "1")
    way = "open('a', 'w').write(open('in').read()); os.link('a', 'b'); os.utime('b', (1e9, 1e9)); os.link('b', 'c')"
    command = ["python3", "-c", f"import os; {way}"]
    cycle(lab, command, change=lambda: lab.rewrite("in", "2"), times=("a", "b", "c"))


def test_an_acl_that_is_inherited_from_a_folder_of_the_same_execution(lab: Lab) -> None:
    lab.write("in", "1")
    entries = [(1, 7, -1), (2, 7, 1), (4, 5, -1), (0x10, 7, -1), (0x20, 5, -1)]  # u::rwx u:1:rwx g::r-x m::rwx o::r-x
    acl = (2).to_bytes(4, "little") + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    script = (
        f"import os; os.mkdir('d'); os.setxattr('d', 'system.posix_acl_default', {acl!r}); os.mkdir('d/e');"
        "open('d/e/f', 'w').write(open('in').read()); os.symlink('f', 'd/e/l')"
    )
    try:
        os.setxattr(lab.root, "system.posix_acl_default", acl)
        os.removexattr(lab.root, "system.posix_acl_default")
    except OSError:
        pytest.skip("a file system without ACLs")
    cycle(lab, ["python3", "-c", script], change=lambda: lab.rewrite("in", "2"))
    assert os.getxattr(lab.path("d/e/f"), "system.posix_acl_access")
