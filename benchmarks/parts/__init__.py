"""The suites for the parts live here, one file a part: `pytest benchmarks/parts`; plain `pytest` does not run them."""
