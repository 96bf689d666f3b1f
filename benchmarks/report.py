"""Results as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.account import Account
from benchmarks.contenders import COLD
from benchmarks.measure import Result, Row

COUNTED = ("÷ native", "run", "hit", "outputs")
WRONG_NAMED = 3


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first one and the last one to the left."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    last = len(widths) - 1

    def line(cells: Sequence[str]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        return "  ".join(c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in pairs).rstrip()

    return "\n".join(line(cells) for cells in (head, *lines))


def text(result: Result) -> str:
    parts = [f"{result.workload.name}: {result.workload.title}"]
    if result.rows:
        once = all(len(row.seconds) == 1 for row in result.rows.values())
        head = ("", "wall", *COUNTED) if once else ("", "median", "min", "max", *COUNTED)
        parts.append(table(head, [_cells(name, row, result, once) for name, row in result.rows.items()]))
    if (skip := result.skip_overhead()) is not None:
        parts.append(f"skip overhead: {skip:.2f} ms per skipped job beyond the shell's own fork")
    if result.missing:
        parts.append(f"missing: {', '.join(result.missing)} (not installed)")
    if result.workload.explained:
        parts += [_explained(name, row.account) for name, row in result.rows.items() if row.account and name != COLD]
    if result.workload.varies:
        parts.append("Two native runs differ in these parts, which are left out where a run is compared with one:")
        parts += dict.fromkeys(f"    {part.files}: {part.source}" for part in result.workload.varies)
    parts += [f"{name}: {_wrong(row)}" for name, row in result.rows.items() if row.wrong]
    return "\n".join(parts)


def _explained(name: str, account: Account) -> str:
    return "\n".join([f"{name}:", *(f"    {line}" for line in account.lines())])


def _cells(name: str, row: Row, result: Result, once: bool) -> tuple[str, ...]:
    times = row.seconds if once else [row.median, min(row.seconds), max(row.seconds)]
    ratio = result.ratio(row)
    counts = (str(row.account.run), str(row.account.hit)) if row.account else ("", "")
    return (name, *map(duration, times), f"{ratio:.3f}" if ratio is not None else "", *counts, verdict(row))


def duration(seconds: float) -> str:
    return f"{seconds:.3f} s"


def verdict(row: Row) -> str:
    if not row.compared:
        return ""
    return "DIFFER" if row.wrong else "identical"


def _wrong(row: Row) -> str:
    paths = sorted(row.wrong)
    more = f" and {len(paths) - WRONG_NAMED} more" if len(paths) > WRONG_NAMED else ""
    return f"not as after a native run: {', '.join(paths[:WRONG_NAMED])}{more}"


def as_json(result: Result) -> dict[str, object]:
    return {
        "name": result.workload.name,
        "title": result.workload.title,
        "jobs": result.workload.jobs,
        "rows": [_row_json(name, row, result) for name, row in result.rows.items()],
        "skip_overhead_ms": result.skip_overhead(),
        "missing": result.missing,
        "correct": result.correct,
    }


def _row_json(name: str, row: Row, result: Result) -> dict[str, object]:
    return {
        "name": name,
        "seconds": row.seconds,
        "median": row.median,
        "min": min(row.seconds),
        "max": max(row.seconds),
        "ratio": result.ratio(row),
        "counts": {"hit": row.account.hit, "run": row.account.run} if row.account else None,
        "account": list(row.account.lines()) if row.account else [],
        "identical": not row.wrong if row.compared else None,
        "wrong": sorted(row.wrong),
    }
