"""What a client must find at every server: a scenario makes one call, and raises if anything is not as it was sent."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import msgspec

from headrace import AsyncClient, errors
from tests.real_servers.app import DOCUMENT, JSON, LARGE, PIECES, TRAILERS

Scenario = Callable[[AsyncClient, int], Awaitable[None]]
_NOISE = random.Random(21).randbytes(3 << 16)  # noqa: S311 - noise, no secret


class Missing(msgspec.Struct):
    """The body of the application's 404."""

    code: str
    text: str


class NotAsSentError(AssertionError):
    """What a client received is not what the application sent, or the other way round."""


def same(got: object, wanted: object) -> None:
    """Compare, and show no more than the start of either.

    Args:
        got: What came.
        wanted: What should have come.

    Raises:
        NotAsSentError: They differ.
    """
    if got != wanted:
        message = f"got {got!r:.60}, wanted {wanted!r:.60}"
        raise NotAsSentError(message)


def noise(number: int) -> bytes:
    """Return the body of a request: from one byte to some hundred thousand, its number in front."""
    return b"%d " % number + _NOISE[: number * 7919 % len(_NOISE)]


async def json(client: AsyncClient, _: int) -> None:
    """A JSON document with a length."""
    same(await client.get("/json"), DOCUMENT)


async def number(client: AsyncClient, number: int) -> None:
    """An answer of its own for each request."""
    same(await client.get(f"/number/{number}", response_format=int), number)


async def head(client: AsyncClient, _: int) -> None:
    """A length that no body follows."""
    same(await client.head("/json"), None)


async def empty(client: AsyncClient, _: int) -> None:
    """A 204."""
    same(await client.delete("/empty"), None)


async def not_modified(client: AsyncClient, _: int) -> None:
    """A 304 to a request with a condition."""
    try:
        await client.get("/not-modified", headers={"If-None-Match": '"v1"'})
    except errors.HTTPNotModified as error:
        same(error.headers["ETag"], '"v1"')
    else:
        same("no error", "a 304")


async def pieces(client: AsyncClient, _: int) -> None:
    """A body without a length, in pieces of many sizes."""
    same(await client.get("/pieces", response_format=bytes), b"".join(PIECES))


async def packed(client: AsyncClient, _: int) -> None:
    """A body in gzip."""
    same(await client.get("/gzip", response_format=bytes), JSON)


async def large(client: AsyncClient, _: int) -> None:
    """Five megabytes."""
    same(await client.get("/large", response_format=bytes), LARGE)


async def streamed(client: AsyncClient, _: int) -> None:
    """The same, read as it comes."""
    size = 0
    async with client.stream("GET", "/large") as response:
        async for piece in response.aiter_bytes():
            same(piece, LARGE[size : size + len(piece)])
            size += len(piece)
    same(size, len(LARGE))


async def post(client: AsyncClient, number: int) -> None:
    """A body with a length, there and back."""
    body = noise(number)
    same(await client.post("/echo", data=body, response_format=bytes), body)


async def upload(client: AsyncClient, number: int) -> None:
    """A body without a length, there and back."""
    body = noise(number)

    async def cut() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 9973):
            yield body[start : start + 9973]

    same(await client.put("/echo", data=cut(), response_format=bytes), body)


async def expect(client: AsyncClient, number: int) -> None:
    """A body that waits for a 100."""
    body = noise(number)

    def cut() -> Iterator[bytes]:
        yield from (body[start : start + 65536] for start in range(0, len(body), 65536))

    same(await client.stream_file(cut(), "/echo", response_format=bytes, expect=True), body)


async def redirect(client: AsyncClient, _: int) -> None:
    """A redirect, followed."""
    same(await client.get("/redirect"), DOCUMENT)


async def missing(client: AsyncClient, _: int) -> None:
    """A 404 with a model of its own."""
    try:
        await client.get("/nowhere", error_responses={404: Missing})
    except errors.HTTPNotFound as error:
        same(error.response, Missing("missing", "not here"))
    else:
        same("no error", "a 404")


async def slow(client: AsyncClient, _: int) -> None:
    """A body with a pause in the middle."""
    same(await client.get("/slow", response_format=str), "first, second")


async def closing(client: AsyncClient, _: int) -> None:
    """A connection that the client wants to be the last answer's."""
    same(await client.get("/json", headers={"Connection": "close"}), DOCUMENT)


async def closed(client: AsyncClient, _: int) -> None:
    """A connection that the application ends with its answer."""
    same(await client.get("/close"), DOCUMENT)


async def trailers(client: AsyncClient, _: int) -> None:
    """Fields behind a chunked body, sent to whoever takes them."""
    async with client.stream("GET", "/trailers", headers={"TE": "trailers"}) as response:
        same(b"".join([piece async for piece in response.aiter_bytes()]), b"".join(PIECES))
        same(sorted((name.lower(), value) for name, value in response.trailers.items()), TRAILERS)


#: By name; `lacks` and `ends` of a server name them.
SCENARIOS: dict[str, Scenario] = {
    "JSON": json,
    "own number": number,
    "HEAD": head,
    "204": empty,
    "304": not_modified,
    "chunked": pieces,
    "gzip": packed,
    "5 MB": large,
    "5 MB streamed": streamed,
    "POST": post,
    "chunked upload": upload,
    "100-continue": expect,
    "redirect": redirect,
    "404": missing,
    "slow": slow,
    "trailers": trailers,
    "Connection: close": closing,
    "close by the application": closed,
}
#: Those that are meant to end their connection.
CLOSING = frozenset({"Connection: close", "close by the application"})
