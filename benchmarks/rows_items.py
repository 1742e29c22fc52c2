"""The rows of streamed items live here: lines, an array, and events, all from nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.clients import Entry
from benchmarks.figures import Figure, Row, against

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Round


def items() -> tuple[Row, ...]:
    """Make the rows."""
    names = ("ndjson", "array", "aiohttp", "lines", "decoder")
    ours, array, readline, lines, decoder = (_entry(f"items-{name}") for name in names)
    events, tokens, aiohttp = (_entry(f"items-{name}") for name in ("sse", "sse-items", "sse-aiohttp"))
    ndjson = (
        against(ours, lines, "`msgspec.json.decode` line by line, from memory", 1 / 0.7),
        against(ours, decoder, "a `msgspec.json.Decoder` line by line, from memory", 1 / 0.7),
        against(ours, readline, "aiohttp `readline` + a `msgspec.json.Decoder`", 0.7),
        against(array, readline, "the same, from an array in a document", 0.7),
        Figure("peak memory above idle", _memory(ours), 32, "MB"),
        Figure("peak memory above idle, the items of an array", _memory(array), 32, "MB"),
    )
    return (
        Row("ndjson", "NDJSON of 100,000 users into Structs", (ours, array, readline, lines, decoder), ndjson),
        Row(
            "sse",
            "100,000 server-sent events, their data as JSON",
            (events, tokens, aiohttp),
            (
                against(events, aiohttp, "aiohttp `readline` + `json.loads`", 1 / 5),
                against(tokens, aiohttp, "the same, without the events around the data", 1 / 5),
            ),
        ),
    )


def _entry(client: str) -> Entry:
    return Entry(client, "items", concurrency=1)


def _memory(entry: Entry) -> Callable[[Round], float]:
    def compute(measured: Round) -> float:
        sample: dict[str, Any] = measured[entry.name]
        return float(sample["rss_peak"] - sample["rss_before"]) / 2**20

    return compute
