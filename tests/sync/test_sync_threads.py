"""Whoever calls, waits; whatever a caller gives runs in the caller's thread; many threads share one client."""

import asyncio
import contextvars
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest

from headrace import PoolLimits, SyncClient, errors
from headrace.auth import Credentials, OAuth2RefreshToken, Send
from headrace.testing import MockTransport, Response, json_response
from tests.kit.beside import Beside
from tests.servers.echo import EchoServer
from tests.servers.oauth2 import oauth2_server
from tests.servers.raw import WAIT_SECONDS, Do, raw_server, reply, scripted_server
from tests.sync.conftest import MakeClient

THREADS = 32


class MineError(Exception):
    """What a function of the caller's raises."""


class Counted(SyncClient):
    """A client whose threads are counted."""


def fail(*_: Any) -> Any:
    """Raise it."""
    raise MineError


def failing() -> Iterator[bytes]:
    """Yield a piece, and raise it."""
    yield b"a"
    raise MineError


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Do something in many threads at the same time."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        barrier.wait(WAIT_SECONDS)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_many_threads_share_one_client(make: MakeClient) -> None:
    """Each gets its own answers, over the connections of one pool."""
    client = make(Counted, pool=PoolLimits(max_connections=4))

    def ask(number: int) -> list[str]:
        return [client.get(f"/{number}/{turn}")["target"] for turn in range(10)]

    assert at_once(ask) == [[f"/{number}/{turn}" for turn in range(10)] for number in range(THREADS)]
    assert client.stats.requests == THREADS * 10
    assert client.stats.connections_opened <= 4
    assert len([thread for thread in threading.enumerate() if thread.name == "headrace Counted"]) == 1


def test_settings_change_under_way(make: MakeClient) -> None:
    """A change of a thread holds for its next request, however many others are sending."""
    client = make()
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            client.get("/others")

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(send) for _ in range(4)]
        try:
            for number in range(100):
                client.headers["X-Number"] = str(number)
                if number % 10 == 0:
                    client.bearer_token = f"t{number}"
                    client.parameters = {"p": number}
                told = client.get("/x")
                sent = dict(told["headers"])
                assert (sent["X-Number"], sent["Authorization"]) == (str(number), f"Bearer t{number // 10 * 10}")
                assert told["target"] == f"/x?p={number // 10 * 10}"
                client.headers.pop(f"X-{number - 1}", None)
                client.headers[f"X-{number}"] = "1"
        finally:
            over.set()
        for other in others:
            other.result(WAIT_SECONDS)


async def test_a_thread_with_a_running_loop_may_call(echo: EchoServer) -> None:
    """As in a notebook: the call blocks that loop, so the server has to be elsewhere, and it returns."""
    del echo
    transport = MockTransport(lambda _: json_response({"id": 1}))
    with SyncClient("http://a.example", transport=transport) as client:
        assert client.get("/x") == {"id": 1}
        with client.stream("GET", "/x") as response:
            assert response.read() == b'{"id":1}'
    assert asyncio.get_running_loop().is_running()


def test_what_its_own_loop_runs_cannot_call(echoing: EchoServer) -> None:
    """It would wait for itself for ever; an error says so."""

    class Login:
        async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:  # noqa: ARG002
            client.get("/login")
            raise AssertionError

    class Closing(Login):
        async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:  # noqa: ARG002
            client.close()
            raise AssertionError

    for auth in (Login(), Closing()):
        with SyncClient(echoing.url, auth=auth) as client, pytest.raises(errors.SyncClientError, match="own loop"):
            client.get("/x")


