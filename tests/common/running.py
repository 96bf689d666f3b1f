"""Starting a command in a clean state, and waiting for its end with patience."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path


def ordinary() -> None:
    """In the child: signals that whatever started the tests may have ignored are as usual; no core files."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def finish(process: subprocess.Popen[bytes], data: bytes | None, patience: float) -> tuple[int, bytes, bytes]:
    """Status, stdout and stderr at the end. What takes longer than ``patience`` s is killed, with its group."""
    try:
        out, err = process.communicate(data, timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"still running after {patience} s: {process.args!r}") from None
    return process.returncode, out, err or b""


def wait_for(path: Path, patience: float = 30.0) -> None:
    """Wait until a path exists."""
    end = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not appear in {patience} s"
        time.sleep(0.01)
