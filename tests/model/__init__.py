"""The model without a kernel: a world in memory, and programs that act in it."""
