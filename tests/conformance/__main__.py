"""python -m tests.conformance: run the battery by hand (--help)."""

import sys
from pathlib import Path

# pytest puts the folder of the tests on the path by itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.command import main

sys.exit(main())
