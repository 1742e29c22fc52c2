"""What is told where no answer comes: which request it was, what was tried, what to do."""

import asyncio
import copy
import pickle
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headrace import AsyncClient, PoolLimits, RateLimiter, Retry, Timeout, errors
from headrace.auth import APIKey, OAuth2ClientCredentials
from tests.conftest import ServeScript
from tests.servers.raw import Do, reply
from tests.servers.tls import TlsMaterial


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads and hangs up; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def failure(uri: str, transport: str, **options: object) -> errors.TransportError:
    """The error of a GET request for `/x` with a secret in its query."""
    async with AsyncClient(uri, transport=transport, **options) as client:  # type: ignore[arg-type] # any option
        with pytest.raises(errors.TransportError) as caught:
            await client.get("/x", parameters={"token": "s3cret"})
    error = caught.value
    assert (error.method, error.url) == ("GET", f"{uri}/x?token=***")
    assert str(error).startswith(f"GET {uri}/x?token=***: ")
    assert "s3cret" not in repr(vars(error))
    return error


async def test_tls_to_a_port_without_it(transport: str) -> None:
    """The error says that the port does not speak TLS, and names the other scheme."""
    async with listening() as port:
        error = await failure(f"https://127.0.0.1:{port}", transport)
    assert isinstance(error, errors.ConnectError)
    assert "does not speak TLS" in str(error)
    assert "http://" in str(error)


async def test_plain_text_to_a_tls_port(transport: str, tls: TlsMaterial) -> None:
    """The error names the scheme that is missing, where the server hangs up without a word."""
    async with listening(tls.server_context()) as port:
        error = await failure(f"http://127.0.0.1:{port}", transport)
    assert "https://" in str(error)


async def test_a_tls_alert_is_told(serve_script: ServeScript) -> None:
    """A server that answers plain text with an alert is known by its first byte."""
    server = await serve_script([Do.READ, b"\x15\x03\x01\x00\x02\x02\x16", Do.CLOSE])
    error = await failure(server.url.rstrip("/"), "wire")
    assert isinstance(error, errors.ProtocolError)
    assert "this is TLS: the uri has to begin with https://" in str(error)


async def test_a_certificate_that_nobody_has_signed(transport: str, tls: TlsMaterial) -> None:
    """The error says how to trust it."""
    async with listening(tls.server_context()) as port:
        error = await failure(f"https://127.0.0.1:{port}", transport)
    assert isinstance(error, errors.ConnectError)
    assert 'tls=ssl.create_default_context(cafile="…")' in str(error)


async def test_nothing_listens(transport: str) -> None:
    """A refused connection says so."""
    error = await failure("http://127.0.0.1:1", transport)
    assert "nothing listens on this port" in str(error)


async def test_no_such_host(transport: str) -> None:
    """A name without an address says where to look."""
    error = await failure("http://nosuch.invalid", transport)
    assert "nosuch.invalid" in str(error)
    assert "look for a slip in the host" in str(error)


async def test_a_silent_server(transport: str, serve_script: ServeScript) -> None:
    """The total time names what it went into, the read timeout names itself."""
    server = await serve_script([Do.READ, Do.HOLD], [Do.READ, Do.HOLD])
    url = server.url.rstrip("/")
    error = await failure(url, transport, timeout=0.3)
    assert isinstance(error, errors.RequestTimeout)
    assert "did not end within 0.3 s: waited for " in str(error)
    assert "the server 0." in str(error)
    assert str(error).endswith(" (timeout=)")
    error = await failure(url, transport, timeout=Timeout(read=0.2))
    assert isinstance(error, errors.RequestTimeout)
    assert "the server sent nothing for 0.2 s (Timeout.read)" in str(error)


