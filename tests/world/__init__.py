"""Looking at the machine, compared with the kernel's own answers."""
