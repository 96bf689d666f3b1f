"""``procache config show``: every setting with its value, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from procache.config import layers, sources
from procache.config.layers import Settings
from procache.config.settings import SETTINGS
from procache.report.options import Options
from procache.report.output import Output
from procache.report.text import Style
from procache.store.layout import locate

INFINITE = float("inf")


def run(options: Options, output: Output) -> int:
    """Show what holds in the working folder. Raises UsageError for wrong settings."""
    files = sources.files(options.config)
    found = layers.load(locate(options.cache_dir), files, sources.variables())
    if options.json:
        output.json({"files": files, "settings": as_json(found)})
    else:
        output.lines(lines(found, output.style, options.origin))
    return 0


def as_json(found: Settings) -> dict[str, Any]:
    """Value, origin and meaning of each key."""
    return {
        name: {
            "value": "inf" if value == INFINITE else value,
            "origin": found.origins[name],
            "about": SETTINGS[name].about,
        }
        for name, value in found.values.items()
    }


def lines(found: Settings, style: Style, origin: bool) -> Iterator[str]:
    """Each key as it would stand in a file, below a comment that says what it means and where it is from."""
    for name, value in found.values.items():
        about = f"# {SETTINGS[name].about}" + (f" ({found.origins[name]})" if origin else "")
        yield style.paint(about, "dim")
        yield f"{name} = {as_toml(value)}"


def as_toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert isinstance(value, (int, float))
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)
