"""python -m tests.torture: see scripts/torture --help."""

import sys
from pathlib import Path

# pytest puts these on the path by itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from torture.command import main

sys.exit(main())
