"""Where the policy comes from: files named ``procache.toml``, ``PROCACHE_*`` variables, and the command line.

Later ones win, key by key: built in, the user's file, the project's file, ``--config FILE``, variables, options of
the command line. ``sources`` finds them and is all that a run without any of them needs; ``settings`` is the
table of keys; ``layers`` puts the sources one over the other; ``toml`` reads one file.
"""

#: Variables that are no keys of the policy: the cache folder, one more file, doing without the parts in C; and those of
#: procache's own tests.
OTHER_VARIABLES = ("PROCACHE_DIR", "PROCACHE_CONFIG", "PROCACHE_NATIVE")
OF_TESTS = "PROCACHE_TEST_"
