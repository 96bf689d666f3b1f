"""Several at once: siblings, other hands, other runs. Each case has a certain result, whoever is faster."""

from __future__ import annotations

from ..case import Case, Hit
from ..make import case, content, steps

IN = "echo one > in"
GO, READY = (f"while [ ! -e {name} ]; do sleep 0.02; done" for name in ("go", "ready"))
R, A, F = Hit.REQUIRED, Hit.ALLOWED, Hit.FORBIDDEN


def hand(what: str) -> str:
    """Another hand, outside of the cacher: when ``ready`` is there it does something, and makes ``go``."""
    wait = "n=0; while [ ! -e ready ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n + 1)); done"
    return f'({wait}; {what}; : > go) & "$@"; end=$?; wait; rm -f ready go; exit $end'


def waits(before: str, after: str) -> str:
    """A command that makes ``ready``, and waits for ``go`` before it goes on."""
    return f"{before}; : > ready; while [ ! -e go ]; do sleep 0.02; done; {after}"


def meddled(name: str, what: str, before: str, after: str, **more: object) -> Case:
    """What another hand does in the middle of a run belongs to no state of the folder that can be named."""
    given, hit = str(more.pop("given", IN)), more.pop("change", F)
    return case(
        f"concurrency/{name}", waits(before, after), given, content(hit=hit), around=hand(what), hit=F, below=F, **more
    )


CASES = (
    case(
        "concurrency/two write one file",
        "steps open shared w sleep 150 pwrite 0 A sleep 150 & steps open shared w sleep 150 pwrite 4 B sleep 150 & wait; cat in",
        f"{IN}; printf ........ > shared",
        content(),
        hit=A,
        quick=True,
    ),
    case(
        "concurrency/two append to one log",
        "(steps sleep 50 say x sleep 200 >> log) & (steps sleep 50 say x sleep 200 >> log) & wait; cat log in",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/one reads what another writes",
        f"(printf 1; : > ready; {GO}; printf 2) > f & {READY}; cat f; : > go; wait; cat f in; rm ready go",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/one waits for another by a file",
        "(sleep 0.1; cat in > made) & while [ ! -s made ]; do sleep 0.02; done; cat made; wait",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/one waits for another by a FIFO", "mkfifo f; cat in > f & cat f; wait; rm f", IN, content(), hit=A
    ),
    case(
        "concurrency/one makes and removes what another lists",
        f"mkdir d; (: > d/1; : > ready; {GO}; rm d/1) & {READY}; ls d; : > go; wait; ls d; cat in; rm ready go",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/locked",
        "for n in 1 2 3; do flock lock sh -c 'x=$(cat n); echo $((x + 1)) > n' & done; wait; cat n in",
        f"{IN}; echo 0 > n",
        content(),
        hit=A,
        needs=("flock",),
    ),
    case(
        "concurrency/renamed into place by all",
        "for n in 1 2 3 4; do (cat in > t$n; mv t$n out) & done; wait; cat out",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/the same job twice",
        "steps cat in sleep 100 say a > a & steps cat in sleep 100 say a > b & wait; cat a b",
        IN,
        content(),
        hit=A,
    ),
    case(
        "concurrency/many jobs at once",
        "for n in 1 2 3 4 5 6 7 8; do job $n > log$n & done; wait; cat log*",
        "mkdir in out; for n in 1 2 3 4 5 6 7 8; do echo $n > in/$n; done",
        content("in/3"),
        hit=A,
    ),
    case(
        "concurrency/two runs in one folder",
        "for n in 1 2 3 4; do job $n; done",
        "mkdir in out; for n in 1 2 3 4; do echo $n > in/$n; done",
        content("in/3", hit=A),
        hit=A,
        around='"$@" > ../one & "$@" > ../two; end=$?; wait; exit $end',
    ),
    case(
        "concurrency/two runs, one store",
        steps("cat in open out wct write x"),
        IN,
        content(),
        hit=A,
        around='"$@" > ../one & wait; "$@" > ../two',
    ),
    meddled("an input is changed after it was read", "echo two > in", "cat in", "echo end"),
    meddled("an input is changed before it is read again", "echo two > in", "cat in", "cat in"),
    meddled("an input is replaced", "echo two > new; mv new in", "cat in", "cat in"),
    meddled("an input is removed", "rm in", "cat in", "cat in; echo end"),
    meddled("a listed folder gets a name", "echo x > d/new", "ls d; cat in", "echo end", given=f"{IN}; mkdir d"),
    meddled("a missing file appears", "echo x > none", "cat none; cat in", "cat none"),
    meddled("an output is changed", "echo mine > out", "cat in > out", "cat out", change=A),
)
