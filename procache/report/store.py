"""``procache store``: what is done to a store as a whole. ``migrate`` carries one of an older format over."""

from __future__ import annotations

from procache.errors import StoreError
from procache.model.policy import Policy
from procache.report import text
from procache.report.options import Options
from procache.report.output import Output
from procache.report.runs import NothingThere
from procache.store import migrate
from procache.store.layout import VERSION, Layout, locate


def run(options: Options, output: Output) -> int:
    """Carry the store over."""
    layout = locate(options.cache_dir)
    carried = carry(layout)
    if options.json:
        output.json({name: getattr(carried, name) for name in carried.__slots__})
    else:
        output.lines([f"carried over to {VERSION.decode()} in {text.path(layout.top)}: {words(carried)}"])
    return 0


def carry(layout: Layout) -> migrate.Carried:
    """Migrate. Raises NothingThere, StoreError."""
    name = text.path(layout.top)
    if not migrate.there(layout):
        raise NothingThere(f"nothing to migrate: there is no store of an older format in {name}")
    layout.prepare()
    try:
        return migrate.migrate(layout, Policy().max_variants)
    except OSError as error:
        raise StoreError(f"not everything in {name} could be carried over: {error}; the old store is kept") from error


def tell_of_older(layout: Layout, output: Output) -> None:
    """Say so where the cache folder has a store of an older format beside this one."""
    if migrate.there(layout):
        output.remark("there is a store of an older format too; `procache store migrate` carries it over")


def words(carried: migrate.Carried) -> str:
    """What was carried over, in one phrase."""
    names = {"record": carried.records, "blob": carried.blobs, "run": carried.runs}
    parts = ", ".join(text.many(number, name) for name, number in names.items())
    return f"{parts} ({carried.unreadable} unreadable)" if carried.unreadable else parts
