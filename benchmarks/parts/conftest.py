"""What the suites share lives here: a loop, a way to time coroutines, answers, and a socket that is none."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from benchmarks import data
from headrace import AsyncClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

#: Awaits in one timed round: entering the loop costs more than most of what is timed.
BATCH = 100
BODY = data.as_json(data.user(1))
#: What nginx sends.
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nLast-Modified: Sun, 22 Nov 2026 11:00:00 GMT\r\n"
    b'Connection: keep-alive\r\nETag: "6921a3f0-1af"\r\nAccept-Ranges: bytes\r\n\r\n%b' % (len(BODY), BODY)
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The loop that headrace runs on: uvloop, where there is one."""
    try:
        import uvloop
    except ImportError:
        made = asyncio.new_event_loop()
    else:
        made = uvloop.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def timed(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop) -> Callable[[Callable[[], Any]], Any]:
    """Time a coroutine function, `BATCH` awaits a round."""

    def time(one: Callable[[], Any]) -> Any:
        async def batch() -> Any:
            answer = None
            for _ in range(BATCH):
                answer = await one()
            return answer

        benchmark.extra_info["awaits in a round"] = BATCH
        return benchmark(lambda: loop.run_until_complete(batch()))

    return time


class FakeSocket:
    """An asyncio transport without a network: whatever is written is answered in the loop's next step."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        """Answer to this protocol from now on."""
        self._protocol = protocol

    def write(self, _: bytes) -> None:
        """Answer."""
        self._loop.call_soon(self._protocol.data_received, ANSWER)

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def get_write_buffer_size(self) -> int:
        """Have sent everything."""
        return 0

    def close(self) -> None:
        """Close as sockets do: the protocol hears of it a step later."""
        self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        """Know nothing."""
        return default


@pytest.fixture
def client(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncClient]:
    """A client with its defaults, over the wire transport; aiohttp dials a `FakeSocket`."""

    async def connect(*_: Any) -> Any:
        handler = SimpleNamespace(transport=FakeSocket(loop), should_close=False, exception=lambda: None)
        return SimpleNamespace(protocol=handler, close=lambda: None)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)
    made = AsyncClient("http://api.example.com/v1")
    yield made
    loop.run_until_complete(made.close())
