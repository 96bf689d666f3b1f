"""A battery for anything that skips commands whose inputs are unchanged: see README.md."""
