"""``procache gc``: deletes what was not used for longest, and says what that freed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from procache.config import sources
from procache.errors import StoreError
from procache.report import jsonable, store, text
from procache.report.options import Options
from procache.report.output import Output
from procache.store import choice, gc, project
from procache.store.choice import Limits
from procache.store.layout import Layout, locate
from procache.store.scan import BLOB, JOURNAL, RECORD

#: One of each kind, and several.
WORDS = {
    RECORD: ("record file", "record files"),
    BLOB: ("blob", "blobs"),
    JOURNAL: ("journal", "journals"),
    gc.TEMPORARY: ("temporary file", "temporary files"),
    gc.DAMAGED: ("damaged file", "damaged files"),
}


def run(options: Options, output: Output) -> int:
    """Bring the store within the limits that were asked for, or else those of the settings."""
    layout = locate(options.cache_dir)
    prepare(layout)
    try:
        figures = collect(layout, options)
    except gc.Busy:
        output.remark("somebody else is deleting things from this store; nothing was done")
        return 0
    except OSError as error:
        raise StoreError(f"cannot delete from {text.path(layout.top)}: {error.strerror}") from error
    if options.json:
        output.json(as_json(layout, figures, options.dry_run))
    else:
        output.lines(lines(figures, options.dry_run))
    return 0


def prepare(layout: Layout) -> None:
    """Make sure that there is a store, which is ours. Raises StoreError."""
    if not store.there(layout):
        raise StoreError(f"there is no store in {text.path(layout.top)}")
    layout.prepare()


def collect(layout: Layout, options: Options) -> gc.Figures:
    """What was asked for. Raises gc.Busy, OSError, UsageError."""
    if options.project is not None:
        folder = project.folder_of(options.project)
        return project.collect(layout, folder, options.older_than or 0.0, dry=options.dry_run)
    return gc.collect(layout, limits(layout, options), dry=options.dry_run)


def limits(layout: Layout, options: Options) -> Limits:
    """The limits of the command line; those of the settings where it names none."""
    found = choice.limits(sources.policy(layout, None, {}))
    if options.max_size is None and options.older_than is None:
        return found
    size = options.max_size
    return Limits(size, size or 0, options.older_than or 0.0, found.journal_age)


def as_json(layout: Layout, figures: gc.Figures, dry: bool) -> dict[str, Any]:
    """All figures; sizes in bytes on disk."""
    remains = {kind: figures.remains(kind) for kind in figures.before}
    return {
        "cache_dir": jsonable.plain(layout.top),
        "dry_run": dry,
        "removed": {kind: {"count": gone.files, "bytes": gone.bytes} for kind, gone in figures.removed.items()},
        "freed": sum(gone.bytes for gone in figures.removed.values()),
        "remains": {kind: {"count": files, "bytes": size} for kind, (files, size) in remains.items()},
        "bytes": figures.size,
    }


def lines(figures: gc.Figures, dry: bool) -> Iterator[str]:
    """What was deleted, and what is left, each in a line."""
    gone = [(kind, one.files, one.bytes) for kind, one in figures.removed.items() if one.files]
    freed = sum(size for _, _, size in gone)
    if gone:
        yield f"{'would delete' if dry else 'deleted'} {_words(gone)}: {text.size(freed)}"
    else:
        yield "nothing to delete"
    left = [(kind, *figures.remains(kind)) for kind in figures.before]
    yield f"{'would leave' if dry else 'there remain'} {_words(left)}: {text.size(figures.size)}"


def _words(counted: list[tuple[str, int, int]]) -> str:
    return ", ".join(text.many(number, *WORDS[kind]) for kind, number, _ in counted)
