"""A server closes a connection that was kept alive in the moment in which the next request is sent on it.

``python -m tests.stale --rounds 100000`` runs the race long; `tests/wire/test_stale.py` runs its short form.
"""
