"""A store of a million record files and 100 GB of blobs, all of them sparse: how long eviction takes, and what memory.

What was used last stays, the store is as small as it was to be, and the memory does not grow with the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time

from procache.store import scan
from procache.store.layout import Layout

from .bench import Bench
from .place import Place

#: Record files, blobs, and the length of a blob (bytes) of the whole form and the quick one.
WHOLE, QUICK = (1_000_000, 100_000, 1_000_000), (3000, 600, 1_000_000)
#: Bytes that each file counts for: it has no blocks of its own.
EACH = 4096
#: How long ago (s) the files were used, each so much before the one before it.
RECORD_STEP, BLOB_STEP = 30.0, 300.0
#: What the quick form may take at most (KiB): Python itself, and what one folder has.
MOST = 100_000


#: What ``procache gc --json`` does; then the memory that it took at most, which rusage would mix with this process's.
GC = """
import sys
from procache.cli import main
status = main(["gc", "--json", *sys.argv[1:]])
sys.stderr.write(open("/proc/self/status").read())
sys.exit(status)
"""


def torture(bench: Bench, whole: bool) -> None:
    """See the module."""
    records, blobs, length = WHOLE if whole else QUICK
    place = bench.place("large")
    layout = Layout(os.fsencode(place.store))
    layout.prepare()
    make(layout.records, records, EACH, RECORD_STEP)
    make(layout.blobs, blobs, length, BLOB_STEP)
    bench.count("files", records + blobs)
    bench.count("bytes of blobs by their lengths", blobs * length)
    most = (records + blobs) * EACH // 2
    used = 0
    for said, words in (("scanning", ["--max-size", "1T"]), ("evicting half", ["--max-size", str(most)])):
        seconds, memory, told = collect(place, words)
        used = max(used, memory)
        bench.count(f"ms of {said}", int(seconds * 1000))
        bench.promise(told["bytes"] <= max(most, (records + blobs) * EACH * (said == "scanning")), f"{said}: {told}")
    bench.count("KiB of memory at most", used)
    bench.promise(whole or used < MOST, f"{used} KiB of memory")
    left = [entry.mtime for entry in scan.entries(layout)]
    bench.promise(len(left) * EACH <= most, f"{len(left)} files remain")
    oldest = time.time() - RECORD_STEP * records / 2 - 2 * BLOB_STEP
    bench.promise(min(left) / 1e9 > oldest - RECORD_STEP * records / 10, "what was used later went first")


def make(folder: bytes, number: int, length: int, step: float) -> None:
    """So many sparse files, each used ``step`` seconds before the one before it."""
    now = time.time()
    for at in range(256):
        os.makedirs(folder + b"/%02x" % at, exist_ok=True)
    for at in range(number):
        name = hashlib.md5(b"%d" % at).hexdigest().encode()
        fd = os.open(folder + b"/%s/x%s" % (name[:2], name), os.O_CREAT | os.O_WRONLY, 0o600)
        os.ftruncate(fd, length)
        os.utime(fd, (now - at * step,) * 2)
        os.close(fd)


def collect(place: Place, words: list[str]) -> tuple[float, int, dict[str, int]]:
    """Seconds that ``gc`` takes, memory (KiB), and what it says."""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", GC, *words], env=place.env, capture_output=True, check=True)
    seconds = time.monotonic() - begin
    told: dict[str, int] = json.loads(done.stdout)
    return seconds, int(done.stderr.split(b"VmHWM:")[1].split()[0]), told
