"""Answers that are read while they arrive, or written to disk."""
