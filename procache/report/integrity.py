"""``procache verify``: checks everything that is stored, while runs go on, and sets aside what is damaged."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

from procache.report import events, evict, jsonable, text
from procache.report.options import Options
from procache.report.output import Output
from procache.store import fsck, opened, scan
from procache.store.fsck import PROBLEMS, REMARKS, Finding
from procache.store.layout import Layout, locate

#: How many findings of one kind are told one by one; JSON has them all.
TOLD = 20
#: How often (s) the progress is shown.
_EVERY = 0.2


class Progress:
    """How much has been checked, in one line of a terminal that is written over and over."""

    __slots__ = ("stream", "whole", "done", "files", "shown")

    def __init__(self, stream: TextIO | None, whole: int) -> None:
        self.stream = stream if stream is not None and stream.isatty() else None
        self.whole = max(whole, 1)
        self.done = self.files = 0
        self.shown = 0.0

    def step(self, kind: str, size: int) -> None:
        """One file more, of so many bytes."""
        self.done += size
        self.files += 1
        now = time.monotonic()
        if self.stream is not None and now - self.shown >= _EVERY:
            self.shown = now
            share = min(100, 100 * self.done // self.whole)
            self.stream.write(f"\r{share:3d} %  {self.files} files, {text.size(self.done)}; {kind}\x1b[K")
            self.stream.flush()

    def end(self) -> None:
        """Leave an empty line."""
        if self.stream is not None and self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def run(options: Options, output: Output) -> int:
    """Check the store; 1 where something is wrong, and has not been repaired."""
    layout = locate(options.cache_dir)
    evict.prepare(layout)
    progress = Progress(sys.stderr, sum(entry.size for entry in scan.entries(layout)))
    findings: list[Finding] = []
    try:
        findings += check(layout, options.repair, progress)
    finally:
        progress.end()
    if options.json:
        output.json(as_json(layout, findings, progress))
    else:
        output.lines(lines(findings, progress))
    return 1 if any(found.kind in PROBLEMS and not found.repaired for found in findings) else 0


def check(layout: Layout, repair: bool, progress: Progress) -> Iterator[Finding]:
    """Everything that is wrong or worth a remark."""
    checker = fsck.Checker(layout, repair, progress.step)
    yield from checker.folders()
    yield from checker.blob_files()
    yield from checker.record_files()  # after the blobs: what names one that was set aside is of no use
    yield from journals(layout, checker, progress)
    yield from checker.rest(time.time())


def journals(layout: Layout, checker: fsck.Checker, progress: Progress) -> Iterator[Finding]:
    """Every journal: can it be read, save for an end that was never written?"""
    for entry in scan.journal_files(layout):
        progress.step(scan.JOURNAL, entry.size)
        try:
            st = os.lstat(entry.path)
            with opened(entry.path) as file:
                found = events.scan(file.read(events.MAX_BYTES))
        except FileNotFoundError:
            continue  # evicted
        except OSError as error:
            yield Finding("journal", entry.path, error.strerror or str(error))
            continue
        if found.lost and not found.cut:
            detail = f"{found.lost} bytes cannot be read"
            yield Finding("journal", entry.path, detail, checker.aside(entry.path, st))


def as_json(layout: Layout, findings: list[Finding], progress: Progress) -> dict[str, Any]:
    """Every finding, problems and remarks apart."""

    def told(kinds: dict[str, str]) -> list[dict[str, Any]]:
        return [{**one._asdict(), "path": jsonable.plain(one.path)} for one in findings if one.kind in kinds]

    return {
        "cache_dir": jsonable.plain(layout.top),
        "files": progress.files,
        "bytes": progress.done,
        "problems": told(PROBLEMS),
        "remarks": told(REMARKS),
    }


def lines(findings: list[Finding], progress: Progress) -> Iterator[str]:
    """The problems one by one, and then in a line each, how often there was what."""
    problems = [one for one in findings if one.kind in PROBLEMS]
    counts: Counter[str] = Counter()
    for one in problems:
        counts[one.kind] += 1
        if counts[one.kind] <= TOLD:
            detail = f" ({text.safe(one.detail)})" if one.detail else ""
            yield f"{text.path(one.path)}: {PROBLEMS[one.kind]}{detail}{', set aside' if one.repaired else ''}"
    yield f"checked {text.many(progress.files, 'file')}, {text.size(progress.done)}"
    yield from (f"problem: {number} × {PROBLEMS[kind]}" for kind, number in counts.items())
    remarks = Counter(one.kind for one in findings if one.kind in REMARKS)
    yield from (f"no problem: {number} × {REMARKS[kind]}" for kind, number in remarks.items())
    left = sum(not one.repaired for one in problems)
    if not problems:
        yield "all is well"
    elif all(one.repaired or one.kind == "folder" for one in problems) and left:
        yield f"{text.many(left, 'problem')} left, to be put right by hand: owner, mode, or what is in a folder's place"
    elif left:
        yield f"{text.many(left, 'problem')} left; `procache verify --repair` sets damaged things aside"
    else:
        yield "all was repaired: what was damaged is a miss now"
