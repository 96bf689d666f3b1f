"""Runs and reasons as values that JSON can hold.

Bytes (arguments, file names) are decoded as UTF-8 with ``surrogateescape``, so that a reader in
Python gets them back with ``.encode("utf-8", "surrogateescape")``. Digests, which are bytes of no
alphabet, become hexadecimal where the aspect says that they are digests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from procache.model.reasons import Reason
from procache.model.redaction import shown
from procache.report import values
from procache.report.journal import Run
from procache.report.tree import Execution

#: What of an execution JSON holds as it is.
FIELDS = (
    *("id", "parent", "outcome", "key", "started", "ended", "status"),
    *("utime", "stime", "maxrss", "saved", "nested"),
)


def plain(value: object) -> Any:
    """``value`` with everything in it made fit for JSON; what JSON has no word for becomes its text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def _key(key: object) -> str:
    return key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else str(key)


def reason(why: Reason) -> dict[str, Any]:
    """A reason with its sentence."""
    digests = why.get("aspect") != "target"
    told = {key: _hex(value) if digests else value for key, value in why.items()}
    return {**plain(told), "sentence": values.explain(why)}


def _hex(value: object) -> object:
    """``value`` with digests (an algorithm letter and 16 or 32 bytes) in hexadecimal."""
    if isinstance(value, bytes) and values.is_digest(value):
        return value[:1].decode() + ":" + value[1:].hex()
    if isinstance(value, (list, tuple)):
        return [_hex(item) for item in value]
    return value


def run(told: Run) -> dict[str, Any]:
    """A run without its executions."""
    return {
        "id": told.id,
        "version": told.version,
        "argv": plain(shown(told.argv)),
        "cwd": plain(told.cwd),
        "host": told.host,
        "pid": told.pid,
        "options": told.options,
        "started": told.started or None,
        "ended": told.ended,
        "seconds": told.took,
        "status": told.status,
        "complete": told.ended is not None,
        "counts": told.counts._asdict(),
        "saved": told.saved,
        "notes": told.notes,
    }


def execution(node: Execution, depth: int) -> dict[str, Any]:
    """An execution without its children, which name it as their parent."""
    return {
        "depth": depth,
        **{name: getattr(node, name) for name in FIELDS},
        "argv": plain(shown(node.argv)),
        "exe": plain(node.exe),
        "cwd": plain(node.cwd),
        "seconds": node.took,
        "reasons": [reason(why) for why in node.reasons],
    }


def dump(value: Any) -> str:
    """``value`` as JSON text in ASCII, so that lone surrogates stay what they are."""
    return json.dumps(value, indent=2, allow_nan=False)


def dump_array(items: Iterable[Any]) -> Iterable[str]:
    """Lines of a JSON array with one item a line, made as they are written."""
    start = "["
    for item in items:
        yield start + json.dumps(item, allow_nan=False)
        start = ","
    yield "[]" if start == "[" else "]"
