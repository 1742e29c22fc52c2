"""`headrace.ray` on a real Ray with two actors: what is killed costs no key, and no limit is broken.

Skipped where Ray is not installed, which is large; `make long` installs it. HEADRACE_LONG=1 kills at ten moments of
20,000 calls instead of at one of 4,000.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, RateLimiter, sinks
from headrace.errors import JournalError, ValidationError
from headrace.pages import PageNumber
from tests.kit import ROOT
from tests.kit.bulk import User
from tests.kit.grants import fullest
from tests.servers.child import child_server
from tests.servers.stamping import stamping_server

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'headrace[ray]', or make long")

import headrace.ray  # noqa: E402 - only where Ray is there

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = bool(os.environ.get("HEADRACE_LONG"))
CALLS, MOMENTS = (20_000, 10) if LONG else (4_000, 1)
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"id":1}'
BAD = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

pytestmark = [
    pytest.mark.timeout(3600 if LONG else 300),
    # Ray's own.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray of two processors, whose workers find this project."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {"env_vars": {"PYTHONPATH": path}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", runtime_env=env)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def users() -> Iterator[str]:
    """A server of users, in a process of its own."""
    with child_server("tests.servers.users") as child:
        yield child.url


def config(url: str, **options: Any) -> Any:
    """Make the config of a client."""
    return AsyncClient(url, **options).config


def ids(folder: Path) -> list[int]:
    """Read all rows."""
    from pyarrow import parquet

    return sorted(row["id"] for part in folder.glob("part-*") for row in parquet.read_table(part).to_pylist())


def shard_actors() -> list[int]:
    """Find the processes of actors that descend from this one."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::ShardActor"):
                found.append(int(folder.name))

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid > 1 and is_ours(parents.get(pid, 0)))

    return [pid for pid in found if is_ours(pid)]


