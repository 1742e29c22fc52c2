"""The end of a client, whenever and wherever it comes: while requests are under way, without its loop, after a fork."""

import asyncio
import gc
import socket
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp
import pytest

from headrace import AiohttpTransport, AsyncClient, WireTransport
from headrace._io.closing import Closing
from headrace._io.wire import pool
from headrace.errors import AsyncClientError, ConnectError, HTTPServiceUnavailable, TransportError, UploadError
from headrace.testing import MockTransport
from tests.crossing.ledger import Ledger
from tests.crossing.resources import resources
from tests.crossing.server import Server
from tests.kit import ROOT
from tests.kit.cancelling import SCENARIOS, Bench, left, settled
from tests.kit.descriptors import is_connected
from tests.servers.echo import EchoServer
from tests.servers.peer import Peer
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import WAIT_SECONDS
from tests.servers.tls import TlsMaterial

_FORKING = """
import asyncio, os, sys, warnings
from headrace import AsyncClient
from headrace.errors import AsyncClientError
from tests.crossing.ledger import Ledger, payload
from tests.crossing.server import Server

warnings.simplefilter("ignore")  # that a process with threads forks; the child's copies of sockets
loop = asyncio.new_event_loop()

async def prepare():
    server = Server(Ledger(9, 1))
    server.start()
    client = AsyncClient(server.urls[0], transport=sys.argv[1])
    await ask(server, client, 0)
    return server, client

async def ask(server, client, number):
    token = server.ledger.token(number)
    answer = await asyncio.wait_for(client.get(f"/plain/9/{token}", response_format=bytes), 10)
    assert answer == payload(token, 9)

async def use_in_child(client):
    for send in (lambda: client.get("/x"), client.stream("GET", "/x").__aenter__):
        try:
            await send()
        except AsyncClientError as error:
            assert "fork" in str(error), error
        else:
            raise AssertionError("it was sent")
    await client.close()
    assert client.closed

def fork(run, client):
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    try:
        run(use_in_child(client))
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)

async def go_on(server, client):
    if sys.argv[2] == "out of the loop":
        fork(asyncio.run, client)
    for number in range(1, 4):
        await ask(server, client, number)
    assert client.stats.connections_opened == 1
    await client.close()
    await server.stop()

server, client = loop.run_until_complete(prepare())
if sys.argv[2] != "out of the loop":
    fork(loop.run_until_complete if sys.argv[2] == "in the same loop" else asyncio.run, client)
loop.run_until_complete(go_on(server, client))
loop.close()
print("right")
"""
_ENDS = (TransportError, AsyncClientError, HTTPServiceUnavailable, UploadError)


@pytest.mark.hazard(57)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_closed_at_every_step(
    name: str, transport: str, tls: TlsMaterial, proxy: ForwardProxy, tmp_path: Path
) -> None:
    """Whatever a request does when its client is closed, it ends at once, right or with an error of ours."""
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    scenario = SCENARIOS[name]()
    server = Server(Ledger(1000, 1), context=tls.server_context() if scenario.secure else None)
    server.start()
    failures = 0
    for step in [*range(1, 24), 32, 48, 64, 96]:
        scenario = SCENARIOS[name]()
        url = server.urls[0] if scenario.host is None else server.urls[0].replace("127.0.0.1", scenario.host)
        options = dict(scenario.options)
        if scenario.proxied:
            options["proxy"] = proxy.url
        client = AsyncClient(url, transport=transport, tls=tls.trusting, **options)
        place = Bench(scenario, server, client, tmp_path, iter(range(2 * step, 1000)))
        requests = [asyncio.ensure_future(place.send(next(place.numbers)))]
        if scenario.held:
            requests.append(asyncio.ensure_future(client.get(place.path(next(place.numbers), "silent", 1))))
        for _ in range(step):
            await asyncio.sleep(0)
        await asyncio.wait_for(client.close(), WAIT_SECONDS)
        done, late = await asyncio.wait(requests, timeout=WAIT_SECONDS)
        assert not late, f"step {step}"
        for request in done:
            assert not request.cancelled()
            assert isinstance(request.exception(), (*_ENDS, type(None))), f"step {step}: {request.exception()!r}"
            failures += request.exception() is not None
        assert await settled(lambda: not left(None)), left(None)
        assert await settled(lambda: not server.peers)
    await server.stop()
    assert failures > 2
    assert heard == []


async def test_closing_twice_at_once_is_closing_once(echo: EchoServer, transport: str) -> None:
    """Two tasks may close a client at the same time."""
    client = AsyncClient(echo.url, transport=transport)
    await client.get("/x")
    await asyncio.gather(client.close(), client.close())
    assert client.closed


