"""All cases, by name. A new table is added to TABLES."""

from __future__ import annotations

from ..case import Case
from . import concurrency, contents, names, opening, processes, programs, streams, tools, world

TABLES = (opening, names, contents, streams, processes, programs, world, concurrency, tools)

CASES: dict[str, Case] = {case.name: case for table in TABLES for case in table.CASES}
assert len(CASES) == sum(len(table.CASES) for table in TABLES), "two cases have one name"
