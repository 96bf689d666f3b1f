"""What happened and why: ``log``, ``show``, ``explain``, ``stats`` and ``clear``.

Journal -> ``Run`` (journal, tree) -> what is to be seen (causes, folding, totals) -> lines of text or
JSON. Nothing here looks at records or at the machine, save ``explain -- CMD``, which asks the
matcher itself.
"""

from procache.report.command import main

__all__ = ["main"]
