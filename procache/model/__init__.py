"""What an execution is, in plain values: commands, facts, effects, records, matching.

Nothing in this package asks the kernel for anything: it is given a *world* (see
``procache.world``) or, in tests, a fake one.
"""
