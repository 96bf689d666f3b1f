"""Programs that people use, each led through the life of a scenario (see ``cycle``): every run as a native one."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

import pytest

from .cycle import cycle
from .lab import Lab

TREE = """
mkdir -p src/d; echo one > src/f; printf '3\\n1\\n2\\n' > src/d/g; ln -s f src/l; ln src/f src/h
chmod 640 src/d/g; touch -d 2001-02-03T04:05:06.789 src/f
"""
OLD = "touch -d 1999-01-01"
LINES = "printf '3 c\\n1 a\\n2 b\\n1 a\\n' > in"

FIXED = "GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'"
GIT = f"""
export {FIXED} GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
"""
# The index holds inode numbers and times of change, in which two native runs differ.
NO_INDEX = "rm .git/index"

MAKEFILE = r"""
cat > Makefile <<'END'
all: a.o b.o c.o
%.o: %.c h.h
	@cat $< h.h > $@
sub:
	+@$(MAKE) -s all
END
for n in a b c; do echo $n > $n.c; done; echo h > h.h
"""
C_FILES = r"""
echo '#define N 2' > h.h
cat > main.c <<'END'
#include <stdio.h>
#include <math.h>
#include "h.h"
int main(void) { printf("%g\n", sqrt(N)); return 0; }
END
cat > main.cc <<'END'
#include <iostream>
#include "h.h"
int main() { std::cout << N << std::endl; }
END
cat > CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.10)
project(p C)
add_executable(app main.c)
target_link_libraries(app m)
END
"""
LARGER = "echo '#define N 9' > h.h"
GCC = "gcc -O1 -c main.c && gcc -o main main.o -lm && ./main && gcc -M main.c | tr ' ' '\\n' | grep -c h$"
CMAKE = """
cmake -S . -B build -G Ninja > log && ninja -C build >> log && build/app && cp build/app . && rm -r build log
"""
AWK = """
awk '{ n[$1]++; print $2 > $1 ".txt" } END { for (k in n) print k, n[k] | "sort" }' in
"""
XARGS = """
printf '%s\\n' f d/g h | xargs -P 3 -I{} sh -c 'mkdir -p out; sort src/{} > out/$(basename {})'
"""
PERL = """
perl -MFile::Copy -MPOSIX -ne 'print if /a/; END { copy("in", "out"); print floor(2.5), "\\n" }' in
"""
BASH = """
bash -c 'set -m; sort in > a & sort -r in > b & wait; (exit 3) & wait $!; echo $?; cat a b' 2> /dev/null
"""
BUSYBOX = "busybox sh -c 'busybox sort src/d/g | busybox uniq -c; busybox tar c src | busybox tar t'"
PARALLEL = "parallel --will-cite -k -j2 'sort src/{} > {#}.out; wc {#}.out' ::: f d/g"
SQL = "create table t (a); insert into t values (1), (2);"
SQLITE = "sqlite3 db < in.sql; sqlite3 db 'update t set a = a + 1; select sum(a) from t;'"
COMMIT = f"{GIT} git init -q -b main; git add src; git commit -qm one; git status --short; git log --stat; {NO_INDEX}"
BRANCHES = f"""
{TREE} rm src/h; {GIT} git init -q -b main; git add src; git commit -qm one
git checkout -q -b two; echo 2 > src/f; git commit -qam two
"""
CHECKOUT = f"{GIT} git checkout -q main; git status --short; git diff two; cat src/f; {NO_INDEX}"


class Case(NamedTuple):
    """A program: what is there, what is run, and what is changed then."""

    setup: str
    command: str
    change: str
    times: tuple[str, ...] = ()
    hit: bool | None = True
    """Whether the run after the outputs are removed must be a hit. None: it need not be, where the program looks at
    times of folders outside (cmake, git, rsync), at the load of the machine (parallel), or keeps its own cache."""
    relevant: bool = True


CASES = {
    "cp": Case(TREE, "cp -a src dst", "echo 2 > src/f", ("dst/f", "dst/d", "dst/l")),
    "install": Case(TREE, "install -d out/lib; install -m 750 -D src/f out/bin/f", "echo 2 > src/f"),
    "sort": Case(LINES, "sort -r in > out; sort -u in -o in2; sort -n -k1,1 -s in", "echo 0 z >> in"),
    "split": Case(LINES, "split -l 3 in part.", "echo 0 z >> in"),
    "tee": Case(LINES, "tee a b < in; cat in | tee -a b > c", "echo 0 z >> in"),
    "dd": Case(f"{LINES}; cp in out", "dd if=in of=out bs=1 seek=5 count=4 conv=notrunc status=none", "echo x > in"),
    "shred": Case(LINES, "shred -n 1 -z in", "echo x >> in", hit=False, relevant=False),
    "mv": Case(f"{TREE} rm src/h", "mv src/f moved; mv src/d other; mv -n src/l moved", "echo 2 > src/f"),
    "ln": Case(f"{TREE} rm src/h", "ln src/f a; ln -s f b; ln -sf g b; ln -f src/d/g c", "echo 2 > src/d/g"),
    "touch": Case(TREE, "touch -d 2002-02-02 new; touch -r src/f ref; stat -c %Y ref", f"{OLD} src/f", ("new", "ref")),
    "stat": Case(TREE, "stat -c '%n %s %a %h %F %Y' src/f src/l src/d", f"{OLD} src/f"),
    "ls": Case(TREE, "ls -lR --time-style=full-iso src", f"{OLD} src/f"),
    "du": Case(TREE, "du -ab src", "echo more >> src/f"),
    "df": Case("true", "df --output=target .", "touch x", hit=False, relevant=False),
    "tar": Case(TREE, "tar cf out.tar src; mkdir x; tar xpf out.tar -C x", "chmod 600 src/f", ("x/src/f", "x/src/d/g")),
    "gzip": Case(LINES, "gzip -k in; gzip -dc in.gz > copy", "echo x >> in", ("in.gz",)),
    "zip": Case(TREE, "zip -q -X -r -y out.zip src", f"{OLD} src/f"),
    "sed": Case(LINES, "sed -i.bak s/a/A/ in; sed -n 2p in", "echo 1 a >> in"),
    "awk": Case(LINES, AWK, "echo 1 q >> in"),
    "find": Case(f"{TREE} touch -d 2000-01-01 r", "find src -newer r -type f | sort", f"{OLD} src/f"),
    "xargs": Case(TREE, XARGS, "echo 2 > src/f"),
    "make": Case(MAKEFILE, "make -j3 -s sub", "echo 2 > b.c"),
    "gcc": Case(C_FILES, GCC, LARGER),
    "g++": Case(C_FILES, "g++ -o m main.cc && ./m", LARGER),
    "ccache": Case(C_FILES, "CCACHE_DIR=$HOME/ccache ccache gcc -c main.c -o main.o", LARGER, hit=None),
    "cmake": Case(C_FILES, CMAKE, LARGER, hit=None),
    "git": Case(TREE, COMMIT, "echo 2 > src/f", hit=None),
    "git checkout": Case(BRANCHES, CHECKOUT, "echo new > src/new", hit=None),
    "perl": Case(LINES, PERL, "echo 4 a >> in"),
    "python": Case(
        "mkdir p; echo 'from . import b' > p/__init__.py; echo 'N = 1' > p/b.py",
        "python3 -c 'import json, sqlite3, p; print(json.dumps(p.b.N))'",
        "echo 'N = 22' > p/b.py",
    ),
    "venv": Case(
        "echo 1 > in", "python3 -m venv --without-pip v && v/bin/python -c 'print(open(\"in\").read())'", "echo 2 > in"
    ),
    "sqlite3": Case(f"echo '{SQL}' > in.sql", SQLITE, "echo 'insert into t values (5);' >> in.sql"),
    "rsync": Case(TREE, "rsync -a src/ dst/", "echo 2 > src/f", ("dst/f", "dst/d/g"), hit=None),
    "bash": Case(LINES, BASH, "echo 5 >> in"),
    "busybox": Case(TREE, BUSYBOX, "echo 9 >> src/d/g"),
    "parallel": Case(TREE, PARALLEL, "echo 9 >> src/d/g", hit=None),
}
NEEDS = {"cmake": ("cmake", "ninja"), "git checkout": ("git",), "python": ("python3",), "venv": ("python3",)}


@pytest.mark.parametrize("name", CASES)
def test_a_program(lab: Lab, name: str) -> None:
    case = CASES[name]
    if absent := [need for need in NEEDS.get(name, (name,)) if shutil.which(need) is None]:
        pytest.skip(f"{absent[0]} is not installed")

    def run(script: str) -> None:
        subprocess.run(["sh", "-c", script], cwd=lab.work, env=lab.env, check=True)

    run(case.setup)
    cycle(lab, case.command, change=lambda: run(case.change), hit=case.hit, relevant=case.relevant, times=case.times)
