"""The job of the cookbook: killed at random moments and started again, it has every row once, in each of its files."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.bulk import read_lines, read_parts
from tests.kit.docs_examples import blocks, example_server
from tests.servers.regions import REGIONS, ROWS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
SECONDS = 120


def test_the_job_of_the_cookbook(tmp_path: Path) -> None:
    """It has 45 lines at most; what is refused comes later, what does not fit is aside, and nothing comes twice."""
    (job,) = [block.source for block in blocks(ROOT / "docs" / "cookbook.md") if "def ingest" in block.source]
    lines = [line for line in job.splitlines() if line.strip()]
    assert len(lines) <= 45
    chance = random.Random(4711)  # noqa: S311 - no secret
    with example_server() as hosts:
        for host, stand_in in hosts.items():
            job = job.replace(host, stand_in)
        (tmp_path / "job.py").write_text(job)

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, "job.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip

        for _ in range(3):
            with start() as process:
                assert process.stderr is not None
                process.stderr.read(1)  # it has begun, or ended
                timer = threading.Timer(chance.uniform(0.2, 2), process.kill)
                timer.start()
                process.communicate(timeout=SECONDS)
                timer.cancel()
        with start() as process:
            _, told = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, told
    bad = REGIONS.index("asia") * ROWS + 110
    wanted = [number for number in range(len(REGIONS) * ROWS) if number != bad]
    rows = sorted(read_lines(tmp_path / "orders.ndjson"), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == wanted
    assert all(row["shop"] == row["region"].upper() for row in rows)
    assert sorted(row["id"] for row in read_parts(tmp_path / "orders")) == wanted
    for name in ("orders.ndjson.rejects", "orders.rejects"):
        (rejected,) = (tmp_path / name).read_text().splitlines()
        assert '"n/a"' in rejected
