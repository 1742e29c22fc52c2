"""Ctrl-C inside a function of the caller's, or before a call has begun, leaves nothing behind that others wait for."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace import SyncClient, errors
from headrace._client.desk import Call, Desk
from headrace._client.loop_thread import LoopThread
from tests.kit.beside import Beside
from tests.servers.raw import WAIT_SECONDS, Do, reply, scripted_server
from tests.sync.conftest import MakeClient


def interrupted(*_: Any) -> Any:
    """Be where Ctrl-C finds the caller."""
    raise KeyboardInterrupt


def interrupted_pieces() -> Iterator[bytes]:
    """Be interrupted behind the first piece."""
    yield b"a"
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.post("/x", data=interrupted_pieces()),
        lambda client: client.stream_file([b"a"], "/x", progress=interrupted),
        lambda client: client.get("/status/404?body=1&type=application/json", error_responses={404: interrupted}),
        lambda client: client.stream("POST", "/x", data=interrupted_pieces()).__enter__(),
    ],
    ids=["data", "progress", "error_responses", "stream"],
)
def test_ctrl_c_finds_a_function_of_the_caller(make: MakeClient, send: Callable[[SyncClient], Any]) -> None:
    """It goes on as it is, the request is gone, and the client is not."""
    client = make()
    with pytest.raises(KeyboardInterrupt):
        send(client)

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    assert client.get("/x")["target"] == "/x"
    assert client._loop_thread.run(tasks()) == 2  # the thread's own, and the one that counts


@pytest.mark.parametrize("send", [lambda client: client.get("/x"), lambda client: client.post("/x", data=iter([b"a"]))])
def test_ctrl_c_comes_when_the_loop_has_the_call_already(
    servers_beside: Beside, transport: str, monkeypatch: pytest.MonkeyPatch, send: Callable[[SyncClient], Any]
) -> None:
    """The thread has not returned from handing it over: it is ended where it runs, and nowhere else."""
    server = servers_beside.start(scripted_server([Do.READ, Do.HOLD], [Do.READ, reply(b"1"), Do.HOLD]))
    real = Call.submit

    def submit(call: Call) -> None:
        real(call)
        servers_beside.accepted(server, 1)
        monkeypatch.undo()
        raise KeyboardInterrupt

    with SyncClient(server.url, transport=transport) as client:
        monkeypatch.setattr(Call, "submit", submit)
        with pytest.raises(KeyboardInterrupt):
            send(client)
        servers_beside.ended(server)
        assert client.get("/y") == 1


def test_a_call_that_ends_before_its_first_step() -> None:
    """A thread that is interrupted as soon as it has asked, or asks as the loop ends, does not wait for ever."""
    thread, desk = LoopThread("test"), Desk()

    async def never() -> None:
        raise AssertionError

    async def submitted() -> tuple[Call, Call]:
        loop = asyncio.get_running_loop()
        calls = Call(loop, never(), desk, is_last=False), Call(loop, never(), desk, is_last=False)
        calls[0].submit()
        calls[0].cancel()
        calls[1].cancel()
        calls[1].submit()
        return calls

    for call in thread.run(submitted()):
        desk.wait_idly(call)
        assert call.over
    thread.stop()


def test_ctrl_c_finds_who_was_asked_for_the_token_of_others(make: MakeClient) -> None:
    """The others share an error or ask anew, and whoever comes later asks anew."""
    entered, leave = threading.Event(), threading.Event()
    tokens: list[Callable[[], Any]] = [lambda: "t", interrupted]

    def token() -> Any:
        give = tokens.pop()
        if give is interrupted:
            entered.set()
            assert leave.wait(WAIT_SECONDS)
        return give()

    client = make(bearer_token=token)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.get, "/first")
        assert entered.wait(WAIT_SECONDS)
        second = pool.submit(client.get, "/second")
        while client.stats.requests < 2:
            leave.wait(0.001)
        leave.set()
        assert isinstance(first.exception(WAIT_SECONDS), KeyboardInterrupt)
        assert isinstance(second.exception(WAIT_SECONDS), errors.SyncClientError | None)
    assert ["Authorization", "Bearer t"] in client.get("/x")["headers"]


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str, Callable[[], Any]], None]]:
    """A function that has a signal come before, and another behind, a step; its handler is run there, once each."""
    before = signal.getsignal(signal.SIGINT)

    def arrange(place: Any, step: str, handler: Callable[[], Any]) -> None:
        real = getattr(place, step)
        left = 2

        def handle(*_: Any) -> None:
            nonlocal left
            if left:
                left -= 1
                handler()

        def stepped(self: Any, *args: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            value = real(self, *args)
            signal.raise_signal(signal.SIGINT)
            return value

        signal.signal(signal.SIGINT, handle)
        monkeypatch.setattr(place, step, stepped)

    yield arrange
    signal.signal(signal.SIGINT, before)


@pytest.mark.hazard(76)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("place", "step"), [(Call, "submit"), (LoopThread, "_begin"), (threading.Thread, "start"), (Desk, "wait")]
)
def test_a_signal_handler_uses_the_client(
    make: MakeClient, signalled: Callable[..., None], place: Any, step: str, *, first: bool
) -> None:
    """In the middle of a call of its thread's, wherever the signal finds that: both are answered."""
    client = make()
    if not first:
        client.get("/x")
    found: list[str] = []
    signalled(place, step, lambda: found.append(client.get("/handler")["target"]))
    for _ in range(3):
        assert client.get("/caller")["target"] == "/caller"
    if first or place in {Call, Desk}:
        assert found == ["/handler"] * 2


@pytest.mark.hazard(76)
@pytest.mark.parametrize(("place", "step"), [(Call, "submit"), (LoopThread, "_begin"), (Desk, "wait")])
def test_a_signal_handler_closes_the_client(
    make: MakeClient, signalled: Callable[..., None], place: Any, step: str
) -> None:
    """The call that it finds ends as one that was closed meanwhile, and so do those behind it."""
    client = make()
    signalled(place, step, client.close)
    for number in range(3):
        try:
            value = client.get("/x")
        except (errors.ClientError, ConnectionError):
            continue
        # The first may have its answer by the time that its thread begins to wait.
        assert value is None or (number == 0 and place is Desk)
    assert client.closed
