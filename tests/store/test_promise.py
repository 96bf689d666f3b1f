"""Any interleaving of putting, getting, evicting, pinning, damaging, repairing and clearing keeps the store's promises.

What is got is what was put, or nothing. What is pinned is never evicted. After an eviction the store is as small as it
was to be. After a repair nothing is wrong.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator

import hypothesis.strategies as st
from common.filling import key_of, put, record
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from procache import digests
from procache.model import effects as fx
from procache.model.aspects import DIGEST
from procache.model.record import Record
from procache.report import clear
from procache.store import blobs, fsck, gc, pins, records, scan
from procache.store.choice import Limits
from procache.store.layout import Layout

KEYS = st.integers(0, 3)
MARKS = st.sampled_from("abc")
NOISE = random.Random(1).randbytes(5000)
KINDS = {"empty": b"", "x": b"x", "small": b"one" * 3000, "text": b"two" * 5000, "zero": bytes(200_000), "noise": NOISE}
CONTENTS = st.lists(st.sampled_from(sorted(KINDS)), max_size=3)
RUNS = st.sampled_from(["r1", "r2"])


class Store(RuleBasedStateMachine):
    """One store, and what was put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.top = tempfile.mkdtemp()
        self.layout = Layout(os.fsencode(self.top) + b"/cache")
        self.layout.prepare()
        self.put: dict[int, dict[str, tuple[bytes, ...]]] = {key: {} for key in range(4)}
        self.pinned: dict[str, set[int]] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.top)

    @initialize(kinds=st.lists(CONTENTS, min_size=4, max_size=4))
    def begins(self, kinds: list[list[str]]) -> None:
        """Each command has been run once."""
        for key, content in enumerate(kinds):
            self.puts(key, "a", content, {key ^ 1}, 100 * key)

    @rule(key=KEYS, mark=MARKS, kinds=CONTENTS, children=st.sets(KEYS, max_size=2), age=st.integers(0, 10**6))
    def puts(self, key: int, mark: str, kinds: list[str], children: set[int], age: int) -> None:
        """Store a record and its blobs, used last at some time."""
        contents = [KINDS[kind] for kind in kinds]
        below = tuple(key_of(child) for child in sorted(children))
        put(self.layout, key_of(key), record(*contents, mark=mark, children=below), *contents, age=age)
        self.put[key][mark] = tuple(contents)

    @invariant()
    def what_is_got_was_put(self) -> None:
        """Every record that can be read is one that was put; every blob has its content or is missing."""
        for key, put_here in self.put.items():
            for found in records.load(self.layout, key_of(key)):
                assert self.mark_of(found) in put_here
                contents = put_here[self.mark_of(found)]
                assert list(map(digest_of, found.effects)) == list(map(digests.of_bytes, contents))
                for content in contents:
                    assert self.content(content) in (content, None)

    def mark_of(self, found: Record) -> str:
        """The variant that a record is."""
        return os.fsdecode(found.facts[0][0]).removeprefix("/in")

    def content(self, content: bytes) -> bytes | None:
        """What the store has under the digest of this content."""
        try:
            fd = blobs.open_plain(self.layout, digests.of_bytes(content), len(content))
        except blobs.BlobError:
            return None
        with os.fdopen(fd, "rb") as file:
            return file.read()

    @rule(key=KEYS, run=RUNS)
    def pin(self, key: int, run: str) -> None:
        """Pin a run of one command."""
        pins.add(self.layout, run, [key_of(key)])
        self.pinned[run] = {key}

    @rule(run=RUNS)
    def unpin(self, run: str) -> None:
        """Let a run go."""
        assert pins.remove(self.layout, run) is (self.pinned.pop(run, None) is not None)

    @rule(size=st.integers(0, 60_000), share=st.floats(0, 1), age=st.sampled_from([0, 0, 1000, 500_000]))
    def evict(self, size: int, share: float, age: float) -> None:
        """Bring the store within limits: what is pinned stays, and nothing else that is too much."""
        kept = {entry.path for entry in self.kept()}
        before = {entry.path for entry in scan.entries(self.layout)}
        floor = (time.time() - age) * 1e9
        figures = gc.collect(self.layout, Limits(size, int(size * share), age))
        left = list(scan.entries(self.layout))
        assert kept <= {entry.path for entry in left}
        assert figures.size == sum(entry.size for entry in left)
        assert figures.size <= size or {entry.path for entry in left} == kept
        assert {entry.path for entry in left} <= before
        assert not age or all(entry.mtime >= floor for entry in left if entry.path not in kept)

    @rule()
    def evict_all(self) -> None:
        """Nothing may remain but what is pinned."""
        self.evict(0, 0.0, 0)

    def kept(self) -> Iterator[scan.Entry]:
        """The files that pins keep."""
        kept = pins.kept(self.layout)
        for entry in scan.entries(self.layout):
            if entry.id in (kept.records if entry.kind == scan.RECORD else kept.blobs):
                yield entry

    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        """Flip a byte of some file, or cut it."""
        files = sorted(scan.entries(self.layout), key=lambda entry: entry.path)
        if not files:
            return
        path = data.draw(st.sampled_from(files)).path
        size = os.stat(path).st_size
        at = data.draw(st.integers(0, max(0, size - 1)))
        before = os.stat(path)
        with open(path, "r+b") as file:
            if data.draw(st.booleans()) or not size:
                file.truncate(at)
            else:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ data.draw(st.integers(1, 255))]))
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))

    @rule()
    def repair(self) -> None:
        """Set aside what is damaged; then nothing is wrong."""
        self.findings(repair=True)
        assert [found for found in self.findings(repair=False) if found.kind in fsck.PROBLEMS] == []

    def findings(self, repair: bool) -> list[fsck.Finding]:
        """All that a check finds."""
        checker = fsck.Checker(self.layout, repair, lambda kind, size: None)
        return [*checker.blob_files(), *checker.record_files(), *checker.rest(time.time())]

    @rule(all_of_it=st.integers(0, 5))
    def clear(self, all_of_it: int) -> None:
        """Delete everything, now and then."""
        if all_of_it:
            return
        clear.empty(self.layout)
        self.pinned.clear()
        assert list(scan.entries(self.layout)) == []


def digest_of(effect: fx.Effect) -> bytes:
    """The digest of a file that a record leaves."""
    state = effect[fx.STATE]
    assert isinstance(state, tuple)
    return state[DIGEST]


TestPromise = Store.TestCase
TestPromise.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True)
