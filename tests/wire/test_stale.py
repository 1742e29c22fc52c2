"""A server ends a connection that was kept alive in the moment in which the next request is sent on it."""

import asyncio
import os
import socket
import struct
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits
from tests.conftest import _LOOPS
from tests.servers.process import HOST
from tests.servers.raw import reply
from tests.stale.run import ENDS, METHODS, WORKERS, race

LONG = bool(os.environ.get("HEADRACE_LONG"))


@pytest.mark.hazard(46)
@pytest.mark.parametrize("loop", list(_LOOPS))
@pytest.mark.timeout(7200 if LONG else 300)
def test_requests_that_race_with_the_close(transport: str, loop: str) -> None:
    """Sent within 2 ms of the close: no GET fails, no POST is sent twice, and one that fails may have been sent.

    How many meet a dead connection depends on the machine, so nothing is asserted of that.
    """
    rounds = 100_000 if LONG else 2_000
    with asyncio.Runner(loop_factory=_LOOPS[loop]) as runner:
        report = race(transport, ENDS, rounds, runner)
    assert report.wrong == []
    assert report.rounds.total() == rounds
    assert report.failed["POST"] == report.hits["POST"]


@pytest.mark.hazard(46)
@pytest.mark.parametrize("loop", list(_LOOPS))
def test_connections_that_end_with_the_first_byte(transport: str, loop: str) -> None:
    """Every request but the first on a connection meets its end; the law holds, and all of them are counted."""
    cycles = 4
    with asyncio.Runner(loop_factory=_LOOPS[loop]) as runner:
        report = race(transport, ["trap-fin", "trap-rst"], cycles * len(METHODS) * WORKERS, runner)
    assert report.wrong == []
    # A GET that is the first, or comes after a POST that has failed, opens its connection.
    hits = {"GET": cycles - 1, "keyed POST": cycles, "POST": cycles}
    assert report.hits == {method: WORKERS * count for method, count in hits.items()}
    assert +report.failed == {"POST": WORKERS * cycles}


@pytest.mark.hazard(46, 62)
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", sorted(set(METHODS)))
async def test_a_connection_that_has_ended_unheard(transport: str, method: str, reset: bool) -> None:
    """The end is there before the request is, and the client's loop has not come to hear of it: it is not used."""
    loop = asyncio.get_running_loop()
    requests: list[bytes] = []
    options: dict[str, Any] = {} if method == "GET" else {"data": b"x"}
    if method == "keyed POST":
        options["headers"] = {"Idempotency-Key": "k"}

    async def answer(listening: socket.socket) -> socket.socket:
        connection, _ = await loop.sock_accept(listening)
        requests.append(await loop.sock_recv(connection, 65536))
        await loop.sock_sendall(connection, reply(b"ok"))
        return connection

    with socket.create_server((HOST, 0)) as listening:
        listening.setblocking(False)
        url = f"http://{HOST}:{listening.getsockname()[1]}"
        async with AsyncClient(url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
            answering = asyncio.create_task(answer(listening))
            assert await client.get("/first", response_format=str) == "ok"
            first = await answering
            answering = asyncio.create_task(answer(listening))
            await asyncio.sleep(0)
            if reset:
                first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
            verb = "GET" if method == "GET" else "POST"
            call = client.request(verb, "/next", response_format=str, **options)
            assert await call == "ok"
            (await answering).close()
            assert len(requests) == 2
            assert (client.stats.connections_opened, client.stats.connections_reused) == (2, 0)
