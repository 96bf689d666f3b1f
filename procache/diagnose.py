"""Would a command be a hit now, and if not, why? The question of ``check`` and ``explain --``; nothing is run."""

from __future__ import annotations

import itertools

from procache.config.sources import policy as settings
from procache.front import Front
from procache.model.command import FIELD_NAMES
from procache.model.match import ALL, match
from procache.model.policy import TRACERS
from procache.model.reasons import Reason, reason
from procache.model.redaction import shown
from procache.store import records
from procache.store.layout import locate
from procache.world.inherited import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procache.model.record import Record

#: So many variants are compared in full, though not all of them may be likely to fit.
MOST = 16


#: Among so many commands, those used last, the nearest is looked for: some seconds.
MOST_COMMANDS = 20_000


def diagnose(
    argv: list[bytes], cache_dir: str | None, config: str | None, given: dict[str, object]
) -> dict[str, object]:
    """What is known of ``argv``: ``outcome``, ``variants`` (with all differences of each), ``nearest`` other command.

    ``nearest`` is told where nothing is recorded for this very command: the record with the fewest other fields.
    ``config``: the file of ``--config``; ``given``: attributes of the policy. Raises CommandError where the program
    cannot be found, StoreError where the store cannot be used, UsageError for wrong settings.
    """
    layout = locate(cache_dir)
    policy = settings(layout, config, given)
    layout.prepare()
    front = Front(argv, layout, policy)
    if why := always_run(front):
        return {"outcome": "uncacheable", "variants": [], "nearest": None, "reasons": [why]}
    variants: list[dict[str, object]] = []
    refused: list[Reason] = []
    for record in compared(front, refused):
        found = match(record, front.world, front, policy, most=ALL)
        variants.append({"stored": record.stored, "differences": found.differences})
    hit = any(not variant["differences"] for variant in variants)
    nearest = None if variants else nearest_command(front)
    return {"outcome": "hit" if hit else "miss", "variants": variants, "nearest": nearest, "reasons": refused}


def compared(front: Front, refused: list[Reason]) -> Iterator[Record]:
    """The records that a run would compare with the world, and the newest of the others, up to ``MOST``.

    ``refused`` gets why others may not be used.
    """
    file = records.find(front.layout, front.command.key)
    if file is None:
        return
    with file:
        likely = dict.fromkeys(file.likely_places(front.world, front, front.policy))
        others = (place for place in range(min(file.count, MOST)) if place not in likely)
        for place in (*likely, *itertools.islice(others, max(0, MOST - len(likely)))):
            record = file.believed(place, front.command.fields())
            if record is not None:
                yield record
        refused += file.refused


def always_run(front: Front) -> Reason | None:
    """Why a command is run whatever is recorded, if it is."""
    program = front.command.program
    if program in TRACERS:
        return reason("ptrace", detail=program)
    if front.policy.is_never_cached(program, front.argv):
        return reason("never-cache", detail=program)
    return reason("never-skipped", detail=program) if program in front.policy.never_skipped else None


def nearest_command(front: Front) -> dict[str, object] | None:
    """The recorded command of the same program that differs in the fewest fields, and how."""
    best: tuple[int, Record, list[Reason]] | None = None
    for record in records.lately_used(front.layout, MOST_COMMANDS):
        if not same_program(record, front):
            continue
        differences = field_differences(record, front)
        weight = sum(len(str(item["recorded"])) for item in differences) + 1000 * len(differences)
        if best is None or weight < best[0]:
            best = (weight, record, differences)
    if best is None:
        return None
    return {"argv": list(shown(best[1].command[1])), "differences": best[2]}  # type: ignore[arg-type]


def same_program(record: Record, front: Front) -> bool:
    """True when a record is of the program that is asked about."""
    exe = record.command[0]
    return isinstance(exe, bytes) and exe.rpartition(b"/")[2] == front.command.program


def field_differences(record: Record, front: Front) -> list[Reason]:
    """The fields of the command that are not as recorded; the environment by the names of what changed."""
    found = []
    now = front.command.fields()
    for name, old, new in zip(FIELD_NAMES, record.command, now, strict=True):
        if old == new:
            continue
        if name == "environment":
            old, new = environment_difference(record.environment, front.command.env.names())
            if old == new:
                old, new = (b"another list of ignored variables, or another --strict",), (b"the present one",)
        elif name == "arguments":
            old, new = shown(old), shown(new)  # type: ignore[arg-type]
        elif name == "attributes":
            old, new = items_difference(old, new)
        elif name == "inherited state":
            old, new = inherited_difference(old, new)
        found.append(reason("command-differs", aspect=name, recorded=old, current=new))
    return found


def environment_difference(
    old: list[tuple[bytes, bytes]], new: list[tuple[bytes, bytes]]
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Names (of variables) that were there with another value or only then; and those that are now."""
    before, after = set(old), set(new)
    return tuple(sorted(name for name, _ in before - after)), tuple(sorted(name for name, _ in after - before))


def inherited_difference(old: object, new: object) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The fields of /proc/PID/status that differ, as ``name value``."""
    assert isinstance(old, tuple) and isinstance(new, tuple)
    pairs = [(name, a, b) for name, a, b in zip(FIELDS, old, new, strict=True) if a != b]
    return tuple(name + b" " + a for name, a, _ in pairs), tuple(name + b" " + b for name, _, b in pairs)


def items_difference(old: object, new: object) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The limits and the like that differ."""
    assert isinstance(old, bytes) and isinstance(new, bytes)
    before, after = old.split(b";"), new.split(b";")
    return tuple(item for item in before if item not in after), tuple(item for item in after if item not in before)
