"""Samples of what runs for long: `make long` has the whole."""
