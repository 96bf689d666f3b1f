"""Runs one module of CPython's own tests and writes what became of each test: ``outcomes.py MODULE FILE``.

It stands alone, since the Python that is tested knows nothing of procache. FILE gets a JSON object: name of a
test to ``passed``, ``failed`` or ``skipped``.
"""

import json
import sys
import unittest

from test import support


class Outcomes(unittest.TextTestResult):
    """Keeps the worst outcome of each test, its subtests included."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.found = {}

    def keep(self, test, outcome):
        name = test.id() if hasattr(test, "id") else str(test)
        if self.found.get(name) != "failed":
            self.found[name] = outcome

    def addSuccess(self, test):
        super().addSuccess(test)
        self.keep(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.keep(test, "failed")

    def addError(self, test, err):
        super().addError(test, err)
        self.keep(test, "failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.keep(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.keep(test, "passed")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.keep(test, "failed")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.keep(test, "failed")


def main():
    module, file = sys.argv[1:]
    support.use_resources = []  # as ``python -m test`` without -u: no network, no large files
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    runner = unittest.TextTestRunner(resultclass=Outcomes, verbosity=2)
    result = runner.run(suite)
    with open(file, "w", encoding="utf-8") as out:
        json.dump(result.found, out)


if __name__ == "__main__":
    main()
