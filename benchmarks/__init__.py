"""The measurements live here: `python -m benchmarks` compares headrace with its peers, `parts/` times its pieces."""
