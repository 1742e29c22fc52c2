"""`kill -9` at any moment loses no row and doubles none; at most what was in flight and one batch is asked again.

HEADRACE_LONG=1 kills each sink at 50 random moments of 20,000 calls instead of at three of 2,000.
"""

import os
import random
import re
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from headrace.bulk import Journal
from headrace.bulk.batches import STEPS
from tests.kit import ROOT
from tests.kit.bulk import read_duckdb, read_lines, read_parts, read_table
from tests.kit.bulk_child import ROWS, SINKS
from tests.servers.child import child_server
from tests.servers.users import LENGTH, rows_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
LONG = bool(os.environ.get("HEADRACE_LONG"))
CALLS = 20_000 if LONG else 2_000
KILLS = 50 if LONG else 3
SECONDS = 250


def is_sample(sink: str, step: str, batch: int) -> bool:
    """Tell what `make test` runs: every step of two sinks, and of the others the two where most is at stake."""
    return batch == 4 and (sink in ("ndjson", "sqlite") or step in ("noted", "committed"))


@pytest.fixture(scope="module")
def users() -> Iterator[str]:
    """A server of users in a process of its own."""
    with child_server("tests.servers.users") as child:
        yield child.url


def start(url: str, folder: Path, sink: str, calls: int, *step: str, kind: str = "users") -> subprocess.Popen[str]:
    """Start a bulk in a process of its own."""
    command = [sys.executable, "-m", "tests.kit.bulk_child", url, str(folder), sink, kind, str(calls), *step]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(url: str, folder: Path, sink: str, calls: int, kind: str = "users") -> list[str]:
    """Run a bulk to its end; returns what it told."""
    with start(url, folder, sink, calls, kind=kind) as process:
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
    return told.split()


def asked(url: str) -> Counter[str]:
    """Ask the server how often it was asked for what."""
    with urllib.request.urlopen(f"{url}/count") as answer:  # noqa: S310 - our own server
        return Counter(msgspec.json.decode(answer.read(), type=dict[str, int]))


def ids(folder: Path, sink: str) -> list[int]:
    """Read the ids of the rows that a sink holds."""
    if sink in ("sqlite", "upsert"):
        return sorted(row[0] for row in read_table(folder / "rows.db", "users"))
    if sink == "parquet":
        return sorted(row["id"] for row in read_parts(folder / "rows"))
    if sink == "duckdb":
        return sorted(row[0] for row in read_duckdb(folder / "rows.duckdb", "users"))
    (path,) = folder.glob("rows.ndjson*")
    return sorted(row["id"] for row in read_lines(path))


def check_whole(folder: Path, sink: str, calls: int) -> None:
    """Check that every row is there once, and every failure a dead letter."""
    wanted = [number for number in range(calls) if number % 10 != 3]
    assert ids(folder, sink) == wanted
    with Journal(folder / "journal") as journal:
        assert journal.done == len(wanted)
        assert sum(1 for _ in journal.failed()) == calls - len(wanted)


@pytest.mark.parametrize(
    ("sink", "step", "batch"),
    [
        (sink, step, batch)
        for sink in SINKS
        for step in STEPS
        for batch in (2, 4)
        if LONG or is_sample(sink, step, batch)
    ],
)
def test_killed_at_each_step_of_a_commit(sink: str, step: str, batch: int, users: str, tmp_path: Path) -> None:
    """Between any two steps of the first and of a later batch: the next run makes it whole."""
    calls = 600
    with start(users, tmp_path, sink, calls, step, str(batch)) as process:
        process.communicate(timeout=SECONDS)
        assert process.returncode == -9
    before = asked(users)
    done, failed, skipped, stopped = finish(users, tmp_path, sink, calls)
    check_whole(tmp_path, sink, calls)
    assert (int(done) + int(failed) + int(skipped), stopped) == (calls, "False")
    if STEPS.index(step) >= STEPS.index("committed"):  # the sink had the batch: none of it is asked again
        assert int(skipped) >= ROWS // 2 * (batch - 1)
    assert asked(users).total() - before.total() == int(done) + int(failed)


