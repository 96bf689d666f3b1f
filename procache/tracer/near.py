"""Keeping the tracer on the CPU of the tracee that it serves, while there is one at a time to serve.

A stop costs two switches between tracer and tracee. On one CPU that is a few microseconds; across CPUs
each switch wakes an idle CPU, which in a virtual machine costs tens of microseconds: a script of short jobs
takes half as long again. So a tree that runs one process at a time is kept on one CPU together with
the tracer.

It must never take parallelism: a timer looks at what is runnable, and two runnable processes, or a
second thread, set everything free. And it must not be seen: before a tracee asks for its affinity (or reads
it in /proc), or sets it, it gets back the affinity that it would have.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import time

from ptrace.ctypes_libc import libc

from procache.tracer import arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procache.tracer.tracee import Process, Tracee

#: Seconds between two looks, and looks without parallelism until the tree is kept together again.
PERIOD = 0.02
CALM = 8
#: So many looks in a row must see parallelism: a process that ends while its parent wakes is seen as two that run.
SURE = 2
#: Looks during which a second crowded CPU means that all are.
RESTLESS = 5
#: Share of a period (ns) that the tracer may wait for its CPU before that one is left to others.
CROWDED_NS = 6_000_000
#: A fork takes less than this (s), from the copy of its parent's affinity until it is heard of.
RECENT = 0.25
#: Bytes of the largest set of CPUs that Linux knows (NR_CPUS 8192).
MOST_MASK = 1024
#: Bytes of an unsigned long: such sets have a multiple of it.
WORD = 8
#: More processes than this are taken for parallel without looking.
MOST = 12


class Near:
    """The affinity of the tracer and its tracees. ``tracees`` is the loop's table."""

    __slots__ = (
        "allowed",
        "mask",
        "least",
        "tracees",
        "together",
        "calm",
        "cpu",
        "waited",
        "enabled",
        "moved",
        "tracer",
        "parallel",
        "lock",
        "place",
        "changed",
        "lent",
    )

    def __init__(self, tracees: dict[int, Tracee]) -> None:
        self.allowed = os.sched_getaffinity(0)
        #: the same as the kernel writes it, or nothing where only one CPU is allowed
        self.mask = own_mask(MOST_MASK) if len(self.allowed) > 1 else b""
        #: the smallest room (bytes) that the kernel writes it to, cut to that
        self.least = next((size for size in range(WORD, MOST_MASK, WORD) if own_mask(size)), MOST_MASK)
        self.tracees = tracees
        #: the thread that traces; the timer is another one
        self.tracer = _thread.get_native_id()
        self.enabled = len(self.allowed) > 1
        self.together = False
        self.calm = 0
        self.cpu = 0
        self.waited = 0
        self.moved = 0
        self.parallel = 0
        #: held while affinities are set, by the timer or for a tracee
        self.lock = _thread.allocate_lock()
        #: where all tracees are that are not free, and since when (s, monotonic)
        self.place = self.allowed
        self.changed = 0.0
        #: processes that have their own affinity for the time of a call
        self.lent: set[Process] = set()

    def start(self) -> None:
        """Begin: the root was seized and waits for its start."""
        if not self.enabled:
            return
        try:
            _thread.start_new_thread(self._serve, ())
        except RuntimeError:  # no thread is to be had: everybody stays where they are
            self.enabled = False
            return
        self._gather()

    def _serve(self) -> None:
        while self.enabled:
            time.sleep(PERIOD)
            if self.enabled:
                self._tick()

    def stop(self) -> None:
        """End: the tracer may run anywhere again."""
        if self.enabled:
            self.enabled = False
            self._set(self.tracer, self.allowed)

    def release(self, process: Process) -> None:
        """Give a process its own affinity back, for good: it has threads, or is about to ask or set it."""
        if not process.free and self.enabled:
            with self.lock:
                process.free = True
                self._put(process, self.allowed)

    def joined(self, t: Tracee) -> None:
        """A child is followed from now on: since it was made, all may have been set elsewhere, and it not with them."""
        if time.monotonic() - self.changed < RECENT and not t.process.free:
            with self.lock:
                self._set(t.tid, self.place)

    def lend(self, process: Process) -> bool:
        """Give a process its own affinity back for the time of one call; True where ``take_back`` is to follow."""
        if process.free or not self.enabled:
            return False
        with self.lock:
            self.lent.add(process)
            self._put(process, self.allowed)
        return True

    def take_back(self, process: Process) -> None:
        """The call is over."""
        with self.lock:
            self.lent.discard(process)
            if not process.free:
                self._put(process, self.place)

    def _put(self, process: Process, cpus: set[int]) -> None:
        for tid in process.threads:
            self._set(tid, cpus)

    def _gather(self) -> None:
        here = libc.sched_getcpu()
        self.cpu = here if here in self.allowed else min(self.allowed)
        self.together = True
        self.parallel = self.waited = 0
        self._everywhere({self.cpu})

    def _elsewhere(self) -> None:
        """Something else wants this CPU: try the next one, or let go where that was tried just now."""
        if self.moved:
            self.moved = 0
            return self._scatter()
        self.moved = RESTLESS
        others = sorted(self.allowed)
        self.cpu = others[(others.index(self.cpu) + 1) % len(others)]
        return self._everywhere({self.cpu})

    def _scatter(self) -> None:
        self.together = False
        self.calm = 0
        self._everywhere(self.allowed)

    def _everywhere(self, cpus: set[int]) -> None:
        with self.lock:
            self.place, self.changed = cpus, time.monotonic()
            self._set(self.tracer, cpus)
            for t in list(self.tracees.values()):
                if not t.process.free and t.process not in self.lent:
                    self._set(t.tid, cpus)

    @staticmethod
    def _set(tid: int, cpus: set[int]) -> None:
        try:
            os.sched_setaffinity(tid, cpus)
        except OSError:
            pass  # it has just ended

    def _tick(self) -> None:
        self.moved = max(0, self.moved - 1)
        if self.together:
            self.parallel = self.parallel + 1 if self._parallel() else 0
            if self.parallel >= SURE or len(self.tracees) > MOST:
                self._scatter()
            elif self._crowded():
                self._elsewhere()
        elif self._parallel():
            self.calm = 0
        else:
            self.calm += 1
            if self.calm >= CALM:
                self._gather()

    def _parallel(self) -> bool:
        """True when two tracees could run at this moment."""
        if len(self.tracees) > MOST:
            return True
        running = 0
        for tid in list(self.tracees):
            try:
                fd = os.open(b"/proc/%d/stat" % tid, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                running += os.read(fd, 512).rpartition(b") ")[2][:1] == b"R"
            except OSError:
                pass  # it has just ended
            finally:
                os.close(fd)
        return running > 1

    def _crowded(self) -> bool:
        """True when something else wants this CPU: the tracer had to wait for it."""
        try:
            with open(f"/proc/self/task/{self.tracer}/schedstat", "rb", buffering=0) as file:
                waited = int(file.read(128).split()[1])
        except (OSError, IndexError, ValueError):
            return False
        before, self.waited = self.waited, waited
        return before > 0 and waited - before > CROWDED_NS


def own_mask(most: int) -> bytes:
    """What sched_getaffinity(2) itself, without the C library, writes for this thread to so many bytes of room."""
    room = ctypes.create_string_buffer(most)
    size = libc.syscall(arch.NUMBERS["sched_getaffinity"], 0, most, room)
    return room.raw[:size] if size > 0 else b""
