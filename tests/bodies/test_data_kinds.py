"""What `data=` takes beside bytes, files and mappings: text streams, pairs, payloads of aiohttp, and numbers."""

import codecs
import io
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import MultipartWriter, payload

from headrace import AsyncClient, Retry
from headrace.errors import UploadError, ValidationError
from tests.conftest import ServeScript
from tests.kit.multipart import content, field, parts
from tests.servers.raw import Do, RawServer, reply

TEXT = "über Ulm\nund mehr\n"


def _wound(stream: Any) -> Any:
    stream.read(5)
    return stream


@pytest.mark.parametrize("kind", ["StringIO", "text file", "other encoding", "temporary", "codecs"])
async def test_a_text_stream_is_sent_as_utf_8(
    server: RawServer, client: AsyncClient, tmp_path: Path, kind: str
) -> None:
    """Whatever its own encoding: from where it stands to its end, and it stays open."""
    path = tmp_path / "text"
    path.write_text(TEXT, encoding="utf-16" if kind == "other encoding" else "utf-8")
    make: dict[str, Any] = {
        "StringIO": lambda: io.StringIO(TEXT),
        "text file": lambda: path.open(encoding="utf-8"),
        "other encoding": lambda: path.open(encoding="utf-16"),
        "temporary": lambda: tempfile.NamedTemporaryFile("w+", encoding="utf-8"),  # noqa: SIM115 - closed below
        "codecs": lambda: codecs.open(str(path), encoding="utf-8"),  # noqa: SIM115 - closed below
    }
    with make[kind]() as stream:
        if kind == "temporary":
            stream.write(TEXT)
            stream.seek(0)
        stream.readline() if kind == "codecs" else stream.read(9)
        await client.post(data=stream)
        assert not stream.closed
    request = server.requests[0]
    assert request.body.decode() == TEXT[9:]
    assert request.header("Content-Type") == "text/plain; charset=utf-8"


async def test_a_text_stream_is_sent_again_whole(serve_script: ServeScript, transport: str) -> None:
    """A retry begins where the stream stood, not where the first attempt has left it."""
    server = await serve_script([Do.READ, reply(b"", status="503 Busy"), Do.READ, reply(b'"ok"')])
    async with AsyncClient(server.url, transport=transport, retry=Retry(backoff=0.001)) as client:
        assert await client.put(data=_wound(io.StringIO(TEXT))) == "ok"
    assert [request.body.decode() for request in server.requests] == [TEXT[5:], TEXT[5:]]


async def test_text_that_has_no_bytes_is_named_without_being_shown(server: RawServer, client: AsyncClient) -> None:
    """A lone surrogate ends the request with an error of ours, and none of the text is in it."""
    with pytest.raises(ValidationError, match="data: the text stream") as caught:
        await client.post(data=io.StringIO("s3cret \ud800"))
    assert "s3cret" not in repr(caught.value) + repr(caught.value.__cause__)


async def test_pairs_are_a_form(server: RawServer, client: AsyncClient) -> None:
    """In their order, repeated names too, as lists or tuples, with any scalar."""
    await client.post(data=[("b", 1), ("a", "x y"), ("b", True), ("none", None)])
    await client.post(data=(["b", Decimal("1.50")], ["l", [1, 2]]))
    assert [request.body for request in server.requests] == [b"b=1&a=x+y&b=true", b"b=1.50&l=1&l=2"]
    assert {request.header("Content-Type") for request in server.requests} == {"application/x-www-form-urlencoded"}


@pytest.mark.parametrize("kind", ["pairs", "mapping"])
async def test_a_file_among_the_values_makes_parts(
    server: RawServer, client: AsyncClient, small: Path, kind: str
) -> None:
    """Numbers and lists go along as text, which aiohttp alone refuses."""
    with small.open("rb") as file:
        fields = [("n", 5), ("l", ["x", "y"]), ("file", file)]
        await client.post(data=fields if kind == "pairs" else dict(fields))
    found = parts(server.requests[0])
    assert [(field(part), content(part)) for part in found] == [
        ("n", b"5"),
        ("l", b"x"),
        ("l", b"y"),
        ("file", b"0123456789"),
    ]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ([("a", 1), "b"], r"data\[1\]"),
        ([("a", 1), ("b", 2, 3)], r"data\[1\]"),
        ([(1, 2)], "data: the key 1"),
        ([("a", float("nan"))], r"data\['a'\]"),
        (float("inf"), "data: inf"),
        (object(), "data"),
    ],
)
async def test_what_is_no_form_is_named(server: RawServer, client: AsyncClient, wrong: Any, named: str) -> None:
    """The error says which item, and nothing is sent."""
    with pytest.raises(ValidationError, match=named):
        await client.post(data=wrong)
    assert server.connections == []


@pytest.mark.parametrize(
    ("number", "text"), [(5, b"5"), (1.5, b"1.5"), (Decimal("1.50"), b"1.50"), (True, b"true"), (0, b"0")]
)
async def test_a_number_is_its_text(server: RawServer, client: AsyncClient, number: Any, text: bytes) -> None:
    """Zero and `False` are bodies as well."""
    await client.post(data=number)
    assert server.requests[0].body == text
    assert server.requests[0].header("Content-Type") == "text/plain; charset=utf-8"


async def test_payloads_of_aiohttp(server: RawServer, client: AsyncClient) -> None:
    """They are sent with the type and the length that they have."""
    await client.post(data=payload.JsonPayload({"a": 1}))
    await client.post(data=payload.BytesIOPayload(io.BytesIO(b"abc"), content_type="image/png"))
    with MultipartWriter("mixed") as writer:
        writer.append("one")
        await client.post(data=writer)
    one, two, three = server.requests
    assert (one.body, one.header("Content-Type"), one.header("Content-Length")) == (
        b'{"a": 1}',
        "application/json",
        "8",
    )
    assert (two.body, two.header("Content-Type"), two.header("Content-Length")) == (b"abc", "image/png", "3")
    assert (three.header("Content-Type") or "").startswith("multipart/mixed; boundary=")
    assert b"one" in three.body


@pytest.mark.parametrize("again", [True, False])
async def test_a_payload_is_sent_again_only_where_it_is_whole(
    serve_script: ServeScript, transport: str, *, again: bool
) -> None:
    """Bytes are whole after any failure; what was read from elsewhere may not be, and is not repeated in part."""
    server = await serve_script([Do.READ, reply(b"", status="503 Busy"), Do.READ, reply(b'"ok"')])
    data = payload.StringPayload("abc") if again else payload.BytesIOPayload(io.BytesIO(b"abc"))
    async with AsyncClient(server.url, transport=transport, retry=Retry(backoff=0.001)) as client:
        if again:
            assert await client.put(data=data) == "ok"
        else:
            with pytest.raises(UploadError, match="can be sent once"):
                await client.put(data=data)
    assert [request.body for request in server.requests] == [b"abc"] * (1 + again)
