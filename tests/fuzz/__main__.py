"""The fuzzer by hand: `python -m tests.fuzz --seconds 600`."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time

from tests.fuzz import engine


def main() -> int:
    """Fuzz for so long; print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (600)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--keep", action="store_true", help="write inputs that reached something new into the corpus")
    options = parser.parse_args()
    seed = time.time_ns() & 0xFFFFFFFF if options.seed is None else options.seed
    found = engine.fuzz(options.seconds, seed)
    if options.keep:
        for data in found.kept:
            (engine.CORPUS / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    sys.stdout.write(
        f"seed {seed}: {found.inputs} inputs, {len(found.kept)} reached something new, {len(found.failures)} failures\n"
    )
    for data, error in found.failures[:10]:
        sys.stdout.write(f"{data!r}: {type(error).__name__}: {str(error)[:500]}\n")
    return bool(found.failures)


if __name__ == "__main__":
    sys.exit(main())
