"""A work folder, a store, and one job that uses most of what a store does; run natively and under procache."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from common import snapshot
from common.running import ordinary

from .trap import Met, Trap, met

ROOT = Path(__file__).resolve().parents[2]
PROCACHE = (sys.executable, "-m", "procache")
PATIENCE = 60.0

#: Small and large outputs (handed over, and staged), holes, links, what is renamed, much on stdout, a status.
JOB = """\
sort in > sorted
mkdir -p d && ln -f sorted d/hard && ln -sf ../sorted d/link
cat in large > copied
truncate -s 300000 holes && cat in >> holes
cat in > new && mv new renamed
cat middle in
echo end >&2
exit 3
"""


class Seen(NamedTuple):
    """What a run showed. Two that are equal cannot be told apart."""

    status: int
    out: bytes
    err: bytes
    entries: dict[bytes, snapshot.Entry]


class Place:
    """See the module. One run at a time."""

    def __init__(self, root: Path, library: Path) -> None:
        self.root, self.work, self.store = root, root / "work", root / "store"
        self.library, self.state = library, root / "trap"
        #: the session of the last command that was started
        self.last = 0
        root.mkdir(parents=True, exist_ok=True)
        (root / "home").mkdir()
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root / "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",  # the installed command does not look for modules in the work folder
            "PROCACHE_DIR": str(self.store),
        }

    def use(self, store: Path) -> None:
        """Have another store, that others may use too."""
        self.store = store
        self.env["PROCACHE_DIR"] = str(store)

    def fresh(self, version: int) -> None:
        """The work folder as it is before any run, with one version of the input."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.change(version)
        for name, size in (("middle", 20_000), ("large", 300_000)):
            (self.work / name).write_bytes(filling(name, size))
        (self.work / "job").write_text(JOB)

    def change(self, version: int) -> None:
        """Another version of the input."""
        (self.work / "in").write_text("".join(f"{(number * 7919 + version) % 1009}\n" for number in range(200)))

    def put_store(self, template: Path | None) -> None:
        """The store as a copy of another, or none."""
        shutil.rmtree(self.store, ignore_errors=True)
        if template is not None:
            subprocess.run(["cp", "-a", template, self.store], check=True)

    # -- runs --------------------------------------------------------------------------------------------

    def native(self) -> Seen:
        """Run the job by itself."""
        return self.finish(self.start(["sh", "job"]))

    def run(
        self, trap: Trap | None = None, *, options: Sequence[str] = (), around: Iterable[str] = (), clock: float = 0
    ) -> Seen:
        """Run the job under procache: in a trap maybe (then ``met`` tells what became of it), below the command
        ``around``, with a clock that goes wrong by so many seconds.
        """
        extra = {} if trap is None else trap.environment(self.library, self.state, self.store)
        if clock:
            extra = Trap().environment(self.library, self.state, self.store) | {"TRAP_CLOCK": str(clock)}
        return self.finish(self.begin(around, options, extra))

    def begin(
        self, around: Iterable[str] = (), options: Sequence[str] = (), extra: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start the job under procache; ``finish`` waits for its end."""
        return self.start([*around, *PROCACHE, "run", *options, "--", "sh", "job"], extra)

    def command(self, argv: Sequence[str]) -> Seen:
        """Run any command under procache."""
        return self.finish(self.start([*PROCACHE, "run", "-q", "--", *argv]))

    def met(self) -> Met:
        """What became of the last trap."""
        return met(self.state)

    def start(self, argv: Sequence[str], extra: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command in the work folder, in a session of its own."""
        process = subprocess.Popen(
            argv,
            cwd=self.work,
            env=self.env | (extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=ordinary,
        )
        self.last = process.pid
        return process

    def verb(self, *words: str) -> Seen:
        """Run another verb of procache."""
        return self.finish(self.start([*PROCACHE, *words]))

    def finish(self, process: subprocess.Popen[bytes]) -> Seen:
        """What a command that was started showed, at its end."""
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Seen(-999, b"", f"still running after {PATIENCE} s".encode(), {})
        return Seen(process.returncode, out, err, self.entries())

    def entries(self) -> dict[bytes, snapshot.Entry]:
        """What is in the work folder."""
        return snapshot.take(os.fsencode(self.work)).entries


def filling(name: str, size: int) -> bytes:
    """Content that half compresses, the same in every run."""
    return random.Random(name).randbytes(size // 2) + b"filling\n" * (size // 16)


def members(session: int) -> list[int]:
    """The processes of a session that have not ended (zombies left out)."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def ended(session: int, patience: float = 20.0) -> bool:
    """True as soon as nothing of a session is left."""
    end = time.monotonic() + patience
    while members(session):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def differences(expected: Seen, seen: Seen) -> list[str]:
    """How a run under procache differs from the native one; it may say one line of its own on stderr, at its end."""
    lines = []
    if seen.status != expected.status:
        lines.append(f"status {seen.status} instead of {expected.status}")
    if seen.out != expected.out:
        lines.append(f"stdout differs ({len(seen.out)} bytes instead of {len(expected.out)})")
    said = [line for line in seen.err.splitlines() if line not in expected.err.splitlines()]
    if b"Traceback" in seen.err or len(said) > 1 or any(not line.startswith(b"procache: ") for line in said):
        lines.append(f"stderr: {seen.err.decode(errors='replace')[-400:]!r}")
    elif len(seen.err.splitlines()) - len(said) != len(expected.err.splitlines()):
        lines.append(f"stderr lacks something: {seen.err!r}")
    for name in sorted(expected.entries.keys() | seen.entries.keys()):
        left, right = expected.entries.get(name), seen.entries.get(name)
        if left != right:
            lines.append(f"{os.fsdecode(name)}: {_short(right)} instead of {_short(left)}")
    return lines


def _short(entry: snapshot.Entry | None) -> str:
    text = repr(entry)
    return text if len(text) < 160 else text[:120] + "…" + text[-40:]
