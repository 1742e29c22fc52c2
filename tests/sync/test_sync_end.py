"""The end of a client, a call or a program, however it comes, leaves no thread, no task and no connection behind."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest

from headrace import SyncClient, errors
from tests.kit import ROOT
from tests.kit.beside import Beside
from tests.servers.echo import EchoServer
from tests.servers.raw import WAIT_SECONDS, Do, RawServer, reply, scripted_server
from tests.sync.conftest import MakeClient

_PARTIAL = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"

_PROGRAM = """
import asyncio, os, signal, sys, threading
from contextlib import suppress
from headrace import SyncClient, errors
from tests.kit.beside import beside
from tests.servers.raw import Do, reply, scripted_server
PARTIAL = {partial!r}

def tasks(client):
    async def count():
        return len(asyncio.all_tasks())
    return client._loop_thread.run(count()) - 1  # without the one that counts

def interrupt_when(place, server, count):
    def wait():
        place.accepted(server, count)
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=wait)
    thread.start()
    return thread
"""

_INTERRUPTED = (
    _PROGRAM
    + """
with beside() as place, SyncClient("http://a.example", transport=sys.argv[1]) as client:
    def silent():
        return place.start(scripted_server([Do.READ, Do.HOLD]))
    def pieces():
        while True:
            yield b"x" * 1000
    def calls(url):
        yield lambda: client.get(url)
        yield lambda: client.post(url, data=iter([b"a"]))
        yield lambda: client.stream("GET", url).__enter__()
        yield lambda: client.download(url, sys.argv[2])
        yield lambda: client.stream_file(pieces(), url)
    for number in range(5):
        server = silent()
        thread = interrupt_when(place, server, 1)
        try:
            list(calls(server.url))[number]()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("was not interrupted")
        thread.join()
        place.ended(server)
        assert tasks(client) == 1, (number, tasks(client))
    server = place.start(scripted_server([Do.READ, PARTIAL, Do.HOLD]))
    thread = interrupt_when(place, server, 1)
    with suppress(KeyboardInterrupt), client.stream("GET", server.url) as response:
        for piece in response.iter_bytes():
            pass
    thread.join()
    place.ended(server)
    assert tasks(client) == 1
    server = place.start(scripted_server([Do.READ, reply(b"1"), Do.HOLD]))
    assert client.get(server.url) == 1
assert not [thread for thread in threading.enumerate() if thread.name.startswith(("headrace", "asyncio"))]
print("right")
"""
)

_NEVER_CLOSED = (
    _PROGRAM
    + """
def serve():
    with beside() as place:
        server = place.start(scripted_server([Do.READ, reply(b"1"), Do.READ, PARTIAL, Do.HOLD]))
        told.append(server.url)
        ready.set()
        over.wait()
told, ready, over = [], threading.Event(), threading.Event()
thread = threading.Thread(target=serve, daemon=True)
thread.start()
ready.wait()
client = SyncClient(told[0], transport=sys.argv[1])
assert client.get("/x") == 1
if sys.argv[2] == "under way":
    context = client.stream("GET", "/x")
    response = context.__enter__()
    busy = threading.Thread(target=lambda: list(response.iter_bytes()), daemon=True)
    busy.start()
print("right")
"""
)

_FORKED = (
    _PROGRAM
    + """
with beside() as place:
    server = place.start(scripted_server([Do.READ, reply(b"1"), Do.READ, reply(b"2"), Do.HOLD]))
    other = place.start(scripted_server([Do.READ, reply(b"3"), Do.HOLD]))
    used, unused = SyncClient(server.url, transport=sys.argv[1]), SyncClient(other.url, transport=sys.argv[1])
    assert used.get("/x") == 1
    child = os.fork()
    if not child:
        status = 1
        try:
            for send in (lambda: used.get("/x"), lambda: used.stream("GET", "/x").__enter__()):
                try:
                    send()
                except errors.SyncClientError as error:
                    assert "fork" in str(error), error
                else:
                    raise AssertionError("it was sent")
            used.close()
            assert used.closed
            with unused:
                assert unused.get("/x") == 3
            status = 0
        except BaseException as error:
            print(repr(error), flush=True)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert used.get("/x") == 2
    assert used.stats.connections_opened == 1
    used.close()
    unused.close()
