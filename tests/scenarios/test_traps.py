"""Traps that procache fell into once: for each a first run, one change, and what a native run then does."""

from __future__ import annotations

import os
import subprocess

import pytest

from .lab import Lab

RENAME = "import os\ntry: os.rename('d','f')\nexcept OSError: print(open('f').read())"

READ_AND_WRITE = "python3 -c 'import os; os.read(0, 2); os.write(0, b\"x\")'"


def do(lab: Lab, script: str) -> None:
    """Change the folder; nobody watches."""
    subprocess.run(["sh", "-c", script], cwd=lab.work, check=True)


def case(lab: Lab, setup: str, first: str, change: str, then: str | None = None) -> None:
    """Set up, run, change and run again: every run must equal a native one from the same state."""
    do(lab, setup)
    lab.both(first)
    do(lab, change)
    lab.both(then or first)


CASES = {
    "a change that failed is none": ("mkdir d; echo one > f", f'python3 -c "{RENAME}"', "echo two > f"),
    "a folder renamed onto nothing, then onto a file": (
        "mkdir d1",
        "python3 -c \"import os; os.rename('d1','d2')\"",
        "rmdir d2; mkdir d1; echo f > d2",
    ),
    "two outputs that become one file": (
        "touch a; ln a b",
        "echo 1 > a; echo 2 > b",
        "rm a b",
    ),
    "an input that becomes another name of an output": (
        "echo old > a; echo old > b",
        "echo x > a; cat b",
        "rm a b; echo old > a; ln a b",
    ),
    "a folder renamed while it is the working folder": (
        "mkdir d; echo one > d/f",
        "cd d; mv ../d ../e; cat f",
        "mv e d; echo two > d/f",
    ),
    "a folder whose name looks deleted": (
        "mkdir 'd (deleted)'",
        "python3 -c \"import os; print(os.listdir('d (deleted)'))\"",
        "touch 'd (deleted)/2'",
    ),
    "a name below a descriptor": (
        "mkdir d; echo 1 > d/f",
        "exec 3<d; cat /proc/self/fd/3/f",
        "echo 2 > d/f",
    ),
    "the mode met by a program before it sets another": (":", "echo x > out; stat -c %a out; chmod 755 out", ":"),
    "the size of a file that is only stdin": ("echo 1 > f", "stat -c %s - < f", "echo 123 > f"),
    "a link's own time": (
        "ln -s t l; touch -h -d 2001-01-01 l",
        "stat -c %Y l",
        "touch -h -d 2002-01-01 l",
    ),
    "the number of links of a file that is read too": (
        "echo 1 > f",
        "python3 -c \"import os; print(os.stat('f').st_nlink, open('f').read())\"",
        "ln f g",
    ),
    "a time that is written into the output": ("echo 1 > f", "gzip -c f | od -c", "touch -d 2002-01-01 f"),
    "a folder under a descriptor": ("mkdir A B; echo 1 > A/f; echo 2 > B/f", "cat /dev/fd/3/f 3< A", "cp B/f A/f"),
    "a listing after a chmod": ("mkdir d", "chmod 755 d; ls d", "touch d/new"),
    "an open under a missing folder": (":", "dd if=/dev/null of=none/x", "touch none"),
    "a file that is read and written by one descriptor": (
        "printf '1\\n2\\n' > f",
        f"{READ_AND_WRITE} 0<> f; cat f",
        "printf '1\\n2\\n' > f",
        f"{READ_AND_WRITE} 0<> f; cat f # again",
    ),
    "a link under a file": ("touch d", "ln a d/a 2>&1; cat a", "echo 1 > a"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_trap(lab: Lab, name: str) -> None:
    case(lab, *CASES[name])


def test_one_stream_or_two(lab: Lab) -> None:
    lab.script("job", "#!/bin/sh\necho err >&2; echo out\n")
    lab.both("./job > log 2>&1; ./job > o 2> e; ./job > p 2>> p; ./job >> q 2>> q")
    lab.both("./job > o 2> e; ./job > log 2>&1")


def test_two_children_skipped_at_once_keep_their_statuses(lab: Lab) -> None:
    lab.script("big", "#!/bin/sh\nhead -c 300000 /dev/zero; exit 3\n")
    lab.script("small", "#!/bin/sh\necho small; exit 5\n")
    lab.write("t", "1\n")
    script = "(./big; echo big $? >&2) | (cat t; sleep 0.3; ./small; echo small $?; cat | wc -c)"
    lab.both(script)
    lab.rewrite("t", "2\n")
    lab.both(script)


@pytest.mark.parametrize("how", ["", ", preexec_fn=lambda: None", ", close_fds=False"])
def test_output_for_a_parent_that_waits_for_the_exec(lab: Lab, how: str) -> None:
    """By vfork(2), or by a pipe that the exec closes: only then does it read."""
    lab.script("big", "#!/bin/sh\nexec head -c 300000 /dev/zero\n")
    read_all = f"import subprocess as s; p = s.run('./big', stdout=s.PIPE{how}); print(p.returncode, len(p.stdout))"
    leave = f"import subprocess as s; p = s.Popen('./big', stdout=s.PIPE{how}); p.stdout.close(); print(p.wait())"
    for script in (read_all, leave):
        lab.both(["python3", "-c", script])
        assert lab.both(["python3", "-c", f"{script} # again"]).outcomes("big") == ["hit"]


def test_a_large_output_of_what_a_thread_becomes(lab: Lab) -> None:
    lab.script("big", "#!/bin/sh\nexec head -c 300000 /dev/zero\n")
    thread = "threading.Thread(target=os.execv, args=('./big', ['./big'])).start(); time.sleep(30)"
    script = 'python3 -c "import os, threading, time; {}" | (sleep 0.3; wc -c)'
    lab.both(script.format(thread))
    assert "hit" in lab.both(script.format(f"{thread} # again")).outcomes("big")


def test_the_times_of_the_folders_above_are_nothing_to_bash(lab: Lab) -> None:
    lab.env["PWD"] = str(lab.work)  # which bash follows when it starts
    lab.write("in", "1\n")
    assert lab.both(["bash", "-c", "sort in"]).root.outcome == "miss"
    (lab.root / "new").touch()
    assert lab.both(["bash", "-c", "sort in"]).root.outcome == "hit"


def test_the_time_of_a_folder_that_a_shell_lists_is_nothing_to_it(lab: Lab) -> None:
    do(lab, "mkdir d; touch d/a")
    assert lab.both("echo d/*").root.outcome == "miss"
    do(lab, "touch d/b; rm d/b")
    assert lab.both("echo d/*").root.outcome == "hit"
    do(lab, "touch d/b")
    assert lab.both("echo d/*").out == b"d/a d/b\n"


def test_a_stop_and_its_end_inside_the_tree(lab: Lab) -> None:
    lab.both("(sleep 0.3; kill -CONT $$) & kill -STOP $$; echo resumed")


def test_a_dry_run_of_make_makes_nothing(lab: Lab) -> None:
    lab.write("Makefile", "all:\n\t@$(MAKE) -s -C sub\n")
    lab.write("sub/Makefile", "../out/x: Makefile\n\techo made > ../out/x\n")
    lab.path("out").mkdir()
    lab.both("make -s")
    lab.remove("out/x")
    lab.both("make -s -n")
    assert not lab.path("out/x").exists()


def test_a_call_of_another_architecture_in_a_native_program(lab: Lab) -> None:
    lab.write("low.c", LOW)
    do(lab, "gcc -o low low.c")
    for _ in range(2):
        assert lab.both("./low").root.outcome == "uncacheable"
        lab.remove("made80")


LOW = r"""
#include <string.h>
#include <sys/mman.h>
int main(void) {
    char *low = mmap((void *)0x10000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    long done;
    strcpy(low, "made80");
    __asm__ volatile("int $0x80" : "=a"(done) : "a"(8), "b"(low), "c"(0644) : "memory");
    return done < 0;
}
"""


def test_a_program_with_a_filter_of_its_own_is_left_alone(lab: Lab) -> None:
    lab.write("own.c", OWN)
    do(lab, "gcc -o own own.c")
    assert lab.both("./own").root.outcome == "uncacheable"


OWN = r"""
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    struct sock_filter f[] = {
        {0x20, 0, 0, 0}, {0x15, 0, 1, __NR_seccomp}, {6, 0, 0, 0x80000000}, {6, 0, 0, 0x7fff0000},
    };
    struct sock_fprog p = {4, f};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, 2, &p);
    write(dup(1), "ok\n", 3);
    return 0;
}
"""


def test_what_outlives_its_parent_is_replayed_as_a_whole_run_only(lab: Lab) -> None:
    inner = "(sleep 0.3; echo late > f) > /dev/null 2>&1 & echo now"
    assert [lab.run(["sh", "-c", inner]).root.outcome for _ in range(2)] == ["miss", "hit"]
    lab.remove("f")
    run = lab.run(f"sh -c '{inner}'; echo next")
    assert [execution.outcome for execution in run.of("sh") if execution.parent is not None] == ["uncacheable"]


def test_a_signal_for_the_command_reaches_it(lab: Lab) -> None:
    """A supervisor signals procache: the command's own trap answers."""
    script = "trap 'echo got; exit 7' USR1; kill -USR1 $(cut -d' ' -f4 /proc/$$/stat); sleep 5; echo missed"
    run = lab.run(script)
    assert (run.status, run.out) == (7, b"got\n") or os.environ.get("PROCACHE_TEST_CMD")


def test_a_folder_that_was_missing_for_many_programs_comes(lab: Lab) -> None:
    """Looks below it come to the same again and again, until the command itself makes it, or somebody else has."""
    look = "steps stat d/x stat d/y stat d/e/f open d/x r"
    script = f"{look}; {look}; {look}; mkdir d; {look}; {look}; {look}; mkdir d/e; echo 1 > d/x; {look}; {look}; {look}"
    fresh = lab.save()
    lab.both(script)
    for made in ("d", "d/e"):
        lab.restore(fresh)
        lab.path(made).mkdir(parents=True)
        lab.both(script)
    lab.restore(fresh)
    lab.both(f"ln -s e l; mkdir e; {look}; {look}; {look}; ln -P l d; {look}; {look}; {look}; : > e/x; {look}; {look}")
    for content in ("2\n", "3\n"):
        lab.restore(fresh)
        lab.write("d/x", content)
        lab.both(f"{look}; {look}; {look}")
    lab.restore(fresh)
    assert lab.both(script).root.outcome == "hit"
