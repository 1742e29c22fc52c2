"""The client on HTTP/1.1 servers that others wrote; `python -m tests.real_servers` is the long form."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from headrace import AsyncClient
from tests.real_servers.run import each, run
from tests.real_servers.scenarios import number
from tests.real_servers.servers import SERVERS, running
from tests.servers.process import not_installed

Start = Callable[[str], str]
KEPT = 200
TIMES = 2


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A function that tells where a server is, and starts it when it is asked first."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def where(name: str) -> str:
            if name not in urls:
                if SERVERS[name].missing:
                    not_installed(SERVERS[name].missing)
                urls[name] = stack.enter_context(running(SERVERS[name], tmp_path_factory.mktemp("server")))
            return urls[name]

        yield where


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.in_ci])
async def test_a_real_server(start: Start, transport: str, name: str) -> None:
    """What was sent is what arrives, both ways, and connections serve again where nobody has ended them."""
    url, server = start(name), SERVERS[name]
    async with AsyncClient(url, transport=transport) as client:
        for sent in range(KEPT):
            await number(client, sent)
        assert client.stats.connections_opened <= KEPT * 0.01
    outcome = await run(url, transport, server, each(server) * TIMES)
    assert outcome.wrong == []
    assert outcome.reuse >= 0.99
