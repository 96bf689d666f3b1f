"""What the scenarios and the conformance battery share: looking at folders, journals, runs."""
