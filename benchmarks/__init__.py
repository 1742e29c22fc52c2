"""The measurements live here: `python -m benchmarks` compares headrace with its peers, `parts/` times its pieces."""

import os

# What is measured was installed, and compiled then: no client is measured while it compiles itself anew at every start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
