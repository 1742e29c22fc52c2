"""What servers send never takes more memory than is allowed, and never crashes the process."""

import asyncio
import gzip
import importlib
import subprocess
import sys
import threading
import zlib
from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest

from headrace import AsyncClient, errors
from headrace._core.http import content_coding as coding
from headrace._core.values import decode
from headrace.testing import MockTransport, Response
from tests.conftest import Serve, ServeScript
from tests.servers.raw import WAIT_SECONDS, Do, read_request, reply

MIB = 1 << 20
#: Reads one answer in a process of its own, and tells by how many MiB its memory has grown at most.
CHILD = """
import asyncio, resource, sys, warnings
from headrace import AsyncClient, errors
url, transport, status, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main():
    async with AsyncClient(url, transport=transport, max_response_bytes=limit) as client:
        await client.get("/small")
        before = peak()
        for _ in range(3):
            try:
                await client.get("/bomb")
            except (errors.ResponseTooLarge, errors.HTTPError) as error:
                name = type(error).__name__
            else:
                name = "nothing"
        print(name, (peak() - before) // 1024)

asyncio.run(main())
"""


@cache
def packed(coding: str) -> bytes:
    """Compress 128 MiB of zeros, once for each coding."""
    compress = {"gzip": lambda: zlib.compressobj(9, wbits=31), "deflate": lambda: zlib.compressobj(9)}
    first, *more = coding.split(", ")
    if first == "br":
        import brotli

        made: Any = brotli.Compressor(quality=1)
        data = b"".join(made.process(bytes(MIB)) for _ in range(128)) + made.finish()
    elif first == "zstd":
        zstd: Any = importlib.import_module("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
        made = zstd.ZstdCompressor()
        data = b"".join(made.compress(bytes(MIB)) for _ in range(128)) + made.flush()
    else:
        made = compress[first]()
        data = b"".join(made.compress(bytes(MIB)) for _ in range(128)) + made.flush()
    for _ in more:
        data = gzip.compress(data)
    return data


@pytest.mark.hazard(28, 29, "CVE-2025-69223", "CVE-2026-49855", "CVE-2022-32206", "CVE-2023-23916", "CVE-2026-21441")
@pytest.mark.hazard("CVE-2026-44432")
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize(
    ("coding", "status"),
    [
        *((coding, "200 OK") for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip")),
        *(("gzip", status) for status in ("500 No", "302 Found")),
    ],
)
async def test_a_bomb_takes_no_memory(serve: Serve, transport: str, coding: str, status: str) -> None:
    """128 MiB in a few KB, in any coding, as a success, an error or a redirect, is refused in constant memory."""
    bomb = packed(coding)

    async def answer(reader: Any, writer: Any, _: int) -> None:
        while True:
            request = await read_request(reader)
            small = "/small" in request.line
            writer.write(reply(b"1") if small else reply(bomb, f"Content-Encoding: {coding}", status=status))

    server = await serve(answer)
    limit = 2 * MIB
    arguments = (sys.executable, "-c", CHILD, server.url, transport, status[:3], str(limit))
    child = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    out, _ = await child.communicate()
    kind, grown = out.decode().split()
    assert kind in ({"ResponseTooLarge"} if status == "200 OK" else {"HTTPInternalServerError", "HTTPFound"})
    assert int(grown) <= 2 * limit // MIB + 8


DEEP = 100_000


@pytest.mark.hazard(33, "CVE-2024-27454", "CVE-2025-67221", "CVE-2020-10735")
@pytest.mark.parametrize("kind", [None, list[Any], dict[str, Any]])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"[" + b"9" * DEEP + b"]",
        b"[1e999999]",
    ],
    ids=["open lists", "lists", "objects", "digits", "exponent"],
)
async def test_json_that_is_meant_to_crash(body: bytes, kind: Any) -> None:
    """Nesting that is 100,000 deep and numbers without end are an error of ours, as a success and as an error."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200, body=body))) as client:
        with pytest.raises(errors.ResponseParseError):
            await client.get("/x", response_format=kind)
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(400, body=body))) as client:
        with pytest.raises(errors.HTTPBadRequest) as caught:
            await client.get("/x", error_responses={400: dict[str, Any]})
    assert len(str(caught.value)) < 1000


@pytest.mark.hazard(32)
async def test_unpacking_holds_up_nobody(
    serve_script: ServeScript, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a large body is unpacked the loop goes on: the unpacking waits here for what only the loop can do."""
    loop = asyncio.get_running_loop()
    begun, may_go_on = asyncio.Event(), threading.Event()
    decode = coding.decode

    def waiting(*arguments: Any) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        assert may_go_on.wait(WAIT_SECONDS), "the loop stood still"
        return decode(*arguments)

    monkeypatch.setattr(coding, "decode", waiting)
    body = Random(1).randbytes(1 << 20)  # noqa: S311 - no secret
    server = await serve_script([Do.READ, reply(gzip.compress(body), "Content-Encoding: gzip"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.get(response_format=bytes))
        await begun.wait()
        may_go_on.set()
        assert await request == body


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A model that names what it does not know."""

    a: int = 0


@pytest.mark.hazard(60)
@pytest.mark.parametrize("quoted", ["x - at `$.b`", "x - at `key` in `$", "- at `" * 3, "` - at `"])
def test_what_a_body_quotes_is_no_place(quoted: str) -> None:
    """The place of a misfit is the last that the error names, whatever it quotes of the body."""
    with pytest.raises(errors.ResponseValidationError) as caught:
        decode.decode(msgspec.json.encode([{quoted: 1}]), decode.decoder_for(list[Strict]))  # type: ignore[arg-type] # made just now
    assert caught.value.path == "$[0]"
    assert quoted in str(caught.value)
