"""Plain JSON that goes into lines of JSON is checked, and written as it came: neither decoded nor encoded again."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, errors, sinks
from headrace.bulk import Report
from tests.conftest import Serve
from tests.servers.raw import Handler, read_request, reply

#: What a server says, and the lines that come of it.
ROWS: dict[str, tuple[bytes, bytes]] = {
    "numbers keep their digits": (
        b'{"price":1.10,"n":12345678901234567890123,"e":1E3}', b'{"price":1.10,"n":12345678901234567890123,"e":1E3}\n'
    ),
    "spaces inside": (b' {"a": 1}\r\n', b'{"a": 1}\n'),
    "several lines": (b'{\r\n  "a": [1,\n 2]\n}\n', b'{"a":[1,2]}\n'),
    "a lone carriage return": (b'{"a":\r1}', b'{"a":1}\n'),
    "a list": (b'[{"a":1}, 2, null]', b'{"a":1}\n2\nnull\n'),
    "an empty list": (b"[]", b""),
    "null": (b" null ", b""),
    "text beyond ASCII": ('{"a":"grün"}'.encode(), '{"a":"grün"}\n'.encode()),
}  # fmt: skip
REFUSED = {
    "no UTF-8": b'{"a":"\xff"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "no UTF-8 in a list": b'[{"a":"\xff"}]',
    "cut": b'{"a":1',
    "two documents": b'{"a":1}{"a":2}',
    "a line end in a text": b'{"a":"x\ny"}',
    "no JSON": b"<html></html>",
}


def answering(body: bytes) -> Handler:
    """Answer every request with a body."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            await read_request(reader)
            writer.write(reply(body, "Content-Type: application/json"))

    return handler


async def _fetched(serve: Serve, transport: str, body: bytes, path: Path, call: Any = "/x", **options: Any) -> Report:
    server = await serve(answering(body))
    async with AsyncClient(server.url, transport=transport) as client:
        return await client.bulk([call], sink=sinks.NDJSON(path), **options).run()


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_is_what_came(serve: Serve, transport: str, tmp_path: Path, name: str) -> None:
    """A line has the numbers and the text of the server, whatever comes around them."""
    body, lines = ROWS[name]
    report = await _fetched(serve, transport, body, tmp_path / "rows.ndjson")
    assert (tmp_path / "rows.ndjson").read_bytes() == lines
    assert report.ok
    assert report.rows == lines.count(b"\n")


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_json_is_no_row(serve: Serve, transport: str, tmp_path: Path, name: str) -> None:
    """It fails as it does where it is decoded, and nothing of it is written."""
    report = await _fetched(serve, transport, REFUSED[name], tmp_path / "rows.ndjson", retry=None)
    assert (tmp_path / "rows.ndjson").read_bytes() == b""
    assert report.errors == {"ResponseParseError": 1}
    assert isinstance(report.failures[0].error, errors.ResponseParseError)


async def test_tags_go_into_the_row(serve: Serve, tmp_path: Path) -> None:
    """What a call adds makes a mapping of the row."""
    call = Call("/x", tags={"region": "eu"})
    report = await _fetched(serve, "wire", b'{"a": 1}', tmp_path / "rows.ndjson", call)
    assert report.ok
    assert json.loads((tmp_path / "rows.ndjson").read_bytes()) == {"a": 1, "region": "eu"}


async def test_who_looks_at_rows_gets_values(serve: Serve, tmp_path: Path) -> None:
    """A transform, a class of one's own, and whoever iterates see what was decoded."""
    seen: list[Any] = []

    class Seeing(sinks.NDJSON):
        def write(self, rows: Sequence[Any], /) -> Any:
            seen.extend(rows)
            return super().write(rows)

    server = await serve(answering(b'{"a": 1}'))
    async with AsyncClient(server.url) as client:
        await client.bulk(["/x"], sink=Seeing(tmp_path / "own.ndjson")).run()
        await client.bulk(["/x"], sink=sinks.NDJSON(tmp_path / "t.ndjson"), transform=seen.append).run()
        seen += [outcome.value async for outcome in client.bulk(["/x"])]  # type: ignore[union-attr] # a success
    assert seen == [{"a": 1}] * 3
