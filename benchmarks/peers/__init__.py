"""The peers live here, a file a family. Each has `setup(work)`, which returns `one()` and `close()`, both coroutines.

`one()` makes one request and returns the decoded answer. The environments are made by `benchmarks.environments`; every
peer keeps its released defaults but for the number of connections, which is `work.concurrency` wherever a default is
lower.
"""
