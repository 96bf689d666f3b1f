"""Files that are opened, in every way there is."""

from __future__ import annotations

from ..case import Hit
from ..make import appears, case, content, fifo, folder, gone, longer, mode, owner, steps, touched, unrelated

ONE = "echo one > in"

CASES = (
    case(
        "open/read",
        steps("open in r read 100"),
        ONE,
        content(),
        longer(),
        gone(),
        folder(),
        touched(hit=Hit.REQUIRED),
        unrelated(),
        again=Hit.REQUIRED,
        quick=True,
    ),
    case("open/creat", steps("cat in open out wct write x"), ONE, content(), folder("out"), quick=True),
)
__all__ = ["CASES", "appears", "fifo", "mode", "owner"]