async def test_a_server_that_never_ends_its_tls(tls: TlsMaterial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for a server to end in good order, but not for ever: its socket is closed then."""
    monkeypatch.setattr(pool, "_CLOSE_SECONDS", 0.01)
    ports, release = SimpleQueue[int](), threading.Event()

    def stay_silent(sock: socket.socket) -> None:
        ports.put(sock.getpeername()[1])
        release.wait(WAIT_SECONDS)

    with Peer(tls.server_context(), None).serving() as server:
        async with AsyncClient(server.url, transport="wire", tls=tls.trusting) as client:
            assert await client.get("/x", response_format=str) == "0"
            saying = asyncio.ensure_future(asyncio.to_thread(server.say, 0, stay_silent))
            port = await asyncio.to_thread(ports.get)
        assert await settled(lambda: not is_connected(port))
        release.set()
        await saying


@pytest.mark.parametrize("kind", ["wire", "aiohttp", "session"])
async def test_a_transport_that_was_closed_sends_nothing(echo: EchoServer, kind: str) -> None:
    """Whoever uses it then is told so, also where the session is the caller's and goes on."""
    async with aiohttp.ClientSession() as session:
        transport = WireTransport() if kind == "wire" else AiohttpTransport(session if kind == "session" else None)
        await transport.close()
        async with AsyncClient(echo.url, transport=transport) as client:
            with pytest.raises(ConnectError, match="was closed") as caught:
                await client.get("/x")
        assert transport.connections == (0, 0, 0)
    assert not caught.value.maybe_sent


async def test_closing_again_cancels_nobody_who_has_gone_on() -> None:
    """A task whose wait has ended is left alone, also where its owner is closed a second time."""

    async def wait() -> str:
        task = closing.begin()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task.uncancel()
        finally:
            closing.end(task)
        await go_on.wait()
        return "went on"

    closing, go_on = Closing(), asyncio.Event()
    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    closing.close()
    await asyncio.sleep(0)
    closing.close()
    go_on.set()
    assert await waiting == "went on"


@pytest.mark.hazard(57)
def test_a_loop_that_was_closed_under_a_client(transport: str) -> None:
    """The next request is told so, and closing the client then is no error; its socket goes with the client."""
    script = f"""
        import asyncio, gc, os, warnings
        from headrace import AsyncClient
        from headrace.errors import AsyncClientError
        from tests.crossing.ledger import Ledger
        from tests.crossing.resources import resources
        from tests.crossing.server import Server

        warnings.simplefilter("ignore", ResourceWarning)  # asyncio's own, of the socket that its loop has forgotten

        async def use():
            server = Server(Ledger(9, 1))
            server.start()
            client = AsyncClient(server.urls[0], transport={transport!r})
            await client.get(f"/plain/9/{{server.ledger.token(0)}}", response_format=bytes)
            waiting = asyncio.ensure_future(client.get(f"/silent/9/{{server.ledger.token(1)}}"))
            await asyncio.sleep(0.01)
            return client, waiting

        async def again(client):
            assert not waiting.done()
            await client.close()
            await client.close()

        loop = asyncio.new_event_loop()
        client, waiting = loop.run_until_complete(use())
        loop.close()
        asyncio.run(again(client))
        assert client.closed
        print("right")
    """
    assert _run(script)[-1] == "right"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.hazard(22, 57)
@pytest.mark.parametrize("how", ["in a new loop", "in the same loop", "out of the loop"])
def test_a_fork_after_use(transport: str, how: str) -> None:
    """A forked process is told to make a client of its own, and closing there leaves the parent's requests alone."""
    assert _run(_FORKING, transport, how)[-1] == "right"


def _run(script: str, *arguments: str) -> list[str]:
    """Run a program in a process of its own, and return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.hazard(57)
async def test_another_thread_with_a_loop_of_its_own(echo: EchoServer, transport: str) -> None:
    """A request from another thread, and closing there, are refused while the client's own loop is at work."""
    refused: list[str] = []

    async def elsewhere() -> None:
        for call in (client.get("/x"), client.close()):
            try:
                await call
            except AsyncClientError as error:
                refused.append(str(error))

    async with AsyncClient(echo.url, transport=transport) as client:
        await client.get("/x")
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        thread.join()  # in a task of the client's loop, which is what its quick check asks for
        assert len(refused) == 2
        assert all("another event loop" in text for text in refused)
        assert not client.closed
        await client.get("/x")
    assert len(echo.seen) == 2


@pytest.mark.hazard(48)
@pytest.mark.parametrize("how", ["cancelled", "failed", "late", "streamed"])
async def test_what_has_ended_is_forgotten(how: str) -> None:
    """A task that ended in a request's error can be collected, with all that the request has held."""

    async def handler(_: object) -> Any:
        if how == "failed":
            raise TransportError("gone")
        await asyncio.Event().wait()

    async def streamed() -> None:
        async with client.stream("GET", "/x"):
            pass

    async with AsyncClient("http://a.example", transport=MockTransport(handler)) as client:
        timeout = 0.001 if how == "late" else 30
        task = asyncio.ensure_future(streamed() if how == "streamed" else client.get("/x", timeout=timeout))
        await asyncio.sleep(0)
        if how in {"cancelled", "streamed"}:
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is not None
        known = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        gc.collect()
        assert known() is None


async def test_closing_leaves_no_timer(echo: EchoServer, transport: str) -> None:
    """Timers of keep-alive, silence and time limits end with the client."""
    before = resources().timers
    async with AsyncClient(echo.url, transport=transport, timeout=30) as client:
        await client.get("/x")
    assert await settled(lambda: resources().timers <= before)
