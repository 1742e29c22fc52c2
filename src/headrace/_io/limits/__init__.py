"""Limiters: who starts next, and when."""
