"""The tracer's tables and small parts, without a tracee."""
