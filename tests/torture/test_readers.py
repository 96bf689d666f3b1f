"""Any bytes are refused cleanly, or read as what they can be, by whatever reads a file of the store.

Beside the bytes themselves: what begins as such a file does and goes on as it likes, and good files with parts cut out,
doubled and changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procache import digests
from procache.report import main
from procache.store import parsed, pins, tally, usage
from procache.store.layout import Layout

RUN = "20270115T080000.000000-77"
#: On a machine with much other work, whatever takes long is none of the test's doing.
QUICKLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.binary(max_size=20),
    st.text(max_size=10),
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)
fields = (
    "id",
    "parent",
    "argv",
    "exe",
    "cwd",
    "key",
    "outcome",
    "reasons",
    "started",
    "ended",
    "status",
    "counts",
)
events = st.dictionaries(st.sampled_from(fields) | st.text(max_size=5), values, max_size=8).flatmap(
    lambda event: st.sampled_from(["run", "exec", "end", "new"]).map(lambda kind: {"t": kind, **event})
)


def changed(good: bytes) -> st.SearchStrategy[bytes]:
    """Good bytes, with some taken out, some doubled, and some put in."""
    at = st.integers(0, len(good))

    def change(parts: list[tuple[int, int, bytes]]) -> bytes:
        data = good
        for start, end, put in parts:
            data = data[: min(start, len(data))] + put + data[min(end, len(data)) :]
        return data

    return st.lists(st.tuples(at, at, st.binary(max_size=8)), min_size=1, max_size=4).map(change)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty store."""
    found = Layout(os.fsencode(tmp_path / "store"))
    found.prepare()
    return found


@given(st.binary(max_size=300) | st.lists(events, max_size=5).map(lambda many: b"".join(map(msgpack.packb, many))))
@QUICKLY
def test_the_reports_say_something_of_any_journal(
    layout: Layout, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    Path(os.fsdecode(layout.runs), f"{RUN}.journal").write_bytes(data)
    for verb in ("log", "show", "explain", "stats"):
        for style in ([], ["--json"]):
            assert main(verb, ["--cache-dir", os.fsdecode(layout.top), *style]) in (0, 1)
            said = capsys.readouterr()
            assert said.out or said.err


GOOD = usage.pack(usage.ADD, 1.0, (1, 2, 3, 4), 5.0, 600) + usage.pack(usage.MEASURED, 2.0, size=7000)


@given(st.binary(max_size=300) | changed(GOOD * 3))
@QUICKLY
def test_totals_are_those_of_entries_that_check(layout: Layout, data: bytes) -> None:
    sums = tally.add_up(data)
    whole = sum(data.count(entry) for entry in (GOOD[: usage.SIZE], GOOD[usage.SIZE :]))
    assert sums.entries == whole
    assert (sums.runs, sums.hit, sums.miss) == (sums.runs, 2 * sums.runs, 3 * sums.runs)
    Path(os.fsdecode(layout.usage)).write_bytes(data)
    tally.compact(layout)
    usage.append(layout, (1, 1, 0, 0))
    after = tally.read(layout)
    assert (after.runs, after.lost) == (sums.runs + 1, 0)


@given(st.binary(max_size=300) | changed(digests.hexadecimal(digests.of_bytes(b"key")) + b"\n"))
@QUICKLY
def test_a_pin_keeps_what_it_can_be_read_to_keep(layout: Layout, data: bytes) -> None:
    pins.add(layout, RUN, [digests.of_bytes(b"key")])
    Path(os.fsdecode(pins.path_of(layout, RUN))).write_bytes(data)
    kept = pins.kept(layout)
    assert kept.runs == {RUN.encode()}
    assert all(name in data for name in kept.records)


ENTRIES: parsed.Entries = {"max_variants": (16, 3)}


@given(st.data())
@QUICKLY
def test_settings_are_those_that_were_kept_or_read_anew(layout: Layout, data: st.DataObject) -> None:
    digest = digests.of_bytes(b"text of a file")
    parsed.write(layout, digest, ENTRIES)
    path = Path(os.fsdecode(parsed.path_of(layout, digest)))
    path.write_bytes(data.draw(st.binary(max_size=100) | changed(path.read_bytes())))
    assert parsed.read(layout, digest) in (None, ENTRIES)