def test_all_rows_come(cluster: None, users: str, tmp_path: Path) -> None:
    """Every call is a row, refused ones are dead letters, and a second run asks for those alone."""
    calls = [*(f"/users/{number}" for number in range(2500)), "/refused/7"]
    told: list[int] = []
    for done, skipped in ((2500, 0), (0, 2500)):
        report = headrace.ray.bulk(
            config(users), calls, response_format=User, sink=sinks.Parquet(tmp_path / "rows"), actors=2, shard=500,
            retry=None, progress=lambda report: told.append(report.done),
        )  # fmt: skip
        assert (report.done, report.skipped, report.failed) == (done, skipped, 1)
        assert [str(err.call.path) for err in report.failures] == ["/refused/7"]
    assert ids(tmp_path / "rows") == list(range(2500))
    assert max(told) == 2500
    assert not report.ok


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_an_actor_is_killed(cluster: None, users: str, tmp_path: Path, seed: int) -> None:
    """Its open shards are made by another one, and every key comes once."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    killed: list[int] = []
    moment = chance.random() * CALLS * 0.6

    def progress(report: Any) -> None:
        if not killed and report.done >= moment and (pids := shard_actors()):
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    paths = (f"/users/{number}" for number in range(CALLS))
    report = headrace.ray.bulk(
        config(users), paths, response_format=User, sink=sinks.Parquet(tmp_path / "rows"), actors=2, shard=500,
        progress=progress,
    )  # fmt: skip
    assert killed
    assert report.done == CALLS
    assert ids(tmp_path / "rows") == list(range(CALLS))


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_the_driver_is_killed(users: str, tmp_path: Path, seed: int) -> None:
    """Started again it goes on, and every key comes once; what was done before is not asked for again."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    folder = tmp_path / "rows"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "tests.kit.cluster", users, str(folder), str(CALLS), "500"]
    first = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, stdout=subprocess.DEVNULL)
    wanted = 1 + chance.randrange(CALLS // 1000)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("part-*"))) < wanted:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.kill()
    first.wait()
    there = ids(folder)
    second = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    done, skipped = map(int, second.stdout.split()[-2:])
    assert done + skipped == CALLS
    assert skipped in {len(there), len(there) + 500, len(there) - 500}
    assert ids(folder) == list(range(CALLS))


def test_one_limit_holds_over_all_actors(cluster: None, tmp_path: Path) -> None:
    """A limit of 50 is no limit of 50 an actor, and the pause that one is asked for holds both."""
    with stamping_server(lambda *_: OK) as api:
        report = headrace.ray.bulk(
            config(api.url, rate_limit=50, rate_limit_interval=0.5), (f"/users/{number}" for number in range(300)),
            response_format=User, sink=sinks.NDJSON(tmp_path / "rows"), actors=2, shard=20, lateness=0.2,
        )  # fmt: skip
        assert report.done == 300
        # What arrives is what started and some transit, so a window is judged that is shorter by the lateness.
        assert fullest([round(moment * 1e9) for moment in api.arrivals], round(0.4e9)) <= 50
        assert api.arrivals[-1] - api.arrivals[0] >= 5 * 0.5


def test_a_dataset_of_calls(cluster: None, users: str, tmp_path: Path) -> None:
    """Its columns are the arguments of the calls."""
    import ray.data

    calls = ray.data.from_items([{"path": f"/users/{number}", "key": f"k{number}"} for number in range(20)])
    report = headrace.ray.bulk(
        config(users), calls, response_format=User, sink=sinks.Parquet(tmp_path / "rows"), actors=1
    )
    assert report.done == 20
    assert ids(tmp_path / "rows") == list(range(20))


def test_fetch_adds_columns(cluster: None) -> None:
    """Columns in, typed columns out, and a failure is told in its row."""
    import pyarrow as pa
    import ray.data

    def answer(number: int, moment: float) -> bytes:
        return OK if number != 3 else BAD

    with stamping_server(answer) as api:
        found = ray.data.from_items([{"login": number, "week": 7} for number in range(8)]).map_batches(
            headrace.ray.Fetch, fn_constructor_args=(config(api.url, rate_limit=100),), concurrency=1, batch_size=8,
            fn_constructor_kwargs={"response_format": User, "path": "/users/{login}", "lateness": 1.0, "retry": None},
        )  # fmt: skip
        rows = found.take_all()
    assert len(rows) == 8
    assert all(row["week"] == 7 for row in rows)
    assert sorted(row["id"] is None for row in rows) == [False] * 7 + [True]
    (failed,) = (row for row in rows if row["error"] is not None)
    assert failed["error"].startswith("HTTPNotFound")
    assert found.schema().base_schema.field("id").type == pa.int64()


def test_the_command(users: str, tmp_path: Path) -> None:
    """`headrace fetch --ray` runs a job on it, and goes on where a journal ends."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    command = [
        sys.executable, "-m", "headrace.cli", "fetch", f"{users}/users/{{1..40}}", "--ray", "--out",
        f"{tmp_path}/rows/", "--model", "tests.kit.bulk:User", "--rate", "500/s", "--summary", "json", "-q",
    ]  # fmt: skip
    for done in (40, 0):
        ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        assert json.loads(ran.stdout)["done"] == done
    assert ids(tmp_path / "rows") == list(range(1, 41))


def test_two_runs_of_one_folder(cluster: None, users: str, tmp_path: Path) -> None:
    """The second one is told, before anything is sent."""
    errors: list[Exception] = []
    folder, gate = tmp_path / "rows", threading.Event()

    def run_second() -> None:
        with contextlib.suppress(TimeoutError):
            try:
                headrace.ray.bulk(config(users), ["/users/1"], response_format=User, sink=sinks.Parquet(folder))
            except JournalError as error:
                errors.append(error)
        gate.set()

    def calls() -> Iterator[str]:
        yield "/users/1"
        threading.Thread(target=run_second).start()
        gate.wait(60)

    headrace.ray.bulk(config(users), calls(), response_format=User, sink=sinks.Parquet(folder), actors=1)
    assert len(errors) == 1
    assert "another" in str(errors[0])


class _Local(AsyncClient, uri="http://127.0.0.1:9", bearer_token=lambda: "sluice-gate"):
    """Has a credential that cannot be pickled."""


def _in_main() -> type[User]:
    class Model(User):
        pass

    Model.__module__, Model.__qualname__ = "__main__", "Model"
    return Model


@pytest.mark.parametrize(
    ("client", "options", "text"),
    [
        (_Local, {}, "client: cannot be sent to another process"),
        (AsyncClient("http://127.0.0.1:9"), {}, "client: got AsyncClient, .*; give its config"),
        (17, {}, "client: got int"),
        (config("http://127.0.0.1:9"), {"response_format": _in_main()}, "Model is defined in __main__"),
        (config("http://127.0.0.1:9"), {"response_format": list[_in_main()]}, "Model is defined in __main__"),  # type: ignore[misc]
        (config("http://127.0.0.1:9"), {"sink": sinks.Discard()}, "takes sinks.Parquet"),
        (config("http://127.0.0.1:9"), {"actors": 0}, "actors: got"),
        (config("http://127.0.0.1:9"), {"shard": 5000}, "shard: got"),
        (config("http://127.0.0.1:9"), {"lateness": 0}, "lateness: got"),
        (config("http://127.0.0.1:9"), {"journal": False}, "journal: got"),
        (config("http://127.0.0.1:9"), {"expected": 404}, "expected: got"),
        (config("http://127.0.0.1:9"), {"pages": PageNumber()}, "pages: a shard has whole calls"),
        (config("http://127.0.0.1:9", limiter=RateLimiter(5)), {"in_flight": -1}, "in_flight: got"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told(tmp_path: Path, client: Any, options: dict[str, Any], text: str) -> None:
    """Before anything is sent, and before Ray starts."""
    words = {"response_format": User, "sink": sinks.Parquet(tmp_path / "rows"), **options}
    with pytest.raises(ValidationError, match=text) as caught:
        headrace.ray.bulk(client, ["/users/1"], **words)
    assert "sluice-gate" not in str(caught.value)
    assert not (tmp_path / "rows").exists()


def test_an_old_ray_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the version that is needed."""
    monkeypatch.setattr(ray, "__version__", "2.9.3")
    with pytest.raises(ImportError, match=r"needs Ray 2.40 or newer, and this is 2.9.3"):
        headrace.ray.bulk(config("http://127.0.0.1:9"), [], sink=sinks.NDJSON(tmp_path / "rows"))
