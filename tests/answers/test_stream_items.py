"""Lines, items and events out of an answer while it arrives, from real servers."""

import asyncio
from datetime import UTC, datetime

import pytest

from headrace import AsyncClient, BaseModel, Event, Reject, Response, streams
from headrace.errors import ConnectionLost, ResponseParseError, ResponseValidationError, ValidationError
from tests.conftest import ServeScript
from tests.servers.raw import Do


class User(BaseModel):
    """A row."""

    id: int


class Stamped(Response):
    """A row that knows where it came from."""

    id: int


def head(kind: str) -> bytes:
    """Begin a chunked answer of a media type, after which the connection serves no other request."""
    fields = f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close"
    return f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()


def chunks(*parts: bytes) -> bytes:
    """Write pieces in the chunked coding."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


END = b"0\r\n\r\n"
ANSWERS = {
    "application/x-ndjson": (chunks(b'{"id": 1}\n{"i', b'd": 2}\n'), None),
    "application/json-seq": (chunks(b'\x1e{"id": 1}\n\x1e{"i', b'd": 2}\n'), None),
    "application/json": (chunks(b'{"data": {"n": [0], "rows": [{"id": 1}, {"i', b'd": 2}]}}'), "data.rows"),
    "text/event-stream": (chunks(b'data: {"id": 1}\n\nda', b'ta: {"id": 2}\n\n'), None),
}


@pytest.mark.parametrize(("kind", "answer", "path"), [(kind, *rest) for kind, rest in ANSWERS.items()], ids=ANSWERS)
async def test_items_come_while_the_answer_arrives(
    kind: str, answer: bytes, path: str | None, serve_script: ServeScript, transport: str
) -> None:
    """The format follows from the `Content-Type`; the first item is there before the server has sent the last."""
    go = asyncio.Event()
    cut = answer.index(b"\r\n", answer.index(b"\r\n") + 2) + 2
    server = await serve_script([Do.READ, head(kind) + answer[:cut], go, answer[cut:] + END, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        items = response.aiter_items(User, path=path)
        if kind != "application/json-seq":  # whose items end where the next one begins
            assert await anext(items) == User(id=1)
        go.set()
        assert [item.id async for item in items][-1] == 2


async def test_items_know_where_they_came_from(serve_script: ServeScript, transport: str) -> None:
    """`Response` models are stamped as those of a whole answer are."""
    server = await serve_script([Do.READ, head("application/x-ndjson") + chunks(b'{"id": 1}\n') + END, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET", "/rows") as response:
        (item,) = [item async for item in response.aiter_items(Stamped)]
    assert item.base_uri == f"{server.url}/rows"
    assert 0 <= (datetime.now(UTC) - item.time).total_seconds() < 60


async def test_rows_that_do_not_fit(serve_script: ServeScript, transport: str) -> None:
    """They raise, are skipped, or come as a `Reject` in their place."""
    rows = head("application/x-ndjson") + chunks(b'{"id": 1}\n{"id": "x"}\n{"id": 3}\n') + END
    server = await serve_script(*[[Do.READ, rows, Do.HOLD]] * 3)
    async with AsyncClient(server.url, transport=transport) as client:
        async with client.stream("GET") as response:
            with pytest.raises(ResponseValidationError, match="int"):
                _ = [item async for item in response.aiter_items(User)]
        async with client.stream("GET") as response:
            assert [item.id async for item in response.aiter_items(User, on_invalid="skip")] == [1, 3]
        async with client.stream("GET") as response:
            found = [item async for item in response.aiter_items(User, on_invalid="collect")]
    assert [type(item) for item in found] == [User, Reject, User]


async def test_a_stream_that_is_cut_short_is_never_a_shorter_one(serve_script: ServeScript, transport: str) -> None:
    """What came is given, and then the loss is told, also where the last line looks whole."""
    server = await serve_script([Do.READ, head("application/x-ndjson") + chunks(b'{"id": 1}\n{"id": 2}\n'), Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        items = response.aiter_items(User)
        assert [(await anext(items)).id, (await anext(items)).id] == [1, 2]
        with pytest.raises(ConnectionLost):
            await anext(items)


async def test_lines_and_events(serve_script: ServeScript, transport: str) -> None:
    """Lines end as they like, and events have their parts."""
    text = head("text/plain") + chunks(b"gr", "öß".encode()[:3], "öß".encode()[3:], b"e\r\nb\n") + END
    events = head("text/event-stream") + chunks(b"event: a\nid: 7\ndata: x\n", b"data: y\n\n") + END
    server = await serve_script([Do.READ, text, Do.HOLD], [Do.READ, events, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        async with client.stream("GET") as response:
            assert [line async for line in response.aiter_lines()] == ["größe", "b"]
        async with client.stream("GET") as response:
            assert [event async for event in response.aiter_events()] == [Event(event="a", data="x\ny", id="7")]


async def test_events_go_on_behind_the_last_one(serve_script: ServeScript, transport: str) -> None:
    """`streams.reconnect` asks again with `Last-Event-ID` when the connection is lost."""
    first = head("text/event-stream") + chunks(b"retry: 1\nid: 1\ndata: a\n\n")
    second = head("text/event-stream") + chunks(b"id: 2\ndata: b\n\n") + END
    server = await serve_script([Do.READ, first, Do.CLOSE], [Do.READ, second, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        events = streams.reconnect(lambda last: client.stream("GET", headers={"Last-Event-ID": last} if last else None))
        assert [(await anext(events)).data, (await anext(events)).data] == ["a", "b"]
        await events.aclose()
    assert server.requests[1].header("Last-Event-ID") == "1"


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "", "\u00e9"])
async def test_a_type_that_names_no_format(serve_script: ServeScript, transport: str, kind: str) -> None:
    """What a server calls its answer is the server's fault, and no wrong argument."""
    server = await serve_script([Do.READ, head(kind) + chunks(b"1\n") + END])
    async with (
        AsyncClient(server.url, transport=transport) as client,
        client.stream("GET", "/") as response,
    ):
        with pytest.raises(ResponseParseError, match=r'^GET \S+: format: .*give "ndjson"') as caught:
            response.aiter_items()
        assert not isinstance(caught.value, ValidationError)
        assert [row async for row in response.aiter_items(format="ndjson")] == [1]
