"""What a warm hit imports: the allowed modules by name, since each one costs every hit its time.

``python -X importtime`` tells what was imported; what the bare interpreter imports in the same surroundings
(``site`` and its hooks) is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "procache",
    "procache.cli",
    "procache.config",
    "procache.config.sources",
    "procache.errors",
    "procache.native",
    "procache.run",
    "procache.front",
    "procache.events",
    "procache.digests",
    "procache.program",
    "procache.pipeinput",
    "procache.plain",
    "procache.summary",
    "procache.model",
    "procache.model.aspects",
    "procache.model.checks",
    "procache.model.command",
    "procache.model.effects",
    "procache.model.match",
    "procache.model.pathrules",
    "procache.model.policy",
    "procache.model.reasons",
    "procache.model.record",
    "procache.model.redaction",
    "procache.store",
    "procache.replay.undo",
    "procache.store.blobs",
    "procache.store.files",
    "procache.store.hosts",
    "procache.store.layout",
    "procache.store.records",
    "procache.store.staging",
    "procache.store.journal",
    "procache.store.locks",
    "procache.store.usage",
    "procache.store.memofile",
    "procache.replay",
    "procache.replay.apply",
    "procache.replay.folders",
    "procache.replay.streams",
    "procache.world",
    "procache.world.environment",
    "procache.world.inherited",
    "procache.world.mounts",
    "procache.world.pseudo",
    "procache.world.states",
    "procache.world.view",
    "procache.world._looks",
    "procache.world.terminals",
    "xxhash",
    "xxhash._xxhash",
    "xxhash.version",
    "msgpack",
    "msgpack._cmsgpack",
    "msgpack.exceptions",
    "msgpack.ext",
    "__future__",
    "array",
    "errno",
    "fcntl",
    "select",
    "struct",
    "termios",
    "time",
}
#: What those bring along from the standard library: msgpack takes datetime, which takes its C part.
BROUGHT = {"_struct", "datetime", "_datetime", "math", "itertools", "keyword", "reprlib"}
BROUGHT |= {"_collections", "collections", "collections.abc", "functools", "_functools", "operator", "_operator"}
#: A pipe on stdin is looked into with tee(2), for which Python has no call.
FOR_A_PIPE = {"procache.world.openfiles", "ctypes", "_ctypes", "ctypes._endian", "select", "types"}
#: Where a compressed blob is read.
FOR_A_BLOB = {"procache.store.zstd", "backports", "backports.zstd._zstd", "_zstd"}
#: Where names or contents are to change, which other runs are told.
FOR_A_CHANGE = {"procache.store.claims"}
#: Where there is a procache.toml.
OF_SETTINGS = {f"procache.config.{name}" for name in ("layers", "settings", "toml", "units")} | {
    "procache.store.parsed"
}
#: Named besides, so that a look at the list above cannot let them in by mistake.
DEAR = {
    "tomllib",
    "structlog",
    "argparse",
    "dataclasses",
    "logging",
    "ctypes",
    "typing",
    "enum",
    "re",
    "signal",
    "ptrace",
    "pathlib",
    "subprocess",
}


def run(cache: Path, *words: str, options: tuple[str, ...] = (), cwd: Path, stdin: str | None = None) -> set[str]:
    """The modules that one ``procache run`` imports beyond those of a bare interpreter."""
    command = [str(ROOT / "bin" / "procache"), "run", *options, "--", *words]
    return imported(command, cache, cwd, stdin) - imported(["-c", ""], cache, cwd, stdin)


def imported(arguments: list[str], cache: Path, cwd: Path, stdin: str | None) -> set[str]:
    """The modules that a Python process imports."""
    environment = {**os.environ, "PROCACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=environment,
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", result.stderr, re.MULTILINE))


COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "the plainest": (("true",), (), None),
    "with output": (("sh", "-c", "echo out; echo err >&2"), (), None),
    "with a summary": (("true",), ("-v",), None),
    "with files to restore": (("sh", "-c", "cat in > out; mkdir -p d; ln -s in d/link; rm -f none"), (), None),
    "with large output": (("sh", "-c", "head -c 300000 /dev/zero"), (), None),
    "with done work": (("sh", "-c", "cat in > out"), ("--resume",), None),
    "with a pipe to read": (("cat",), (), "some text"),
}


def outputs(folder: Path) -> None:
    """Remove what the commands leave."""
    for name in ("out", "d/link", "d"):
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            path.rmdir()


def test_a_warm_hit_with_settings_imports_no_parser(tmp_path: Path) -> None:
    cache, folder = tmp_path / "cache", tmp_path / "work"
    folder.mkdir()
    (folder / "procache.toml").write_text("min_runtime = 0\nignored_paths = ['log']\n")
    cold = run(cache, "true", cwd=folder)
    assert "tomllib" in cold
    warm = run(cache, "true", cwd=folder)
    assert sorted(warm - ALLOWED - BROUGHT) == sorted(OF_SETTINGS)
    assert sorted(warm & DEAR) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_warm_hit_imports_little(tmp_path: Path, name: str) -> None:
    words, options, stdin = COMMANDS[name]
    cache, folder = tmp_path / "cache", tmp_path / "work"
    folder.mkdir()
    (folder / "in").write_text("input\n")
    cold = run(cache, *words, options=options, cwd=folder, stdin=stdin)
    assert "ptrace" in cold, "the first run is traced"
    if "resume" not in str(options):
        outputs(folder)
    warm = run(cache, *words, options=options, cwd=folder, stdin=stdin)
    assert "procache.front" in warm
    if stdin is not None:
        warm -= FOR_A_PIPE
    if name == "with large output":
        warm -= FOR_A_BLOB
    if name == "with files to restore":
        assert warm >= FOR_A_CHANGE
        warm -= FOR_A_CHANGE
    assert sorted(warm & DEAR) == []
    assert sorted(warm - ALLOWED - BROUGHT) == []


def test_a_first_run_imports_nothing_of_a_debugger(tmp_path: Path) -> None:
    cold = run(tmp_path / "cache", "true", cwd=tmp_path)
    assert {"ptrace.binding.func", "ptrace.syscall.names"} <= cold
    assert sorted(cold & {"logging", "socket", "subprocess", "traceback", "ctypes.util", "ptrace.syscall"}) == []


def test_stand_ins_do_not_stay() -> None:
    code = (
        "import procache.tracer, logging, traceback, ctypes.util, ptrace.syscall; logging.getLogger().warning('seen')"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; print(ptrace.syscall.PtraceSyscall.__name__, ctypes.util.find_library('c'))"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (result.stdout.split()[0], result.stderr) == ("PtraceSyscall", "seen\n")


def test_the_list_names_nothing_dear() -> None:
    assert not (ALLOWED | BROUGHT) & DEAR


def test_the_list_names_only_what_exists() -> None:
    for name in ALLOWED:
        if name.startswith("procache"):
            path = ROOT / Path(*name.split("."))
            assert any(path.with_suffix(end).exists() for end in (".py", ".c")) or (path / "__init__.py").exists(), name
