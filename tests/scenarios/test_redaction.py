"""What was typed as a password is in no journal, report or trace log."""

from __future__ import annotations

import subprocess
import sys

from .lab import Lab

SECRET = "open-sesame-4711"


def report(lab: Lab, words: list[str]) -> bytes:
    """What a verb says."""
    command = [sys.executable, "-m", "procache", *words]
    done = subprocess.run(command, env=lab.env, cwd=lab.work, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_password_is_shown_nowhere(lab: Lab) -> None:
    log = lab.root / "trace.log"
    command = f"steps say x; TOKEN={SECRET} sh -c 'exit 0' --password={SECRET}"
    for _ in range(2):
        lab.run(["sh", "-c", command, f"--api-key={SECRET}"], options=["--log-file", str(log)])
    said = [log.read_bytes()]
    for verb in (["log"], ["show"], ["explain"], ["stats"], ["check", "--", "sh", "-c", command]):
        for more in ([], ["--json"]):
            said.append(report(lab, [verb[0], *more, *verb[1:]]))
    said += [path.read_bytes() for path in (lab.cache / "v2" / "runs").iterdir()]
    assert len(said) > 12
    for text in said:
        assert SECRET.encode() not in text
    assert any(b"--api-key=***" in text for text in said)
