"""The promises about the store, kept under torture: many at once, killed, failing calls, damage, bad days.

Each torture is a module with ``torture(bench, whole)``. Its quick form runs with the tests, the whole form by
scripts/torture; the figures of whole forms are in docs/reliability.md.
"""
