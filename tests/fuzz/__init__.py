"""Fuzzing of what reads answers: `python -m tests.fuzz --seconds 600` by hand, and for a short time in every run."""
