"""Carrying out a torture: trials in some places at once, figures, and the promises that were broken."""

from __future__ import annotations

import math
import os
import queue
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .place import Place

Item = TypeVar("Item")


class Bench:
    """``root`` is a folder for it alone; ``seed`` makes what is chosen at random the same again.

    No trial begins when ``limit`` seconds have passed.
    """

    def __init__(self, root: Path, library: Path, *, seed: int = 1, jobs: int = 2, limit: float = math.inf) -> None:
        self.root, self.library, self.seed, self.jobs, self.limit = root, library, seed, jobs, limit
        self.random = random.Random(seed)
        self.figures: Counter[str] = Counter()
        self.broken: list[str] = []
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        root.mkdir()

    def count(self, what: str, many: int = 1) -> None:
        """Add to a figure."""
        with self._lock:
            self.figures[what] += many

    def promise(self, kept: bool, what: str) -> None:
        """Note a promise that was not kept; ``what`` says how to see it again."""
        if kept:
            return
        with self._lock:
            self.broken.append(what)
            print(f"BROKEN: {what}", file=sys.stderr, flush=True)

    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._begin

    def place(self, name: str) -> Place:
        """A new place."""
        return Place(self.root / name, self.library)

    def each(
        self, items: Iterable[Item], trial: Callable[[Place, Item], None], prepare: Callable[[Place], object]
    ) -> None:
        """Do a trial for each item, as many at once as there are jobs, each of these in a place that was prepared."""
        free: queue.Queue[Place] = queue.Queue()

        def one(item: Item) -> None:
            if self.seconds() > self.limit:
                return self.count("trials left out for lack of time")
            place = free.get()
            try:
                trial(place, item)
            except Exception as error:  # noqa: BLE001 - the other trials go on
                self.promise(False, f"trial {item}: {type(error).__name__}: {error}")
            finally:
                free.put(place)

        places = [self.place(f"place-{len(os.listdir(self.root))}-{number}") for number in range(self.jobs)]
        for place in places:
            prepare(place)
            free.put(place)
        with ThreadPoolExecutor(self.jobs) as pool:
            for _ in pool.map(one, items):
                pass
        for place in places:
            shutil.rmtree(place.root, ignore_errors=True)
