"""Real servers on loopback, each a context manager; `tests/conftest.py` makes fixtures of them."""
