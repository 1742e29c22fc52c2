"""Fixtures for all tests: both event loops, both transports, and the real servers of `tests.servers`."""

import asyncio
import gc
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from headrace import AsyncClient
from headrace.auth import OAuth2ClientCredentials
from tests.kit import quick, skips
from tests.kit.ids import ADDRESS
from tests.servers.echo import EchoServer, echo_server
from tests.servers.jsonplaceholder import JsonPlaceholder, jsonplaceholder_server
from tests.servers.nginx import Nginx, nginx_server
from tests.servers.oauth2 import SECRET, OAuth2Server, oauth2_server
from tests.servers.proxy import ForwardProxy, forward_proxy
from tests.servers.raw import Handler, RawServer, Step, raw_server, scripted_server
from tests.servers.tls import TlsMaterial

# Where a shell has started this in the background, SIGINT is ignored, by every program, too, that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

try:
    import uvloop
except ImportError:
    # There is none for Windows.
    _LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
else:
    _LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Serve(Protocol):
    """The type of the `serve` fixture."""

    def __call__(self, handler: Handler, *, ssl: SSLContext | None = None) -> Awaitable[RawServer]:
        """Start a raw server."""


class ServeScript(Protocol):
    """The type of the `serve_script` fixture."""

    def __call__(self, *scripts: Sequence[Step], ssl: SSLContext | None = None) -> Awaitable[RawServer]:
        """Start a scripted server."""


class MakeProxy(Protocol):
    """The type of the `make_proxy` fixture."""

    def __call__(self, *, credentials: tuple[str, str] | None = None) -> Awaitable[ForwardProxy]:
        """Start a forward proxy."""


class Connect(Protocol):
    """The type of the `connect` fixture."""

    def __call__(self, auth: Any = None, *, grant: Mapping[str, Any] = ..., **options: Any) -> Awaitable[AsyncClient]:
        """Make a client."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests of a hazard be run by its row or advisory."""
    parser.addoption("--hazard", help="run what holds this row or advisory of docs/hazards.md")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that hold the hazard, where one is asked for; refuse names that differ between processes."""
    if unstable := [item.nodeid for item in items if ADDRESS.search(item.nodeid)]:
        raise pytest.UsageError(
            "\n".join(["an address in memory is in the names of (tests.kit.ids mends it):", *unstable])
        )
    wanted = config.getoption("--hazard")
    if wanted is not None:
        held = [
            item
            for item in items
            if any(str(row) == wanted for mark in item.iter_markers("hazard") for row in mark.args)
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in held])
        items[:] = held


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give Hypothesis the seed of the order, so that the one that is told at the start brings a whole run back."""
    config.pluginmanager.register(skips)
    config.pluginmanager.register(quick)
    told: Mapping[str, Any] = getattr(config, "workerinput", {})  # by the process that shares the tests out
    seed = told.get("randomly_seed", config.getoption("randomly_seed", None))
    if seed == "default":
        seed = config.option.randomly_seed = random.SystemRandom().getrandbits(32)
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = seed


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from all that was there before the first test: a million objects that stay.

    It walks them in every full collection, of which some tests ask for many.
    """
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every async test on each loop; `@pytest.mark.asyncio(loop_factories=["asyncio"])` picks one."""
    return _LOOPS


@pytest.fixture(params=["wire", "aiohttp"])
def transport(request: pytest.FixtureRequest) -> str:
    """The name of a transport; a test that takes it runs over each of them."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tls() -> TlsMaterial:
    """Certificates for this run, with contexts for servers and clients."""
    return TlsMaterial()


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, tls: TlsMaterial) -> Iterator[Nginx]:
    """A running nginx with http and https."""
    with nginx_server(tmp_path_factory.mktemp("nginx"), tls) as server:
        yield server


@pytest.fixture(scope="session")
def jsonplaceholder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonPlaceholder]:
    """A running JSONPlaceholder."""
    with jsonplaceholder_server(tmp_path_factory.mktemp("jsonplaceholder")) as server:
        yield server


@pytest.fixture
async def servers() -> AsyncIterator[AsyncExitStack]:
    """What closes the servers that a test started, the last one first."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def echo(servers: AsyncExitStack) -> EchoServer:
    """A server that answers with what it was asked."""
    return await servers.enter_async_context(echo_server())


@pytest.fixture
async def other_origin(servers: AsyncExitStack) -> EchoServer:
    """A second such server: another port, so another origin."""
    return await servers.enter_async_context(echo_server())


@pytest.fixture
def serve(servers: AsyncExitStack) -> Serve:
    """A function that starts a raw server for the rest of the test."""

    async def start(handler: Handler, *, ssl: SSLContext | None = None) -> RawServer:
        return await servers.enter_async_context(raw_server(handler, ssl=ssl))

    return start


@pytest.fixture
def serve_script(servers: AsyncExitStack) -> ServeScript:
    """A function that starts a scripted server for the rest of the test."""

    async def start(*scripts: Sequence[Step], ssl: SSLContext | None = None) -> RawServer:
        return await servers.enter_async_context(scripted_server(*scripts, ssl=ssl))

    return start


@pytest.fixture
def make_proxy(servers: AsyncExitStack) -> MakeProxy:
    """A function that starts a forward proxy for the rest of the test."""

    async def start(*, credentials: tuple[str, str] | None = None) -> ForwardProxy:
        return await servers.enter_async_context(forward_proxy(credentials=credentials))

    return start


@pytest.fixture
async def proxy(make_proxy: MakeProxy) -> ForwardProxy:
    """A forward proxy that asks for no password."""
    return await make_proxy()


@pytest.fixture
async def oauth2(servers: AsyncExitStack) -> OAuth2Server:
    """A token endpoint, and an API that takes its tokens."""
    return await servers.enter_async_context(oauth2_server())


@pytest.fixture
def connect(oauth2: OAuth2Server, transport: str, servers: AsyncExitStack) -> Connect:
    """A function that makes a client of that API for the rest of the test, by default with client credentials."""

    async def make(auth: Any = None, *, grant: Mapping[str, Any] = {}, **options: Any) -> AsyncClient:
        auth = auth or OAuth2ClientCredentials(oauth2.token_url, "me", SECRET, **grant)
        return await servers.enter_async_context(AsyncClient(oauth2.url, transport=transport, auth=auth, **options))

    return make


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A text file of ten bytes."""
    path = tmp_path / "small.txt"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A file that no socket buffer holds; its bytes take no place on the disk."""
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    return path
