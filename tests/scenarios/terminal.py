"""A terminal with a command in its foreground, and somebody to press keys."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .lab import Lab, wait_for

LEADER = Path(__file__).parent / "programs" / "leader.py"
PATIENCE = 30.0


class Terminal:
    """Runs a command in the foreground of a new terminal; ``shown`` is all that it has written."""

    def __init__(self, lab: Lab, argv: Sequence[str | bytes]) -> None:
        self.master, slave = pty.openpty()
        self._events, events = os.pipe()
        control, self._control = os.pipe()
        self.shown = b""
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, LEADER, str(events), str(control), *argv],
            cwd=lab.work,
            env=lab.env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            pass_fds=(events, control),
        )
        for descriptor in (slave, events, control):
            os.close(descriptor)

    def press(self, key: bytes) -> None:
        """Type a key, once the command shows that it is ready for it."""
        os.write(self.master, key)

    def go_on(self) -> None:
        """Let the stopped command continue in the foreground."""
        os.write(self._control, b"go\n")
        assert self.event() == "continued"

    def event(self) -> str:
        """Wait for the next event: `stopped`, `continued` or `ended STATUS`."""
        while not self._lines:
            ready = select.select([self.master, self._events], [], [], PATIENCE)[0]
            if not ready:
                self._process.kill()
                raise AssertionError(f"nothing happened for {PATIENCE} s; shown: {self.shown!r}")
            if self.master in ready:
                self.shown += self._read()
            if self._events in ready:
                self._lines += os.read(self._events, 1000).decode().splitlines()
        return self._lines.pop(0)

    def close(self) -> bytes:
        """Take what was still to be shown, and put the terminal away; returns all that was shown."""
        self._process.wait(PATIENCE)
        while select.select([self.master], [], [], 0)[0] and (more := self._read()):
            self.shown += more
        for descriptor in (self.master, self._events, self._control):
            os.close(descriptor)
        return self.shown

    def _read(self) -> bytes:
        try:
            return os.read(self.master, 10000)
        except OSError:  # the other side is closed
            return b""


def watch(lab: Lab, argv: Sequence[str | bytes]) -> tuple[str, bytes]:
    """Run a command in a terminal to its end; returns the last event and what was shown."""
    terminal = Terminal(lab, argv)
    event = terminal.event()
    return event, terminal.close()


def interrupted_by(lab: Lab, argv: Sequence[str | bytes], key: bytes) -> str:
    """The last event of a command that gets a key when it is ready."""
    terminal = Terminal(lab, argv)
    wait_for(lab.path("ready"))
    terminal.press(key)
    event = terminal.event()
    terminal.close()
    return event
