"""Recorded results put in place, in real folders."""
