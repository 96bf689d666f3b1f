"""Watching a command with ptrace(2): kernel stops become looks, changes, streams and process events.

The only package that knows ptrace, registers and system call numbers.
"""

from procache.tracer import lean

lean.load()
