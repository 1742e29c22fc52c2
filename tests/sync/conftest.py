"""Servers in another thread, and a client of one of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from headrace import SyncClient
from tests.kit.beside import Beside, beside
from tests.servers.echo import EchoServer, echo_server

MakeClient = Callable[..., SyncClient]


@pytest.fixture
def servers_beside() -> Iterator[Beside]:
    """A loop in another thread, for servers."""
    with beside() as place:
        yield place


@pytest.fixture
def echoing(servers_beside: Beside) -> EchoServer:
    """A server that answers with what it was asked."""
    return servers_beside.start(echo_server())


@pytest.fixture
def make(echoing: EchoServer, transport: str) -> Iterator[MakeClient]:
    """A function that makes a client of that server, over each transport, for the rest of the test."""
    with ExitStack() as stack:

        def client(kind: type[SyncClient] = SyncClient, uri: str = echoing.url, **options: Any) -> SyncClient:
            return stack.enter_context(kind(uri, transport=transport, **options))

        yield client
