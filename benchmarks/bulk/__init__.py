"""What a row of a bulk costs lives here: `python -m benchmarks.bulk` measures it against the raw floor, and pages."""
