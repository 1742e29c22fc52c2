"""A request that is cancelled at any step of the loop leaves nothing behind, and was sent at most once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient
from tests.crossing.ledger import Ledger
from tests.crossing.resources import resources
from tests.crossing.run import warm_up
from tests.crossing.server import Server
from tests.kit.cancelling import SCENARIOS, Bench, Scenario, left, settled
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import WAIT_SECONDS
from tests.servers.tls import TlsMaterial

MOST = 20_000  # requests of one test
PARKED = 50  # steps after which a request that waits for good does nothing more
DENSE = 150  # steps of which each is tried; what takes more waits for a thread, or for time


async def _cancel_to_its_end(task: asyncio.Task[Any]) -> None:
    """Cancel a task in every step until it has ended."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not task.done():
            await asyncio.sleep(0)
            task.cancel()


def _steps() -> Any:
    step = 0
    while True:
        yield step
        step += 1 if step < DENSE else step // 10


@contextlib.asynccontextmanager
async def bench(
    scenario: Scenario, transport: str, tls: TlsMaterial, proxy: ForwardProxy, folder: Path
) -> AsyncIterator[Bench]:
    """Set a scenario up; afterwards nothing of it may be left."""
    heard: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    server = Server(Ledger(MOST, 1), context=tls.server_context() if scenario.secure else None)
    server.start()
    url = server.urls[0] if scenario.host is None else server.urls[0].replace("127.0.0.1", scenario.host)
    options = dict(scenario.options)
    if scenario.proxied:
        options["proxy"] = proxy.url
    try:
        async with AsyncClient(url, transport=transport, tls=tls.trusting, **options) as client:
            yield Bench(scenario, server, client, folder)
        assert await settled(lambda: not server.peers)
    finally:
        await server.stop()
    assert heard == []


@pytest.mark.hazard(46, 48, 49, 51, 53, 55, 68)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_cancelled_at_every_step(
    name: str, transport: str, tls: TlsMaterial, proxy: ForwardProxy, tmp_path: Path, *, again: bool
) -> None:
    """After it no slot, task or file is taken, the next request is right, and the server saw a POST once at most.

    Cancelled `again` in each step that it then takes to end, it leaves nothing either.
    """
    scenario = SCENARIOS[name]()
    async with bench(scenario, transport, tls, proxy, tmp_path) as place:
        holder = None
        if scenario.held:
            holder = asyncio.ensure_future(place.client.get(place.path(next(place.numbers), "silent", 1)))
            assert await settled(lambda: any(place.server.ledger.seen))
        elif not scenario.parks:
            await place.next()
        cancelled = 0
        for step in _steps():
            number = next(place.numbers)
            task = asyncio.create_task(place.send(number))
            for _ in range(step):
                await asyncio.sleep(0)
            if task.done():
                assert type(task.exception()) is (scenario.fails or type(None)), task
                break
            task.cancel()
            if again:
                await _cancel_to_its_end(task)
            await asyncio.wait([task], timeout=WAIT_SECONDS)
            assert task.cancelled(), task
            cancelled += 1
            place.check(number)
            assert await settled(lambda: not left(holder)), left(holder)
            if scenario.parks and step >= PARKED:
                break
            if not scenario.parks:
                await place.next()
        assert cancelled > 2
        if holder is not None:
            holder.cancel()
            await asyncio.wait([holder])
            await place.next()


@pytest.mark.hazard(48, 57)
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "pool wait"])
async def test_no_file_descriptor_is_left(
    name: str, transport: str, tls: TlsMaterial, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """A hundred requests that are cancelled at different steps leave the process with the files that it had open."""
    await warm_up()
    async with bench(SCENARIOS[name](), transport, tls, proxy, tmp_path) as place:
        if not place.scenario.parks:
            await place.next()
    before = resources().open_files
    async with bench(SCENARIOS[name](), transport, tls, proxy, tmp_path) as place:
        for step in range(100):
            task = asyncio.create_task(place.send(next(place.numbers)))
            for _ in range(step % 37):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=WAIT_SECONDS)
    assert await settled(lambda: resources().open_files <= before)
