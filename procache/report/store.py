"""``procache store``: what is done to a store as a whole.

``migrate`` carries one of an older format over; ``create`` makes one, for one user or for a group.
"""

from __future__ import annotations

import os

from procache.errors import StoreError, UsageError
from procache.model.policy import Policy
from procache.report import jsonable, text
from procache.report.options import Options
from procache.report.output import Output
from procache.report.runs import NothingThere
from procache.store import migrate, sharing
from procache.store.layout import VERSION, Layout, locate


def run(options: Options, output: Output) -> int:
    """Carry the store over, or create one."""
    layout = locate(options.folder or options.cache_dir)
    if options.what == "create":
        return create(layout, options, output)
    if options.folder or options.shared or options.group:
        raise UsageError("migrate takes no DIR, --shared or --group; name the store with --cache-dir")
    carried = carry(layout)
    if options.json:
        output.json({name: getattr(carried, name) for name in carried.__slots__})
    else:
        output.lines([f"carried over to {VERSION.decode()} in {text.path(layout.top)}: {words(carried)}"])
    return 0


def create(layout: Layout, options: Options, output: Output) -> int:
    """Make a store. Raises UsageError, StoreError."""
    if options.group and not options.shared:
        raise UsageError("--group goes with --shared")
    there = os.path.isdir(layout.root)
    try:
        if options.shared:
            sharing.create(layout, sharing.group_of(options.group))
        layout.prepare()
        group = os.stat(layout.top).st_gid
    except OSError as error:
        raise StoreError(f"cannot create a store in {text.path(layout.top)}: {error.strerror}") from error
    if options.json:
        created = {"folder": jsonable.plain(layout.top), "shared": layout.shared, "group": group, "created": not there}
        output.json(created)
    else:
        whose = f"for all members of group {group}" if layout.shared else "for you alone"
        what = "there was a store already" if there else "created a store"
        output.lines([f"{what} {whose} in {text.path(layout.top)}; use it with --cache-dir or PROCACHE_DIR"])
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


def there(layout: Layout) -> bool:
    """Whether there is a store. Raises StoreError where that cannot be told, or where it cannot be looked into."""
    try:
        os.scandir(layout.root).close()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"cannot read {text.path(layout.root)}: {error.strerror}") from error
    return True


def tell_of_older(layout: Layout, output: Output) -> None:
    """Say so where the cache folder has a store of an older format beside this one."""
    if migrate.there(layout):
        output.remark("there is a store of an older format too; `procache store migrate` carries it over")


def words(carried: migrate.Carried) -> str:
    """What was carried over, in one phrase."""
    names = {"record": carried.records, "blob": carried.blobs, "run": carried.runs}
    parts = ", ".join(text.many(number, name) for name, number in names.items())
    return f"{parts} ({carried.unreadable} unreadable)" if carried.unreadable else parts
