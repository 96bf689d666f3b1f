"""The environment as it was given to procache."""

from __future__ import annotations


def own_environment() -> tuple[bytes, ...]:
    """The environment as it was given to procache; Python may have added to its own (PEP 538)."""
    with open("/proc/self/environ", "rb", buffering=0) as file:
        parts = []
        while chunk := file.read(1 << 17):
            parts.append(chunk)
    return tuple(entry for entry in b"".join(parts).split(b"\0") if entry)


def search_path(env: tuple[bytes, ...]) -> bytes:
    """The value of PATH, or the default that execvp(3) takes."""
    for entry in env:
        if entry.startswith(b"PATH="):
            return entry[5:]
    return b"/bin:/usr/bin"


def as_mapping(entries: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Entries as execve wants them; what has no ``=`` cannot be passed on by Python and means nothing to a libc."""
    pairs = (entry.partition(b"=") for entry in entries)
    found: dict[bytes, bytes] = {}
    for name, equals, value in pairs:
        if equals and name:
            found.setdefault(name, value)  # of two entries of one name getenv(3) finds the first
    return found
