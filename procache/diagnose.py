"""Would a command be a hit now, and if not, why? The question of ``check`` and ``explain --``; nothing is run."""

from __future__ import annotations

import itertools
import os
from difflib import SequenceMatcher
from typing import NamedTuple, TypeVar

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
    from collections.abc import Iterable, Iterator

    from procache.model.record import Record
    from procache.store.layout import Layout

#: What a command is asked about by.
Name = TypeVar("Name")
#: ``argv`` of a recorded command, and its ``differences`` as reasons.
Nearest = dict[str, object]

#: So many variants are compared in full, though not all of them may be likely to fit.
MOST = 16


#: Among so many commands, those used last, the nearest is looked for: some seconds; and for a run that was.
MOST_COMMANDS, FEWER_COMMANDS = 20_000, 4_000
#: What a field that differs counts at least; and the characters of arguments that are held against each other.
A_FIELD, MOST_ALIKE = 1000, 400


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
    now = Asked(front.command.fields(), front.command.env.names())
    nearest = None if variants else nearest_commands(records.lately_used(layout, MOST_COMMANDS), {"": now}).get("")
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


class Asked(NamedTuple):
    """A command that nothing was recorded for: its fields, and its environment as a record has it."""

    fields: tuple[object, ...]
    environment: list[tuple[bytes, bytes]]

    @property
    def program(self) -> bytes:
        """The name of the executable."""
        return name_of(self.fields)


def name_of(fields: tuple[object, ...]) -> bytes:
    """The name of the executable of a command."""
    return fields[0].rpartition(b"/")[2] if isinstance(fields[0], bytes) else b""


def nearest_before(layout: Layout, keys: dict[Name, bytes], before: float) -> dict[Name, Nearest]:
    """For each command key of a run, where it was recorded then: the command nearest to it that had been ``before``."""
    asked: dict[Name, Asked] = {}
    for name, key in keys.items():
        record = next(records.load(layout, key), None)
        if record is not None:
            asked[name] = Asked(record.command, record.environment)
    if not asked:
        return {}
    known = records.lately_used(layout, FEWER_COMMANDS)
    return nearest_commands((record for record in known if record.stored < before), asked)


def nearest_commands(known: Iterable[Record], asked: dict[Name, Asked]) -> dict[Name, Nearest]:
    """Of the recorded commands of the same program, the one that differs in the fewest fields, and how it does."""
    best: dict[Name, tuple[int, Record, list[Reason]]] = {}
    programs = {name: one.program for name, one in asked.items()}
    for record in known:
        program = name_of(record.command)
        for name in [name for name, wanted in programs.items() if wanted == program]:
            differences = field_differences(record, asked[name])
            far = sum(map(distance, differences))
            if differences and (name not in best or far < best[name][0]):
                best[name] = (far, record, differences)
    return {
        name: {"argv": list(shown(record.command[1])), "differences": differences}  # type: ignore[arg-type]
        for name, (_, record, differences) in best.items()
    }


def distance(difference: Reason) -> int:
    """How much one field that differs counts: first of all that it does; of arguments, the less the more alike."""
    old, new = (str(difference.get(name, "")) for name in ("recorded", "current"))
    if difference.get("aspect") != "arguments":
        return A_FIELD + min(len(old), A_FIELD - 1)
    alike = SequenceMatcher(None, old[:MOST_ALIKE], new[:MOST_ALIKE]).quick_ratio()
    return A_FIELD + int(A_FIELD * (1 - alike))


def field_differences(record: Record, now: Asked) -> list[Reason]:
    """The fields of the command that are not as recorded; the environment by the names of what changed."""
    found = []
    for name, old, new in zip(FIELD_NAMES, record.command, now.fields, strict=True):
        if old == new:
            continue
        if name == "environment":
            told = environment_difference(record.environment, now.environment)
            found.append(reason("environment-differs", detail=told))
            continue
        if name == "arguments":
            old, new = shown(old), shown(new)  # type: ignore[arg-type]
        elif name == "attributes":
            old, new = items_difference(old, new)
        elif name == "inherited state":
            old, new = inherited_difference(old, new)
        found.append(reason("command-differs", aspect=name, recorded=old, current=new))
    return found


def environment_difference(old: list[tuple[bytes, bytes]], new: list[tuple[bytes, bytes]]) -> str:
    """The names of variables that are not as they were, in words."""
    before, after = dict(old), dict(new)
    other = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    added, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    kinds = {"set only now": added, "set only when recorded": gone, "another value": other}
    told = [f"{os.fsdecode(b', '.join(names))}: {kind}" for kind, names in kinds.items() if names]
    return "; ".join(told) or "another list of ignored variables, or another --strict"


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