async def test_a_time_that_the_limiter_took(transport: str, serve_script: ServeScript) -> None:
    """A request that was never let start says that it waited for the rate limit."""
    server = await serve_script([Do.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    limiter = RateLimiter(1, 60)
    assert limiter.try_acquire()
    error = await failure(server.url.rstrip("/"), transport, timeout=0.2, limiter=limiter)
    assert "did not end within 0.2 s: waited for the rate limit 0." in str(error)
    assert not error.maybe_sent


async def test_a_time_that_the_pool_took(transport: str, serve_script: ServeScript) -> None:
    """A request that found no connection says so, with the time for that or with the total."""
    server = await serve_script([Do.READ, Do.HOLD])
    url = server.url.rstrip("/")
    async with AsyncClient(url, transport=transport, pool=PoolLimits(max_connections=1), timeout=5) as client:
        first = asyncio.ensure_future(client.get("/first"))
        await server.accepted(1)
        with pytest.raises(errors.RequestTimeout, match=r"/x: did not end within 0\.2 s: waited for a free connection"):
            await client.get("/x", timeout=0.2)
        with pytest.raises(errors.PoolTimeout, match=r"/x: no .* within 0\.1 s \(Timeout.pool\); see PoolLimits"):
            await client.get("/x", timeout=Timeout(pool=0.1))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_time_that_pauses_took(transport: str) -> None:
    """The time between attempts is told apart, with how many attempts there were."""
    policy = Retry(attempts=9, backoff=0.05, max_backoff=0.05, deadline=None, budget=None)
    async with AsyncClient("http://127.0.0.1:1", transport=transport, retry=policy, timeout=0.5) as client:
        with pytest.raises(errors.TransportError) as caught:
            await client.get("/x")
    assert caught.value.url == "http://127.0.0.1:1/x"
    assert len(caught.value.attempts) > 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
async def test_the_request_survives_copies(again: object, transport: str) -> None:
    """Method and URL come back from a copy and from a pickle, with the text."""
    error = await failure("http://127.0.0.1:1", transport)
    other = again(error)  # type: ignore[operator] # one of the three
    assert (other.method, other.url, str(other)) == (error.method, error.url, str(error))
    assert vars(other) == vars(error)


async def test_behind_a_redirect_the_last_request_is_named(transport: str, serve_script: ServeScript) -> None:
    """What failed is what the redirect led to."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/there?token=t0p\r\nContent-Length: 0\r\n\r\n"
    server = await serve_script([Do.READ, moved])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.ConnectError) as caught:
            await client.post("/x")
    assert (caught.value.method, caught.value.url) == ("GET", "http://127.0.0.1:1/there?token=***")


async def test_a_body_that_breaks_off_while_it_is_read(transport: str, serve_script: ServeScript) -> None:
    """Errors behind the head of a stream name its request, inside and outside of the block."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n"
    server = await serve_script([Do.READ, head, b'{"a": 1}\n', Do.CLOSE], [Do.READ, head, b"nonsense\n", Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        async with client.stream("GET", "/x") as response:
            with pytest.raises(errors.ConnectionLost, match=r"^GET http://127.*/x: "):
                await response.aread()
        async with client.stream("GET", "/x") as response:
            with pytest.raises(errors.ResponseParseError, match=r"^GET http://127.*/x: item 0: the body is not JSON"):
                async for _ in response.aiter_items():
                    pass


async def test_a_file_that_is_another_one(transport: str, serve_script: ServeScript, tmp_path: Path) -> None:
    """The error of a download names its request, with a key of the client's masked whatever its name."""
    server = await serve_script([Do.READ, reply(b"some bytes")])
    async with AsyncClient(server.url, transport=transport, auth=APIKey("s3cret", query="mine")) as client:
        with pytest.raises(errors.ChecksumError) as caught:
            await client.download("/file", tmp_path / "file", checksum=f"sha256:{'0' * 64}")
    assert caught.value.url.endswith("/file?mine=***")
    assert str(caught.value).startswith(f"GET {caught.value.url}: ")


async def test_no_credentials_names_the_call_that_needs_them(transport: str) -> None:
    """An `AuthError` is of the call, and of the endpoint."""
    auth = OAuth2ClientCredentials("http://127.0.0.1:1/token", "me", "s3cret")
    async with AsyncClient("http://127.0.0.1:2/v1", transport=transport, auth=auth) as client:
        with pytest.raises(errors.AuthError) as caught:
            await client.get("/users", parameters={"page": 1, "token": "t0p"})
    error = caught.value
    assert (error.method, error.url) == ("GET", "http://127.0.0.1:2/v1/users?page=1&token=***")
    assert error.endpoint == "http://127.0.0.1:1/token"
    assert str(error).startswith(f"GET {error.url}: no token from http://127.0.0.1:1/token: no connection to ")
