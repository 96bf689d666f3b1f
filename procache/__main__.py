"""``python -m procache`` is the same as ``procache``."""

import sys

from procache.cli import main

sys.exit(main(sys.argv[1:]))
