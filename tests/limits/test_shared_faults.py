"""The window law over three processes whose clocks differ, through every fault of theirs and of the server's.

HEADRACE_LONG=1 does each fault several times, and longer.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.kit.grants import Crowd, crowd, fullest, judge
from tests.servers.redis import RedisServer, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG = bool(os.environ.get("HEADRACE_LONG"))
LIMITS = {"ten": (10, 1.0), "thousand": (1000, 1.0)}
#: Seconds; generous, for this machine may be busy with other tests. The law does not depend on it.
LATENESS = 0.1
ROUNDS = 5 if LONG else 1


def _stall_a_client(running: Crowd, _: RedisServer) -> None:
    running.stall(0, 0.7)


def _stall_the_server(_: Crowd, server: RedisServer) -> None:
    server.signal(signal.SIGSTOP)
    time.sleep(1.5)
    server.signal(signal.SIGCONT)


def _kill_the_server(_: Crowd, server: RedisServer) -> None:
    server.kill()
    server.start()


def _kill_a_client(running: Crowd, _: RedisServer) -> None:
    running.processes[0].kill()


def _forget_all(_: Crowd, server: RedisServer) -> None:
    server.command("FLUSHALL")


def _evict_the_logs(_: Crowd, server: RedisServer) -> None:
    server.command("DEL", "headrace:{ten}:log0", "headrace:{thousand}:log0")


FAULTS: list[Callable[[Crowd, RedisServer], None]] = [
    _stall_a_client, _stall_the_server, _kill_the_server, _forget_all, _evict_the_logs, _kill_a_client,
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to stop a process with")
@pytest.mark.parametrize("faults", [[fault] for fault in FAULTS] if LONG else [FAULTS[:3]])
def test_no_window_is_ever_too_full(tmp_path: Path, faults: list[Callable[[Crowd, RedisServer], None]]) -> None:
    """From a cold start, and through each fault, both limits hold in every window, and starts go on afterwards."""
    with redis_server(tmp_path) as server:
        with crowd(tmp_path, server.url, LIMITS, lateness=LATENESS, patience=60.0) as running:
            running.wait_for(10, "ten")
            for fault in faults * ROUNDS:
                fault(running, server)
                running.wait_for(20 if LONG else 10, "ten")
                running.wait_for(1000, "thousand")
        starts = running.starts()
    assert len({start.process for start in starts}) == 3
    assert all(count <= LIMITS[name][0] for name, count in judge(starts, LIMITS).items())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no redis-server")
def test_a_replica_takes_over(tmp_path: Path) -> None:
    """The server dies, its replica is promoted: nothing is granted for one window, and none is ever too full."""
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    with redis_server(tmp_path / "primary") as primary, redis_server(tmp_path / "replica") as replica:
        replica.command("REPLICAOF", "127.0.0.1", str(primary.port))
        urls = [primary.url, replica.url]
        with crowd(tmp_path, urls, LIMITS, lateness=LATENESS, patience=0.3) as running:
            running.wait_for(10, "ten")
            while "master_link_status:up" not in replica.command("INFO", "replication"):
                time.sleep(0.05)
            running.wait_for(10, "ten")
            primary.kill()
            died = time.monotonic_ns()
            replica.command("REPLICAOF", "NO", "ONE")
            running.wait_for(20, "ten")
        starts = running.starts()
    assert all(count <= LIMITS[name][0] for name, count in judge(starts, LIMITS).items())
    after = min(start.moment for start in starts if start.moment > died + LATENESS * 1e9)
    assert after >= died + 1e9


def test_the_judge() -> None:
    """A window includes its beginning and not its end."""
    assert fullest([0, 10, 20], 10) == 1
    assert fullest([0, 10, 20], 11) == 2
    assert fullest([5, 5, 14, 15], 10) == 3
    assert fullest([], 10) == 0
