"""The cache folder: what is written is read again, whole or not at all."""
