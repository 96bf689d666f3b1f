"""Finding the program that a command names, as a shell does, with a shell's errors."""

from __future__ import annotations

import errno
import os

from procache.errors import CommandError


def find_program(name: bytes, path: bytes) -> bytes:
    """The executable that a shell would run for ``name``. Raises CommandError (127 not found, 126 not executable)."""
    if not name:
        raise CommandError("'': command not found", 127)
    if b"/" in name:
        return _checked(name, name)
    refused = b""
    for folder in path.split(b":"):
        candidate = os.path.join(folder or b".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused:
        raise CommandError(f"{os.fsdecode(refused)}: permission denied", 126)
    raise CommandError(f"{os.fsdecode(name)}: command not found", 127)


def _checked(path: bytes, name: bytes) -> bytes:
    shown = os.fsdecode(name)
    try:
        mode_is_dir = os.path.isdir(path)
        os.stat(path)
    except OSError as error:
        raise CommandError(
            f"{shown}: {(error.strerror or '').lower()}", 127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126
        ) from None
    if mode_is_dir:
        raise CommandError(f"{shown}: is a directory", 126)
    if not os.access(path, os.X_OK):
        raise CommandError(f"{shown}: permission denied", 126)
    return path
