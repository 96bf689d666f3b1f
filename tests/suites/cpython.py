"""scripts/suites: CPython's own tests, natively and under procache, and where they differ.

Each module runs three times: natively; under ``procache run --refresh``, where everything runs and is watched;
and under ``procache run`` with an empty cache, as a user's first run. A test that passes natively must pass under
procache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

OUTCOMES = Path(__file__).with_name("outcomes.py")
MODULES = ("subprocess", "os", "signal", "posix", "fcntl", "tempfile", "shutil", "pty")
PACKAGE = "libpython{}.{}-testsuite".format(*sys.version_info)
PATIENCE = 900  # seconds for one module

NATIVE, WATCHED, FIRST = "native", "watched", "first run"

FIND_MISSING = """
import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec("test.test_" + name) is None))
"""

Found = dict[str, str]
"""Name of a test -> passed, failed or skipped; empty when the module did not come to its end."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/suites", description=__doc__.split("\n\n")[0])
    usual = ", ".join(MODULES)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"any of CPython's (default: {usual})")
    modules = parser.parse_args().modules or MODULES
    python = find_python()
    if python is None:
        sys.exit(f"suites: no Python here has its tests: install {PACKAGE} (Debian: apt-get install {PACKAGE})")
    if unknown := missing(python, modules):
        parser.error(f"{python} has no test_{unknown[0]} (modules are named without the test_ before)")
    print(f"CPython's tests, by {python}: passed, failed, skipped", flush=True)
    print(f"{'':24}" + "".join(f"{way:>18}" for way in (NATIVE, WATCHED, FIRST)), flush=True)
    wrong: list[str] = []
    for module in modules:
        found = {way: run(python, f"test_{module}", way) for way in (NATIVE, WATCHED, FIRST)}
        print(f"test_{module:19}" + "".join(f"{counts(found[way]):>18}" for way in found), flush=True)
        for way in (WATCHED, FIRST):
            wrong += differences(f"test_{module}", found[NATIVE], found[way], way)
    print("\n".join(["", "Differences:", *(wrong or ["none"])]))
    return 1 if wrong else 0


def find_python() -> str | None:
    """A Python that has its own tests: Debian's, else the one that runs this."""
    for python in ("/usr/bin/python3", os.path.realpath(sys.executable)):
        if os.path.exists(python):
            found = subprocess.run([python, "-I", "-c", "import test.test_subprocess"], capture_output=True)
            if found.returncode == 0:
                return python
    return None


def missing(python: str, modules: Sequence[str]) -> list[str]:
    """Those of ``modules`` of which this Python has no tests."""
    return subprocess.run([python, "-I", "-c", FIND_MISSING, *modules], capture_output=True, text=True).stdout.split()


def procache() -> str:
    """$PROCACHE_BIN, else the procache beside this Python."""
    found = os.environ.get("PROCACHE_BIN") or shutil.which("procache", path=os.path.dirname(sys.executable))
    return found or sys.exit("suites: procache is not installed beside this Python: use scripts/suites")


def run(python: str, module: str, way: str) -> Found:
    """Run a module in a folder of its own."""
    prefix = {NATIVE: [], WATCHED: [procache(), "run", "--refresh", "--"], FIRST: [procache(), "run", "--"]}[way]
    with tempfile.TemporaryDirectory(prefix="procache-suites-") as place:
        work, file = Path(place, "work"), Path(place, "found.json")
        work.mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROCACHE"))}
        environment |= {"PROCACHE_DIR": str(Path(place, "cache")), "TMPDIR": str(work), "LC_ALL": "C.UTF-8"}
        command = [*prefix, python, "-B", str(OUTCOMES), module, str(file)]
        try:
            done = subprocess.run(
                command,
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            print(f"{module} ({way}): still running after {PATIENCE} s", file=sys.stderr)
            return {}
        if not file.exists():
            sys.stderr.write(done.stdout.decode(errors="replace")[-2000:])
            return {}
        return {name.removeprefix("test."): outcome for name, outcome in json.loads(file.read_text()).items()}


def counts(found: Found) -> str:
    outcomes = list(found.values())
    return ", ".join(str(outcomes.count(word)) for word in ("passed", "failed", "skipped"))


def differences(module: str, native: Found, found: Found, way: str) -> list[str]:
    """A line for each test whose outcome is not the native one."""
    if not native or not found:
        return [f"{module} ({NATIVE if not native else way}) did not come to its end"]
    lines = []
    for name in sorted(native.keys() | found.keys()):
        before, after = native.get(name, "missing"), found.get(name, "missing")
        if before != after:
            lines.append(f"{name} ({way}): {before} natively, {after}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
