"""procache: run a command once, and skip it the next time nothing it depends on has changed."""

__version__ = "0.1.0"
