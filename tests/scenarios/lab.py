"""A folder to work in, a cache of its own, and the same command run natively and under procache.

A native run happens in the very folder that the procache run sees, and the folder is then put
back (modification times too): so both start from the same state, at the same paths.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import journal, snapshot
from common.results import Result, differences
from common.running import finish, ordinary, wait_for

from .results import Command, How, Run

ROOT = Path(__file__).resolve().parents[2]
PREFIX = shlex.split(os.environ.get("PROCACHE_TEST_CMD", "")) or [sys.executable, "-m", "procache"]
PATIENCE = 90.0  # seconds after which a run counts as hanging; nothing here takes more than a few


class Lab:
    """See the module. ``env`` is the whole environment of the commands; tests may change it."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root, self.work, self.cache = root, root / "work", root / "cache"
        self.work.mkdir()
        (root / "home").mkdir()
        (root / "temporary").mkdir()
        self.env = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "temporary"),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PROCACHE_DIR": str(self.cache),
        }
        self._saved = 0

    # -- files -----------------------------------------------------------------------------------

    def path(self, name: str | bytes) -> Path:
        """A name in the work folder."""
        return self.work / os.fsdecode(name)

    def write(self, name: str | bytes, content: str | bytes = b"", mode: int | None = None) -> Path:
        """Write a file, and the folders above it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            path.chmod(mode)
        return path

    def rewrite(self, name: str, content: str) -> None:
        """Change the content of a file to another of the same size, and put its times back."""
        path = self.path(name)
        look = path.stat()
        assert len(content.encode()) == look.st_size, "the new content must have the old size"
        path.write_text(content)
        os.utime(path, ns=(look.st_atime_ns, look.st_mtime_ns))

    def script(self, name: str, text: str) -> Path:
        """Write an executable script."""
        return self.write(name, text, 0o755)

    def remove(self, *names: str) -> None:
        """Remove files and whole folders."""
        for name in names:
            path = self.path(name)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def save(self) -> Path:
        """Keep the state of the work folder; give it to ``restore`` to have it back."""
        self._saved += 1
        copy = self.root / f"saved-{self._saved}"
        subprocess.run(["cp", "-a", self.work, copy], check=True)
        return copy

    def restore(self, copy: Path) -> None:
        """Put the work folder back to a saved state, times of folders included."""
        for name in os.listdir(os.fsencode(self.work)):
            self.remove(os.fsdecode(name))
        subprocess.run(["cp", "-a", f"{copy}/.", f"{self.work}/"], check=True)

    # -- runs -----------------------------------------------------------------------------------

    def native(self, cmd: Command, **how: Any) -> Result:
        """Run the command without procache, then put the folder back."""
        saved, before = self.save(), self._look()
        manner = How(**how)
        status, out, err = self._finish(self.start(words(cmd), manner), manner)
        if manner.until:
            wait_for(self.path(manner.until))
        result = Result(status, out, err, before, self._look())
        self.restore(saved)
        shutil.rmtree(saved)
        return result

    def run(self, cmd: Command, *, options: Sequence[str] = (), resume: bool = False, **how: Any) -> Run:
        """Run the command under procache, in place."""
        flags = [*options, *(["--resume"] if resume else [])]
        return self.raw(["run", *flags, "--", *words(cmd)], **how)

    def raw(self, arguments: Sequence[str | bytes], **how: Any) -> Run:
        """Run procache with any arguments; ``executions`` are those of the one new journal."""
        before, known = self._look(), journal.journals(self.cache)
        manner = How(**how)
        status, out, err = self._finish(self.start([*PREFIX, *arguments], manner), manner)
        new = journal.journals(self.cache) - known
        assert len(new) <= 1, f"one run wrote {len(new)} journals"
        executions = [execution for path in new for execution in journal.executions(path)]
        for execution in executions:
            assert execution.outcome in ("hit", "miss", "uncacheable"), execution
            assert execution.outcome == "hit" or execution.reasons, f"no reason given: {execution}"
        return Run(status, out, err, before, self._look(), executions)

    def both(self, cmd: Command, *, times: tuple[str, ...] = (), resume: bool = False, **how: Any) -> Run:
        """Run natively and then under procache from the same state; both must be the same."""
        native = self.native(cmd, **how)
        run = self.run(cmd, resume=resume, **how)
        run.native = native
        same(native, run, times)
        return run

    def start(self, argv: Sequence[str | bytes], how: How) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own."""
        argv = argv if how.around is None else ["sh", "-c", how.around, "sh", *argv]
        piped = isinstance(how.stdin, bytes)
        source = subprocess.PIPE if piped else os.open(self.path(str(how.stdin or "/dev/null")), os.O_RDONLY)
        try:
            return subprocess.Popen(
                argv,
                cwd=self.path(how.cwd),
                env=self.env,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if how.merged else subprocess.PIPE,
                start_new_session=True,
                preexec_fn=ordinary,
            )
        finally:
            if not piped:
                os.close(source)

    def _finish(self, process: subprocess.Popen[bytes], how: How) -> tuple[int, bytes, bytes]:
        return finish(process, how.stdin if isinstance(how.stdin, bytes) else None, PATIENCE)

    def _look(self) -> snapshot.Snapshot:
        return snapshot.take(os.fsencode(self.work))


def words(cmd: Command) -> list[str | bytes]:
    """The argument vector of a command: text is for the shell."""
    return ["sh", "-c", cmd] if isinstance(cmd, str) else list(cmd)


def steps(text: str) -> list[str | bytes]:
    """The command that does the given steps (see programs/steps.c)."""
    return ["steps", *shlex.split(text)]


def same(native: Result, run: Result, times: tuple[str, ...] = ()) -> None:
    """Fail unless status, streams and tree are equal, and the times of the given names too."""
    lines = differences(native, run, times)
    assert not lines, "not the same as a native run:\n" + "\n".join(lines)
