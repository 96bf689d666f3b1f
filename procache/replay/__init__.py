"""Putting a recorded result in place: effects, stream output, the offset of stdin."""
