"""Why an execution was not skipped, or must not be recorded: the closed list, with its words.

A reason travels as a plain dict (``code`` and optional ``path``, ``aspect``, ``recorded``,
``current``, ``detail``), so that the journal can hold it as it is. ``sentence`` gives the words.
"""

from __future__ import annotations

import os

Reason = dict[str, object]

# -- misses: nothing recorded fits ------------------------------------------------------------
MISSES = {
    "no-record": "nothing is recorded for this command",
    "same-run": "it was recorded in this same run; without procache it would run again",
    "refresh": "--refresh was asked for",
    "fact-differs": "{path}: {aspect} differs (recorded {recorded}, now {current})",
    "command-differs": "{aspect}: recorded {recorded}, now {current}",
    "environment-differs": "environment: {detail}",
    "stream-is-file": "{path} is an input or output, and also open as a standard stream or under other names",
    "policy-differs": "the policy is another one than when it was recorded: {path}: {detail}",
    "failed-before": "it ended with status {detail}, and only success is to be repeated",
    "verified": "it was run to verify what is recorded, and {detail}",
    "verify-differs": "it was run to verify what is recorded, and gave another result: {detail}",
    "too-short": "it took {detail} s, less than what is worth storing",
    "pipe-unknown": "the pipe on its stdin was not waited for: too much comes, or its writers wait for something",
    "not-believed": "what is stored for it is not used: {detail}",
    "replay-failed": "a stored result could not be put in place: {detail}",
}

# -- taints: the execution ran, and must not be recorded ------------------------------------------
TAINTS = {
    "never-cache": "{detail} is on the list of programs whose point is to differ",
    "never-skipped": "{detail} is run for the time that it takes",
    "anonymous-program": "it runs a program that has no path ({detail})",
    "unknown-program": "{path} is in a format that procache does not know",
    "unstable": "it is run every time, since it once gave another result when it was verified ({detail})",
    "strict": "it asks for {detail}, and --strict is on",
    "path-rule": "the policy says that who uses {path} is not to be recorded",
    "failed": "it ended with status {detail}, and only success is to be stored",
    "network": "it uses the network ({detail})",
    "socket": "it talks to a socket outside the command ({detail})",
    "reads-stream": "it reads descriptor {detail}, which the command did not open",
    "pipe-unended": "it reads only a part of the pipe on its stdin, and how much is there to read is chance",
    "seeks-stream": "it moves or changes an output that it inherited ({detail})",
    "inherited-descriptor": "it inherits descriptor {detail}, which cannot be followed",
    "stream-escapes": "it passes on an inherited descriptor in a way that cannot be followed ({detail})",
    "device": "it uses the device {path}",
    "pseudo-file": "it reads {path}, which changes by itself",
    "ptrace": "it traces or reads another process ({detail})",
    "namespace": "it changes namespaces, mounts or its root ({detail})",
    "credentials": "it changes its user, group or capabilities ({detail})",
    "privileged": "it makes a privileged call ({detail})",
    "outside-process": "it signals or changes a process outside the command ({detail})",
    "ipc": "it uses System V or POSIX IPC ({detail})",
    "async-io": "it does input or output that cannot be seen ({detail})",
    "shared-mapping": "it writes to a file by a shared mapping that cannot be followed ({path})",
    "watch": "it watches files for changes ({detail})",
    "seccomp": "it installs a system call filter of its own",
    "file-handle": "it opens files by handle",
    "unknown-syscall": "it makes a system call that procache does not know ({detail})",
    "foreign-architecture": "it makes system calls of another architecture ({detail})",
    "unreadable": "its memory, its descriptors or its outputs cannot be read ({detail})",
    "setuid": "{path} runs with another user's or group's rights",
    "signal": "it ended by signal {detail}",
    "changed-outside": "{path} was changed by something else while it ran",
    "conflict": "{path} was also written by another execution at the same time",
    "other-run": "{path} was also changed by another run of procache at the same time",
    "special-file": "it leaves a {detail} behind: {path}",
    "failed-change": "a change that it asked for failed, for a reason that may pass ({detail})",
    "full": "the file system of {path} is full",
    "hard-link": "{path} has other hard links outside what it changed",
    "child": "a part of it is not cacheable: {detail}",
    "left-behind": "processes of it went on for longer than follow_daemons allows",
    "survivor": "a process of it goes on when it has ended, so that a replay could not keep the order",
    "internal": "procache failed while following it: {detail}",
    "store": "its result could not be stored: {detail}",
}

WORDS = {**MISSES, **TAINTS}


def reason(code: str, **fields: object) -> Reason:
    """Make a reason. ``code`` must be in the list; a spelling mistake fails here, not in a report."""
    if code not in WORDS:
        raise KeyError(code)
    return {"code": code, **fields}


def printable(value: object) -> str:
    """Text of any value in a reason: bytes as file names, numbers plainly, containers by element."""
    if isinstance(value, bytes):
        return os.fsdecode(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(printable(item) for item in value) + ")"
    return "nothing" if value is None else str(value)


def sentence(why: Reason) -> str:
    """The words that a user sees for one reason; never raises on a reason read from a journal."""
    template = WORDS.get(str(why.get("code")), "{code} {path} {detail}")
    fields = {
        name: printable(why.get(name, "?")) for name in ("code", "path", "aspect", "recorded", "current", "detail")
    }
    return template.format_map(fields)