@pytest.mark.parametrize("sink", ["ndjson", "sqlite", "parquet", "duckdb"])
def test_a_full_disk_stops_the_run_and_goes_on_later(sink: str, users: str, tmp_path: Path) -> None:
    """Nothing half-written is taken for whole: the error is clear, and with room the next run makes it whole."""
    calls = 2000
    with start(users, tmp_path, sink, calls, "full", "1000000") as process:
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
    assert re.match(r"(SinkError|JournalError): .* (cannot be (written|used)|failed): ", told), told
    *_, skipped, stopped = finish(users, tmp_path, sink, calls)
    assert (int(skipped) > 0, stopped) == (True, "False")
    check_whole(tmp_path, sink, calls)


def kill_often(url: str, folder: Path, sink: str, calls: int, kind: str, times: int = KILLS) -> None:
    """Start a bulk again and again, kill it at a random moment after it has begun, and run it to its end."""
    chance = random.Random(f"{sink} {kind} 4711 {times}")  # noqa: S311 - no secret
    for _ in range(times):
        with start(url, folder, sink, calls, "tell", kind=kind) as process:
            assert process.stdout is not None
            process.stdout.readline()
            timer = threading.Timer(chance.uniform(0, 1), process.kill)
            timer.start()
            process.communicate(timeout=SECONDS)
            timer.cancel()
    finish(url, folder, sink, calls, kind)


@pytest.mark.parametrize("sink", SINKS)
def test_killed_at_random_moments(sink: str, users: str, tmp_path: Path) -> None:
    """Wherever it happens to be; what is asked again is what was in flight and one batch at most."""
    before = asked(users)
    kill_often(users, tmp_path, sink, CALLS, "users")
    check_whole(tmp_path, sink, CALLS)
    check_asked_again(users, before, "/users/")


@pytest.mark.parametrize("sink", [each for each in SINKS if LONG or each in ("ndjson", "duckdb")])
def test_series_of_pages_are_killed_at_random_moments(sink: str, users: str, tmp_path: Path) -> None:
    """Each goes on behind the last page that is in the sink."""
    calls, before = CALLS // 10, asked(users)
    kill_often(users, tmp_path, sink, calls, "lists")
    assert ids(tmp_path, sink) == [number * 100 + row for number in range(calls) for row in range(LENGTH)]
    with Journal(tmp_path / "journal") as journal:
        assert journal.done == calls
    check_asked_again(users, before, "/lists/")


@pytest.mark.parametrize("sink", [each for each in SINKS if LONG or each in ("ndjson", "sqlite")])
def test_nights_of_new_rows_are_killed_at_random_moments(sink: str, users: str, tmp_path: Path) -> None:
    """In the first night, in the second, and in a third in which nothing is new: each row comes once."""
    calls = CALLS // 10
    for night in (1, 2, 2):
        with urllib.request.urlopen(f"{users}/night/{night}"):  # noqa: S310 - our own server
            pass
        kill_often(users, tmp_path, sink, calls, "feeds", KILLS // 3)
        assert ids(tmp_path, sink) == [row["id"] for number in range(calls) for row in rows_of(number, night)]


@pytest.mark.parametrize("kind", ["lists", "feeds"])
@pytest.mark.parametrize("step", STEPS)
def test_series_are_killed_at_each_step_of_a_commit(step: str, kind: str, users: str, tmp_path: Path) -> None:
    """How far a series is, and its mark, go with the rows of its page, between any two steps."""
    with urllib.request.urlopen(f"{users}/night/1"):  # noqa: S310 - our own server
        pass
    with start(users, tmp_path, "sqlite", 60, step, "3", kind=kind) as process:
        process.communicate(timeout=SECONDS)
        assert process.returncode == -9
    finish(users, tmp_path, "sqlite", 60, kind)
    assert ids(tmp_path, "sqlite") == [number * 100 + row for number in range(60) for row in range(LENGTH)]


def check_asked_again(url: str, before: Counter[str], prefix: str) -> None:
    """Check that no more was asked again than what was in flight and one batch, each time."""
    rows = {path: count for path, count in (asked(url) - before).items() if path.startswith(prefix)}
    assert sum(rows.values()) - len(rows) <= KILLS * (16 * 2 + ROWS)