def test_functions_run_in_the_callers_thread(make: MakeClient) -> None:
    """Tokens, error models, progress and iterables, of the client and of the call."""
    threads: dict[str, int] = {}

    def seen(name: str, value: Any = None) -> Any:
        threads[name] = get_ident()
        return value

    def pieces() -> Iterator[bytes]:
        yield seen("pieces", b"a")

    client = make(
        bearer_token=lambda: seen("token", "t"), error_responses={404: lambda body: seen("404", {"was": body})}
    )
    assert ["Authorization", "Bearer t"] in client.get("/x")["headers"]
    with pytest.raises(errors.HTTPNotFound) as caught:
        client.get("/status/404?body=1&type=application/json")
    assert caught.value.response == {"was": 1}
    with pytest.raises(errors.HTTPGone) as gone:
        client.get("/status/410?body=2&type=application/json", error_responses={410: lambda body: seen("410", body)})
    assert gone.value.response == 2
    assert client.post("/x", data=pieces())["body"] == "a"
    told: list[tuple[int, int | None]] = []
    client.upload_file(pieces(), "/x", filename="f", progress=lambda *numbers: seen("progress", told.append(numbers)))
    assert told[0][0] == 0
    assert told[-1][0] > told[0][0]
    assert threads == dict.fromkeys(["token", "404", "410", "pieces", "progress"], get_ident())


def test_a_new_refresh_token_is_told_in_the_callers_thread(servers_beside: Beside, transport: str) -> None:
    """So that it can be stored by code that is not async."""
    server = servers_beside.start(oauth2_server())
    server.more = {"expires_in": 3600, "refresh_token": "r1"}
    told: list[tuple[str, int]] = []
    auth = OAuth2RefreshToken(
        server.token_url, "r0", "me", "pssst", on_refresh=lambda token: told.append((token, get_ident()))
    )
    with SyncClient(server.url, transport=transport, auth=auth) as client:
        client.get("/x")
    assert told == [("r1", get_ident())]


@pytest.mark.parametrize(
    "send",
    [
        lambda client, _: client.post("/x", data=failing()),
        lambda client, _: client.stream_file(failing(), "/x"),
        lambda client, _: client.stream_file([b"a"], "/x", progress=fail),
        lambda client, place: client.download("/users", place, progress=fail),
        lambda client, _: client.get("/status/404?body=1&type=application/json", error_responses={404: fail}),
    ],
    ids=["data", "stream_file", "progress", "download", "error_responses"],
)
def test_what_a_function_raises_is_raised(make: MakeClient, tmp_path: Path, send: Callable[..., Any]) -> None:
    """It fails the request, comes out as it is, names the caller's function, and the client goes on."""
    client = make()
    with pytest.raises((MineError, errors.UploadError)) as caught:
        send(client, tmp_path / "x")
    error = caught.value if isinstance(caught.value, MineError) else caught.value.__cause__
    assert isinstance(error, MineError)
    assert traceback.extract_tb(error.__traceback__)[-1].name in {"fail", "failing"}
    assert client.get("/x")["target"] == "/x"


def test_what_a_token_function_raises_is_raised(make: MakeClient) -> None:
    """To each request that waits for it, and the next one asks anew."""
    client = make(bearer_token=fail)
    for _ in range(2):
        with pytest.raises(MineError):
            client.get("/x")


def test_an_error_model_may_make_the_error(make: MakeClient) -> None:
    """An exception that it returns is raised."""
    with pytest.raises(MineError):
        make().get("/status/404?body=1&type=application/json", error_responses={404: lambda _: MineError()})


def test_functions_may_call_the_client(make: MakeClient) -> None:
    """The thread that runs them may use the client meanwhile, as deep as it likes."""
    client = make()

    def pieces() -> Iterator[bytes]:
        yield client.get("/inner")["target"].encode()
        yield client.post("/inner", data=iter([client.get("/innermost")["target"].encode()]))["body"].encode()

    assert client.post("/outer", data=pieces())["body"] == "/inner/innermost"


def test_one_thread_asks_for_the_token_of_all(make: MakeClient) -> None:
    """However many wait for it, it is asked for once, in the thread of one of them."""
    asked: list[int] = []

    def token() -> str:
        asked.append(get_ident())
        return "t"

    client = make(bearer_token=token)
    told = at_once(lambda _: (get_ident(), client.get("/x")["headers"]))
    assert all(["Authorization", "Bearer t"] in headers for _, headers in told)
    assert len(asked) == 1
    assert asked[0] in {thread for thread, _ in told}


def test_a_token_function_may_be_async(make: MakeClient) -> None:
    """What it returns is awaited on the loop."""

    async def token() -> str:
        await asyncio.sleep(0)
        return "t"

    assert ["Authorization", "Bearer t"] in make(bearer_token=token).get("/x")["headers"]


