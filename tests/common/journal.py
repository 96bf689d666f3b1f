"""Reads what procache itself wrote about a run, without any code of procache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import msgpack


class Execution(NamedTuple):
    """One execution of a run, as the journal tells it."""

    id: int
    parent: int | None
    argv: list[bytes]
    outcome: str
    reasons: list[dict[str, Any]]
    status: int
    nested: int

    def matches(self, words: str) -> bool:
        """True if the first of ``words`` is the name of the program and the others are arguments."""
        name, *arguments = (os.fsencode(word) for word in words.split())
        called = os.path.basename(self.argv[0]) if self.argv else b""
        return called == name and all(word in self.argv for word in arguments)

    def codes(self) -> set[str]:
        """The codes of its reasons."""
        return {why["code"] for why in self.reasons}


def journals(cache: Path) -> set[Path]:
    """The journals in the cache folder."""
    return set((cache / "v2" / "runs").glob("*.journal"))


def records(path: Path) -> list[dict[str, Any]]:
    """All whole records of a journal; what is cut off at its end is left out."""
    unpacker = msgpack.Unpacker(strict_map_key=False, raw=False, unicode_errors="surrogateescape")
    unpacker.feed(path.read_bytes())
    return list(unpacker)


def executions(path: Path) -> list[Execution]:
    """The executions of a journal, in the order of their numbers (the root first)."""
    found = [_execution(record) for record in records(path) if record["t"] == "exec"]
    return sorted(found, key=lambda execution: execution.id)


def _execution(record: dict[str, Any]) -> Execution:
    return Execution(
        id=record["id"],
        parent=record["parent"],
        argv=record["argv"],
        outcome=record["outcome"],
        reasons=record["reasons"],
        status=record["status"],
        nested=record.get("nested", 0),
    )
