"""Ctrl-C inside a function of the caller's, or before a call has begun, leaves nothing behind that others wait for."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace import SyncClient, errors
from headrace._client.desk import Call, Desk
from headrace._client.loop_thread import LoopThread
from tests.servers.raw import WAIT_SECONDS
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