def test_context_variables_are_those_of_the_caller() -> None:
    """What a transport, a limiter or a log sees is what was set where the call was made."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def answer(_: Any) -> Response:
        seen.append(variable.get())
        return json_response(1)

    with SyncClient("http://a.example", transport=MockTransport(answer)) as client:
        client.get("/x")
        token = variable.set("set")
        client.get("/x")
        variable.reset(token)
    assert seen == ["unset", "set"]


def test_a_slow_thread_holds_up_no_other(servers_beside: Beside, transport: str) -> None:
    """While one thread waits inside its own function, others get their answers."""
    server = servers_beside.start(scripted_server([Do.READ, reply(b"1"), Do.READ, reply(b"2"), Do.HOLD]))
    entered, leave = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        entered.set()
        assert leave.wait(WAIT_SECONDS)
        yield b"x"

    with SyncClient(server.url, transport=transport) as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.post, "/slow", data=pieces())
        assert entered.wait(WAIT_SECONDS)
        assert client.get("/x") == 1
        leave.set()
        assert slow.result(WAIT_SECONDS) == 1


def secrets_in(error: BaseException | None) -> list[str]:
    """Find what the frames of an error, and of its causes, hold of a secret."""
    found = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if str(frame.f_globals.get("__name__", "")).startswith("headrace"):
                found += [
                    f"{frame.f_code.co_name}: {name}" for name, value in frame.f_locals.items() if "psst" in repr(value)
                ]
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("status", [404, None])
def test_errors_are_short_and_hold_no_secret(make: MakeClient, status: int | None) -> None:
    """From the caller's line to where it was raised there are few frames, and none of them tells a secret."""
    client = make()
    path = f"/status/{status}" if status else "/status/x"
    for options in (
        {"headers": {"X-Key": "psst"}, "body": {"password": "psst"}},
        {"headers": {"X-Key": "psst"}, "data": iter([b"psst"]), "parameters": {"key": "psst"}},
    ):
        with pytest.raises(errors.HTTPError) as caught:
            client.post(path, **options)
        assert secrets_in(caught.value) == []
        assert len(list(traceback.walk_tb(caught.value.__traceback__))) <= 7
    with pytest.raises(errors.ValidationError) as wrong:
        client.post("/x", headers={"X-Key": "psst"}, body={"password": "psst"}, timeout="psst?")
    assert [place for place in secrets_in(wrong.value) if "psst?" not in place] == []


def test_a_body_is_taken_piece_by_piece(servers_beside: Beside, transport: str) -> None:
    """Each piece goes out when it is there: the next one may wait for what the server says to it."""
    first, second = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"one\r\n")
        first.set()
        await reader.readuntil(b"two\r\n")
        second.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(reply(b"1"))
        await reader.read()

    server = servers_beside.start(raw_server(answer))

    def pieces() -> Iterator[bytes]:
        yield b"one"
        servers_beside.run(first.wait())
        yield b"two"
        servers_beside.run(second.wait())

    with SyncClient(server.url, transport=transport) as client:
        assert client.post("/x", data=pieces()) == 1


def test_a_body_is_not_read_far_ahead(servers_beside: Beside, transport: str) -> None:
    """A server that answers before the end of an endless body is heard, and no more of the body is taken."""
    server = servers_beside.start(scripted_server([reply(b"", status="413 Content Too Large"), Do.CLOSE]))
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100_000

    with SyncClient(server.url, transport=transport) as client:
        with pytest.raises((errors.HTTPRequestEntityTooLarge, errors.TransportError)):
            client.post("/x", data=endless())
        before = taken
        with pytest.raises((errors.HTTPRequestEntityTooLarge, errors.TransportError)):
            client.get("/x")
        assert taken == before


def test_a_buffer_that_is_used_again(make: MakeClient) -> None:
    """A piece is what it was when it was yielded, however soon its owner writes over it."""

    def pieces() -> Iterator[bytearray]:
        buffer = bytearray(4)
        for number in range(200):
            buffer[:] = b"%04d" % number
            yield buffer

    assert make().post("/x", data=pieces())["body"] == "".join(f"{number:04}" for number in range(200))
