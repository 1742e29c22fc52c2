"""A model and a body may have code of their own, which can raise anything: nothing of a plain call is lost by it."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from headrace import AsyncClient, Call, PoolLimits, RateLimiter, Retry
from headrace.errors import HTTPServiceUnavailable, RequestTimeout
from tests.conftest import Serve, ServeScript
from tests.servers.raw import Do, Step, reply

OK = reply(b'{"id":1}')
BUSY = reply(b"{}", "Retry-After: 0", status="503 Service Unavailable")


class Fault(Exception):
    """What code of the caller's raises."""


class Panic(BaseException):
    """What an extension module raises that has panicked."""


class Model(msgspec.Struct):
    """A model whose own code may fail."""

    id: int
    raised: Any = None

    def __post_init__(self) -> None:
        if self.id != 1:
            raise Panic if self.id == 3 else Fault


class Body(Mapping[str, Any]):
    """A body whose own code fails."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getitem__(self, key: str) -> Any:
        raise self._error

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


def answered(*numbers: int) -> list[Step]:
    """Answer so many requests on one connection."""
    return [*[step for number in numbers for step in (Do.READ, reply(b'{"id":%d}' % number))], Do.HOLD]


@pytest.mark.hazard(71)
@pytest.mark.parametrize(("number", "kind"), [(2, Fault), (3, Panic)])
async def test_a_model_that_raises_leaves_no_deadline_behind(
    serve_script: ServeScript, number: int, kind: type[BaseException]
) -> None:
    """Its time ends with the call: whatever the task does afterwards is not cancelled when it would have been over."""
    server = await serve_script([*answered(1, 1, number, 1)[:-1], Do.READ, Do.HOLD])
    async with AsyncClient(server.url, timeout=0.2) as client:
        for _ in range(2):
            await client.get("/a", response_format=Model)
        with pytest.raises(kind):
            await client.get("/a", response_format=Model)
        assert await client.get("/a", response_format=Model) == Model(1)
        # A later deadline of the same length is over: the one before it would have been, too, and is not.
        with pytest.raises(RequestTimeout):
            await client.get("/a", response_format=Model)
        current = asyncio.current_task()
        assert current is not None
        assert not current.cancelling()
        assert client.stats.errors[kind.__name__] == issubclass(kind, Exception)
    assert len(server.connections) == 1


@pytest.mark.hazard(71)
@pytest.mark.parametrize("kind", [Fault, Panic, KeyError])
async def test_a_body_that_raises_leaves_its_connection_in_the_pool(
    serve_script: ServeScript, kind: type[BaseException]
) -> None:
    """Nor does it cost a start of the limiter."""
    server = await serve_script(answered(1, 1, 1, 1))
    limiter = RateLimiter(4, 3600)
    async with AsyncClient(server.url, limiter=limiter, pool=PoolLimits(max_connections=1)) as client:
        for _ in range(2):
            await client.put("/a", body={"a": 1})
        for _ in range(3):
            with pytest.raises(kind):
                await client.put("/a", body=Body(kind()))
        for _ in range(2):
            await client.put("/a", body={"a": 1})
    assert (len(server.connections), len(server.requests)) == (1, 4)


@pytest.mark.hazard(74)
async def test_what_is_sent_again_is_what_was_sent(serve_script: ServeScript) -> None:
    """The caller may have changed the body meanwhile."""
    server = await serve_script([*answered(1, 1)[:-1], Do.READ, BUSY, Do.READ, OK, Do.READ, Do.CLOSE], [Do.READ, OK])
    async with AsyncClient(server.url, retry=Retry(attempts=2, backoff=1e-6)) as client:
        for _ in range(2):
            await client.put("/a", body={"n": 0})
        body: dict[str, Any] = {"n": 1}
        sending = asyncio.ensure_future(client.put("/a", body=body))
        await asyncio.sleep(0)
        body["n"] = object()
        await sending
        body["n"] = 2
        sending = asyncio.ensure_future(client.put("/a", body=body))
        await asyncio.sleep(0)
        body["n"] = 3
        await sending
    assert [each.body for each in server.requests[2:]] == [b'{"n":1}'] * 2 + [b'{"n":2}'] * 2


@pytest.mark.hazard(71)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", [Fault, Panic])
async def test_a_bulk_ends_whatever_the_code_of_one_call_raises(
    serve: Serve, kind: type[BaseException], *, ordered: bool
) -> None:
    """The call fails, as it would outside of a bulk, and the others go on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while line := (await reader.readuntil(b"\r\n\r\n")).split(maxsplit=2):
            if line[0] == b"PUT":
                await reader.readuntil(b"}")
            writer.write(reply(b'{"id":%b}' % line[1][1:]))

    server = await serve(answer)
    number = 2 if kind is Fault else 3
    calls: list[Any] = ["/1"] * 30
    calls[20] = f"/{number}"
    bodies: list[Any] = [Call("/1", method="PUT", body={"a": 1}) for _ in range(30)]
    bodies[20] = Call("/1", method="PUT", body=Body(kind()))
    async with AsyncClient(server.url) as client:
        for each in (calls, bodies):
            bulk = client.bulk(each, response_format=Model, in_flight=2, retry=None, ordered=ordered)
            done = 0
            try:
                async with bulk:
                    async for _ in bulk:
                        done += 1
            except Panic:  # nobody can make an outcome of it
                assert kind is Panic
            else:
                assert (bulk.report.done, bulk.report.failed) == (29, 1)
                assert bulk.report.errors["Fault"] == 1
            assert done >= 20


async def test_a_status_is_told_whatever_became_of_the_body(serve_script: ServeScript) -> None:
    """The error of the last answer, not one of a body that cannot be written any more."""
    server = await serve_script([*answered(1, 1)[:-1], Do.READ, BUSY, Do.READ, BUSY, Do.HOLD])
    async with AsyncClient(server.url, retry=Retry(attempts=2, backoff=1e-6)) as client:
        for _ in range(2):
            await client.put("/a", body={"n": 0})
        body: dict[str, Any] = {"n": 1}
        sending = asyncio.ensure_future(client.put("/a", body=body))
        await asyncio.sleep(0)
        body["n"] = object()
        with pytest.raises(HTTPServiceUnavailable):
            await sending
