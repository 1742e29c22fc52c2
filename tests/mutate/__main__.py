"""``python -m tests.mutate --mutants 500 --seed 1 --jobs 2``: show faults to the tests, and list what none finds."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.mutate import covering, run
from tests.mutate.forks import ROOT, Forks
from tests.mutate.kept import Kept
from tests.mutate.survivors import PAGE, page

_KEPT = ROOT / ".cache" / "mutate"
_LEAST_KILLED = 0.9
_CHECKED = 20  # faults whose tests are run without one


def main() -> int:
    """Run, and fail if the tests found less than nine of ten, or a survivor has no reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="only faults in files with this in their name")
    parser.add_argument("--tests", default="*", help="only test files whose names fit, such as 'test_limiter*'")
    parser.add_argument("--kept", type=Path, default=_KEPT, help="the folder that keeps what was found")
    parser.add_argument("--write", action="store_true", help=f"write the survivors to {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    began = time.monotonic()
    chosen = run.sample(
        [each for each in run.every() if arguments.only in each.file], arguments.mutants, arguments.seed
    )
    with tempfile.TemporaryDirectory() as folder:
        forks = Forks(Path(folder), arguments.jobs)
        known = covering.found(forks, run.ROOMS, arguments.tests.split(), arguments.kept / "covering.json")
        sys.stdout.write(f"{len(known.seconds):,} tests, {time.monotonic() - began:,.0f} s to see what they run\n")
        sound = run.check(forks, chosen[:_CHECKED], known)
        sys.stdout.write(f"no fault was shown to {sound} of them, and none found one\n")
        ended = []
        for verdict in run.verdicts(forks, chosen, known, Kept(arguments.kept / "shown.jsonl", known)):
            ended.append(verdict)
            where = f"{verdict.mutation.file}:{verdict.mutation.line}"
            end = verdict.killed or f"SURVIVED {verdict.tests} tests"
            sys.stdout.write(f"{len(ended):>4} {verdict.seconds:5.1f} s {where} {verdict.mutation.name} {end}\n")
            sys.stdout.flush()
    survivors = [verdict for verdict in ended if verdict.killed is None]
    killed = 1 - len(survivors) / len(ended)
    seconds = time.monotonic() - began
    text, without = page(survivors, f"{len(ended)} mutants, seed {arguments.seed}: {killed:.1%} killed")
    sys.stdout.write(f"{len(ended)} mutants in {seconds:,.0f} s: {killed:.1%} killed, {len(survivors)} survived\n")
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")
    if without:
        sys.stdout.write(f"{without} of them have no reason in {PAGE.relative_to(ROOT)}, where `--write` lists them\n")
    return int(killed < _LEAST_KILLED or without > 0)


if __name__ == "__main__":
    sys.exit(main())
