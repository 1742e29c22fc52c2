"""Small faults are put into the library, one at a time, and the tests have to find each: ``python -m tests.mutate``."""
