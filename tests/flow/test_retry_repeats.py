"""What may be sent twice: idempotent methods, requests with a key, and bodies that have a start to return to."""

from __future__ import annotations

import contextlib
import io
import uuid
from typing import TYPE_CHECKING

import pytest

from headrace import AsyncClient, Retry, errors
from headrace.testing import MockTransport, Request, Response, json_response, sequence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BASE = "http://a.example"
LOST = errors.ConnectionLost("gone")
BUSY = Response(503)


def key_of(request: Request) -> str | None:
    """Find a request's key."""
    return dict(request.headers.pairs).get("Idempotency-Key")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_key_is_made_once_for_each_call(method: str) -> None:
    """Every attempt has the same key, every call another one, and GET has none."""
    answers = [BUSY, LOST, json_response(1), json_response(2), json_response(3)]
    transport = MockTransport(sequence(answers))
    policy = Retry(backoff=1e-9, idempotency_key=True)
    async with AsyncClient(BASE, transport=transport, retry=policy) as client:
        assert await client.request(method, "/x", body={}) == 1
        assert await client.request(method, "/x", body={}) == 2
        assert await client.get("/x") == 3
    keys = [key_of(request) for request in transport.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert uuid.UUID(keys[0]).version == uuid.UUID(keys[3]).version == 4
    assert keys[4] is None


async def test_a_key_of_the_callers_own_stays() -> None:
    """The caller's field wins, whatever its case, and makes a POST repeatable where no key was asked for too."""
    for option in (True, False, "X-Key"):
        transport = MockTransport(sequence([BUSY, json_response(1)]))
        policy = Retry(backoff=1e-9, idempotency_key=option)
        async with AsyncClient(BASE, transport=transport, retry=policy) as client:
            assert await client.post("/x", body={}, headers={"idempotency-key": "mine"}) == 1
        for request in transport.requests:
            assert [value for name, value in request.headers.pairs if name.lower().endswith("-key")] == ["mine"]


async def test_a_key_has_the_name_that_was_asked_for() -> None:
    """APIs that name the field differently are served too."""
    transport = MockTransport(sequence([BUSY, json_response(1)]))
    policy = Retry(backoff=1e-9, idempotency_key="X-Request-Id")
    async with AsyncClient(BASE, transport=transport, retry=policy) as client:
        assert await client.post("/x", body={}) == 1
    keys = {dict(request.headers.pairs)["X-Request-Id"] for request in transport.requests}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("location", "status", "keeps"),
    [("/y", 307, True), ("/y", 303, False), ("http://b.example/y", 307, False), ("http://b.example/y", 303, False)],
)
@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Request-Id"])
async def test_a_key_stays_with_its_operation_and_its_origin(
    location: str, status: int, keeps: bool, name: str
) -> None:
    """A redirect takes the key along only where the same operation goes on at the same server."""
    answers = [Response(status, {"Location": location}), BUSY, json_response(1)]
    transport = MockTransport(sequence(answers))
    policy = Retry(backoff=1e-9, idempotency_key=name)
    async with AsyncClient(BASE, transport=transport, retry=policy) as client:
        with contextlib.nullcontext() if keeps or status == 303 else pytest.raises(errors.HTTPServiceUnavailable):
            await client.post("/x", body={})
    keys = [dict(request.headers.pairs).get(name) for request in transport.requests]
    assert keys[0] is not None
    assert set(keys[1:]) == {keys[0] if keeps else None}
    assert [request.idempotent for request in transport.requests[1:]] == [keeps or status == 303] * (len(keys) - 1)


async def test_only_what_is_asked_for_survives_a_stale_connection() -> None:
    """A transport may repeat what is idempotent by its method, its key, the policy's methods, or on request."""
    for policy, headers, repeats in (
        (None, None, False),
        (None, {"Idempotency-Key": "k"}, True),
        (Retry(), None, False),
        (Retry(methods={"POST"}), None, True),
        (Retry(idempotency_key=True), None, True),
        (Retry(retry_stale_posts=True), None, True),
    ):
        transport = MockTransport(lambda _: json_response(1))
        async with AsyncClient(BASE, transport=transport, retry=policy) as client:
            await client.post("/x", body={}, headers=headers)
        assert transport.requests[0].idempotent is repeats, (policy, headers)


async def test_stale_posts_are_not_retried_any_further() -> None:
    """What a dead connection may repeat once is not what an answer or a later error may repeat."""
    for answer, kind in ((BUSY, errors.HTTPServiceUnavailable), (LOST, errors.ConnectionLost)):
        transport = MockTransport(sequence([answer]))
        policy = Retry(backoff=1e-9, retry_stale_posts=True)
        async with AsyncClient(BASE, transport=transport, retry=policy) as client:
            with pytest.raises(kind):
                await client.post("/x", body={})


async def pieces() -> AsyncIterator[bytes]:
    """Give out a body."""
    yield b"whole"


class Nowhere:
    """A writer of what nobody reads."""

    async def write(self, chunk: bytes) -> None:
        """Take a chunk."""


class Unwindable(io.BytesIO):
    """A stream that cannot be wound back."""

    def seekable(self) -> bool:
        """Tell so."""
        return False


@pytest.mark.parametrize("kind", ["async generator", "iterator", "pipe", "closed file"])
@pytest.mark.parametrize("first", [Response(503), errors.ConnectionLost("gone")])
async def test_a_body_without_a_start_is_refused_at_once(kind: str, first: Response | Exception) -> None:
    """The error says what happened and why it is final; nothing is sent, and nobody waits."""
    pipe, file = Unwindable(b"whole"), io.BytesIO(b"whole")
    bodies = {"async generator": pieces(), "iterator": iter([b"whole"]), "pipe": pipe, "closed file": file}

    async def answer(request: Request) -> Response:
        await request.body.payload().write(Nowhere())  # type: ignore[union-attr] # as a transport does that sends it
        file.close()
        if isinstance(first, Exception):
            raise first
        return first

    transport = MockTransport(answer)
    policy = Retry(backoff=3600, max_backoff=3600)
    async with AsyncClient(BASE, transport=transport, retry=policy, timeout=None) as client:
        with pytest.raises(errors.UploadError, match="cannot be sent again") as caught:
            await client.put("/x", data=bodies[kind])
    assert len(transport.requests) == len(caught.value.attempts) == 1
    assert caught.value.maybe_sent
    assert (caught.value.__cause__ is first) is isinstance(first, Exception)
