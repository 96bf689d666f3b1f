"""Looking at the machine: the state of paths, digests, and what a process inherits.

The only package that observes the file system on behalf of the model. It changes nothing.
"""
