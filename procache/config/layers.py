"""The sources one over the other: for each key its value, and where it comes from."""

from __future__ import annotations

import os

from procache.config import OTHER_VARIABLES, toml
from procache.config.settings import SETTINGS, Wrong, built_in, policy_of
from procache.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from procache.model.policy import Policy
    from procache.store.layout import Layout

BUILT_IN = "built in"


class Settings:
    """``values`` and ``origins`` (words for people: a file with its line, a variable, an option) by key."""

    __slots__ = ("values", "origins")

    def __init__(self) -> None:
        self.values = built_in()
        self.origins = dict.fromkeys(self.values, BUILT_IN)

    def put(self, name: str, raw: object, folder: str, origin: str) -> None:
        """Set a key from a stronger source. Raises UsageError, which names ``origin``."""
        try:
            self.values[name] = SETTINGS[name].kind.check(raw, self.values[name], folder)
        except Wrong as error:
            raise UsageError(f"{origin}: {name} must be {error}") from error
        self.origins[name] = origin


def load(layout: Layout | None, files: Iterable[str], variables: dict[str, str]) -> Settings:
    """Put ``files`` (the weakest first) and then variables over what is built in. Raises UsageError."""
    found = Settings()
    for path in files:
        for name, (value, line) in toml.read(path, layout).items():
            origin = f"{path}, line {line}"
            if name not in SETTINGS:
                unknown(f"{origin}: there is no key {name!r}", name, SETTINGS)
            found.put(name, value, os.path.dirname(path), origin)
    by_variable = {f"PROCACHE_{name.upper()}": name for name in SETTINGS}
    for variable, text in variables.items():
        if variable not in by_variable:
            unknown(f"there is no setting for the variable {variable}", variable, (*by_variable, *OTHER_VARIABLES))
        name = by_variable[variable]
        found.put(name, SETTINGS[name].kind.read(text), os.getcwd(), f"variable {variable}")
    return found


def unknown(what: str, name: str, names: Iterable[str]) -> NoReturn:
    """Raise UsageError for a name that is not among ``names``; it says which comes nearest."""
    from difflib import get_close_matches

    near = get_close_matches(name, names := list(names), 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise UsageError(f"{what}; {hint}")


def policy(settings: Settings) -> Policy:
    """The policy that the settings make."""
    return policy_of(settings.values)
