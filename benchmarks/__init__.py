"""Measures procache on whole jobs, against a native run of the same job and against its peers.

In the order of the data:

    workloads/    what is run: inputs, a driver script, one input to change
    contenders    how it is run: natively, under procache, under strace, with ccache, by make alone
    processes     one timed run; the procache under test and what it says of its last run
    trees         what a run left behind, to compare with what a native run leaves
    measure       rounds over the contenders, each compared with the native reference
    report        medians and ratios, as a table and as JSON
    machine       where it was measured

``scripts/bench`` runs ``benchmarks.__main__``; ``scripts/demo`` runs ``benchmarks.demo``.
Nothing here imports procache: it is measured from outside, as a user meets it.
"""