print("right")
"""
)


def run(program: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    """Run a program to its end; returns what it wrote to standard error."""
    command = [sys.executable, *options, "-c", program.replace("{partial!r}", repr(_PARTIAL)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3 * WAIT_SECONDS)
    assert done.stdout.splitlines()[-1:] == ["right"], done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for itself")
def test_ctrl_c_cancels_and_leaves_nothing(transport: str, tmp_path: Any) -> None:
    """The connection is closed, no task is left, the client goes on."""
    assert run(_INTERRUPTED, transport, str(tmp_path / "file")) == ""


@pytest.mark.parametrize("state", ["idle", "under way"])
def test_a_program_ends_without_close(transport: str, state: str) -> None:
    """It does not hang, whatever is under way; who asks for warnings is told."""
    assert "unclosed" not in run(_NEVER_CLOSED, transport, state)
    told = run(_NEVER_CLOSED, transport, state, options=("-W", "default::ResourceWarning"))
    assert told.count("ResourceWarning: unclosed <SyncClient http://127.0.0.1:") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_fork_gets_an_error_or_a_thread_of_its_own(transport: str) -> None:
    """What was used before is refused in the copy, what was not works there, and the parent goes on."""
    run(_FORKED, transport, options=("-W", "ignore"))


class Holding(SyncClient):
    """A client that holds itself."""

    def __post_init__(self, *args: Any, **kwargs: Any) -> None:
        """Give a function of its own for the token."""
        super().__post_init__(*args, **kwargs)
        self.bearer_token = self.token

    def token(self) -> str:
        """Return the token."""
        return "t"


@pytest.mark.parametrize(("transport", "kind"), [("wire", SyncClient), ("aiohttp", SyncClient), ("wire", Holding)])
def test_a_client_that_nobody_has_ends_its_thread(echoing: EchoServer, transport: str, kind: type[SyncClient]) -> None:
    """Also where it holds itself; and a warning says that nobody has closed it."""
    client = kind(echoing.url, transport=transport)
    client.get("/x")
    thread, gone = client._loop_thread.thread, weakref.ref(client)
    assert thread is not None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert f"unclosed <{kind.__name__} {echoing.url}>" in [str(each.message) for each in warned]
    warned.clear()  # which hold what they warn of
    assert gone() is None
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_block_that_nobody_leaves(servers_beside: Beside, transport: str) -> None:
    """A stream that was entered and dropped closes its connection; so does an iterator that was."""
    server = servers_beside.start(scripted_server([Do.READ, _PARTIAL, Do.HOLD]))
    with SyncClient(server.url, transport=transport) as client:
        client.stream("GET", "/x").__enter__()
        gc.collect()
        servers_beside.ended(server, 0)
        assert client.get(servers_beside.start(scripted_server([Do.READ, reply(b"1"), Do.HOLD])).url) == 1


def held(servers_beside: Beside) -> RawServer:
    """Start a server that never answers."""
    return servers_beside.start(scripted_server([Do.READ, Do.HOLD]))


def test_closing_ends_what_other_threads_wait_for(servers_beside: Beside, transport: str) -> None:
    """Each gets an error of ours at once, and the connection is closed."""
    server = held(servers_beside)
    client = SyncClient(server.url, transport=transport)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.get, "/x") for _ in range(3)]
        waiting.append(pool.submit(client.stream("GET", "/x").__enter__))
        servers_beside.accepted(server, 4)
        client.close()
        for each in waiting:
            assert isinstance(each.exception(WAIT_SECONDS), errors.ClientError)
    servers_beside.ended(server)
    assert client._loop_thread.thread is not None
    assert not client._loop_thread.thread.is_alive()


def test_a_client_is_closed_inside_its_own_stream(servers_beside: Beside, transport: str) -> None:
    """The block ends, and what is left of the body is an error."""
    server = servers_beside.start(scripted_server([Do.READ, _PARTIAL, Do.HOLD]))
    client = SyncClient(server.url, transport=transport)
    with client.stream("GET", "/x") as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"abc"
        client.close()
        with pytest.raises(errors.ClientError):
            list(pieces)
    servers_beside.ended(server)


def test_a_function_may_close_the_client(servers_beside: Beside, transport: str) -> None:
    """The call that it belongs to ends with an error."""
    server = held(servers_beside)
    client = SyncClient(server.url, transport=transport)

    def pieces() -> Iterator[bytes]:
        client.close()
        yield b"a"

    with pytest.raises(errors.ClientError):
        client.post("/x", data=pieces())
    assert client.closed


def test_many_threads_close_at_once(echoing: EchoServer, transport: str) -> None:
    """One of them closes it, and the others return."""
    client = SyncClient(echoing.url, transport=transport)
    client.get("/x")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.close(), range(8)))
    assert client.closed


def test_a_time_that_is_over(servers_beside: Beside, transport: str) -> None:
    """A request that is too late is the same error as ever, and the client goes on."""
    with SyncClient(held(servers_beside).url, transport=transport) as client:
        with pytest.raises(errors.RequestTimeout):
            client.get("/x", timeout=0.05)
        with pytest.raises(errors.RequestTimeout), client.stream("GET", "/x", timeout=0.05):
            raise AssertionError


@pytest.mark.parametrize("leave", ["break", "raise"])
def test_a_block_is_left_early(servers_beside: Beside, transport: str, leave: str) -> None:
    """The connection is closed, and an exception of the block goes on as it is."""
    server = servers_beside.start(scripted_server([Do.READ, _PARTIAL, Do.HOLD]))
    mine = LookupError("mine")
    with SyncClient(server.url, transport=transport) as client:
        expected = pytest.raises(LookupError) if leave == "raise" else nullcontext()
        with expected as caught, client.stream("GET", "/x") as response:
            for _ in response.iter_bytes():
                if leave == "raise":
                    raise mine
                break
        assert caught is None or caught.value is mine
        servers_beside.ended(server)


def test_the_loop_is_that_of_the_policy(echoing: EchoServer) -> None:
    """A program that has chosen uvloop for itself gets it here; no other does."""
    made: list[asyncio.AbstractEventLoop] = []

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            made.append(super().new_event_loop())
            return made[-1]

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy())
    try:
        with SyncClient(echoing.url) as client:
            client.get("/x")
    finally:
        asyncio.set_event_loop_policy(before)
    assert len(made) == 1
    assert made[0].is_closed()


def test_no_thread_can_be_started(echoing: EchoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call fails with what the system says, and the next one tries again."""
    start: Callable[[threading.Thread], None] = threading.Thread.start
    client = SyncClient(echoing.url)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        client.get("/x")
    monkeypatch.setattr(threading.Thread, "start", start)
    with client:
        assert client.get("/x")["target"] == "/x"


def test_make_is_used(make: MakeClient) -> None:
    """A block may be entered again after it was left, to no effect but the warning that the client is closed."""
    client = make()
    with client:
        assert client.get("/x")["target"] == "/x"
    with client:
        assert client.get("/x") is None
