"""What tests of streams share: pieces cut anywhere, and what comes of them."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from headrace import AsyncClient


def cuts(text: bytes, at: Sequence[int]) -> list[bytes]:
    """Cut a text at these places."""
    places = [0, *sorted(place % (len(text) + 1) for place in at), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


def places() -> st.SearchStrategy[list[int]]:
    """Draw where to cut."""
    return st.lists(st.integers(0, 10_000), max_size=12)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    """Stream pieces."""
    for piece in pieces:
        yield piece


def parse(parser: Any, pieces: Sequence[bytes]) -> tuple[list[Any], str | None]:
    """Feed a parser as a stream does; return what came of it, and the error it ended with."""
    found: list[Any] = []
    for piece in pieces:
        found += parser.feed(piece)
        if parser.failure is not None:
            return found, repr(parser.failure)
    found += parser.finish()
    return found, None if parser.failure is None else repr(parser.failure)


async def gather(found: AsyncIterable[Any]) -> tuple[list[Any], Exception | None]:
    """Return everything that is yielded, and the error that ended it."""
    gathered = []
    try:
        async for item in found:
            gathered.append(item)  # noqa: PERF401 - what came before an error is kept
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return gathered, error
    return gathered, None


async def read(client: AsyncClient, path: str, **options: Any) -> Any:
    """Read a stream to its end."""
    async with client.stream("GET", path, **options) as answer:
        return await answer.json(dict[str, int]) if hasattr(answer, "json") else await answer.aread()
