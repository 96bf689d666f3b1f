"""Which files and variables there are. Everything here is on the path of a warm hit."""

from __future__ import annotations

import os

from procache.config import OF_TESTS, OTHER_VARIABLES
from procache.errors import UsageError
from procache.model import redaction
from procache.model.policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.store.layout import Layout

NAME = "procache.toml"
#: What the command line says: attributes of a ``Policy``.
Options = dict[str, object]


def user_file() -> str:
    """Path of the user's own file, which need not be there (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "procache", NAME)


def project_file(folder: str) -> str | None:
    """The nearest file in ``folder`` or above it that belongs to this user or to root, if there is one.

    What others have put into a shared folder (``/tmp/procache.toml``) is none of ours.
    """
    while True:
        path = os.path.join(folder, NAME)
        try:
            if os.stat(path).st_uid in (os.geteuid(), 0):
                return path
        except OSError:
            pass  # not there, or not to be seen
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def files(explicit: str | None) -> list[str]:
    """The files that count now, the weakest first. Raises UsageError where one that was named is missing."""
    try:
        project = project_file(os.getcwd())
    except OSError:
        project = None  # the working folder no longer exists
    found = [path for path in (user_file(), project) if path is not None and os.path.isfile(path)]
    for named in (os.environ.get("PROCACHE_CONFIG"), explicit):
        if named:
            if not os.path.exists(named):
                raise UsageError(f"the configuration file {named} does not exist")
            found.append(os.path.abspath(named))
    return list(dict.fromkeys(reversed(found)))[::-1]


def variables() -> dict[str, str]:
    """The ``PROCACHE_*`` variables that stand for keys, by name."""
    names = [name for name in os.environ if name.startswith("PROCACHE_")]
    return {name: os.environ[name] for name in names if name not in OTHER_VARIABLES and not name.startswith(OF_TESTS)}


def policy(layout: Layout | None, explicit: str | None, options: Options) -> Policy:
    """The policy of this run. Raises UsageError for a wrong key or value."""
    found, named = files(explicit), variables()
    made = Policy()
    if found or named:
        from procache.config import layers

        made = layers.policy(layers.load(layout, found, named))
    for name, value in options.items():
        setattr(made, name, value)
    redaction.use(made.redact)
    return made
