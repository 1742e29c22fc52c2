"""A client that works for long holds no more than at first: a test for as many minutes as one has.

``python -m tests.soak --seconds 600`` runs it long; `tests/long/test_soak.py` runs its short form.
"""
