"""Any call is refused before anything is sent, or two parsers that others wrote read one request: what was meant."""

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from httptools import HttpParserInvalidMethodError
from hypothesis import HealthCheck, given, settings

from headrace import AsyncClient
from headrace.errors import ValidationError
from tests.kit.requests_read import Call, Ledger, Pieces, Read, by_h11, by_llhttp, calls
from tests.servers.process import HOST

EXAMPLES = 20_000 if os.environ.get("HEADRACE_LONG") else 520  # over each transport
#: Methods that llhttp has to know.
KNOWN = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND"}
#: What a client adds of its own.
OWN = {b"host", b"user-agent", b"accept", b"accept-encoding", b"content-type", b"content-length", b"transfer-encoding"}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all examples."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def ledger(runner: asyncio.Runner) -> Iterator[Ledger]:
    """One server for all examples."""
    server = Ledger()
    runner.run(server.start())
    yield server
    runner.run(server.close())


async def make(call: Call, transport: str, ledger: Ledger) -> tuple[list[bytes], ValidationError | None]:
    """Make a call with a client of its own, and return what each connection brought, and why it was refused."""
    options = dict(call.options)
    if isinstance(options.get("data"), Pieces):
        options["data"] = options["data"]()
    refusal = None
    try:
        async with AsyncClient(f"http://{HOST}:{ledger.port}", transport=transport, **call.defaults) as client:
            await client.request(call.method, call.path, timeout=20, **options)
    except ValidationError as error:
        refusal = error
    return await ledger.taken(), refusal


def as_text(value: Any) -> str:
    """Write a value as it stands in a field or a query."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what a query or a form has to say."""
    listed = [(name, value if isinstance(value, list) else [value]) for name, value in fields.items()]
    return [(name, as_text(one)) for name, values in listed for one in values if one is not None]


def both(call: Call, name: str) -> dict[str, Any]:
    """Lay what a call gives over the defaults of its client."""
    return {**call.defaults.get(name, {}), **call.options.get(name, {})}


def check_target(call: Call, target: bytes) -> None:
    """Compare path and query."""
    path, _, query = target.decode("ascii").partition("?")
    given = (call.path or "").partition("#")[0]
    plain, mark, own_query = given.partition("?")
    plain = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", plain).lstrip("/")
    assert unquote_to_bytes(path) == b"/" + unquote_to_bytes(plain)
    wanted = pairs(both(call, "parameters"))
    found = parse_qsl(query, keep_blank_values=True, errors="strict")
    assert found[len(found) - len(wanted) :] == wanted
    if not (mark and own_query):
        assert len(found) == len(wanted)


def check_fields(call: Call, request: Read, port: int, charset: str) -> None:
    """Compare the fields: those that were given, each once, and no more than a client's own beside them."""
    headers = {
        name.lower().encode(): as_text(value).strip(" \t").encode(charset)
        for source in (call.defaults, call.options)
        for name, value in source.get("headers", {}).items()
    }
    names = [name for name, _ in request.fields]
    assert len(names) == len(set(names))
    # A length that is true may be given, and is written where the exchange needs one.
    given_length = headers.pop(b"content-length", None)
    assert request.values(b"content-length") in ([], [b"%d" % len(request.body)])
    assert given_length in (None, b"%d" % len(request.body))
    headers.setdefault(b"host", f"{HOST}:{port}".encode())
    cookies = "; ".join(f"{name}={as_text(value)}" for name, value in both(call, "cookies").items())
    if cookies:
        headers.setdefault(b"cookie", cookies.strip(" \t").encode())
    assert {name: request.values(name) for name in headers} == {name: [value] for name, value in headers.items()}
    assert set(names) <= OWN | headers.keys()
    assert not {b"content-length", b"transfer-encoding"} <= set(names)


def check_body(call: Call, body: bytes) -> None:
    """Compare the body."""
    data = call.options.get("data")
    if "body" in call.options:
        assert json.loads(body) == call.options["body"]
    elif isinstance(data, dict):
        assert parse_qsl(body.decode(), keep_blank_values=True, errors="strict") == pairs(data)
    else:
        assert body == (b"".join(data.pieces) if isinstance(data, Pieces) else data or b"")


@pytest.mark.hazard(1, 2, 3, 5, 7)
@pytest.mark.timeout(7200 if os.environ.get("HEADRACE_LONG") else 300)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(call=calls())
def test_what_is_sent_is_read(runner: asyncio.Runner, ledger: Ledger, transport: str, call: Call) -> None:
    """Method, target, fields and body are found as they were given, by h11 and by llhttp, and not a byte is left."""
    wires, refusal = runner.run(make(call, transport, ledger))
    if refusal is not None:
        assert wires == []
        return
    (wire,) = wires
    request = by_h11(wire)
    # aiohttp writes methods in capitals, and fields in UTF-8.
    capitals = call.method.isalpha() or transport == "aiohttp"
    assert request.method.decode() == (call.method.upper() if capitals else call.method)
    check_target(call, request.target)
    check_fields(call, request, ledger.port, "utf-8" if transport == "aiohttp" else "latin-1")
    check_body(call, request.body)
    try:
        again = by_llhttp(wire)
    except HttpParserInvalidMethodError:
        assert request.method not in KNOWN
    else:
        assert again == request
