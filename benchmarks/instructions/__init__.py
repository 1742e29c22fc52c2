"""How many instructions an exchange costs lives here: `python -m benchmarks.instructions` counts and compares."""
