"""No answer ever reaches another request, and none is lost: a test for as many requests as one has time for.

``python -m tests.crossing --requests 1000000`` runs it long; `tests/wire/test_crossing.py` runs its short form.
"""
