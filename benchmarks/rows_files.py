"""The rows of files live here: 1 GB in the page cache, up into a sink that throws it away, and down into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.clients import Entry
from benchmarks.figures import Figure, Row

if TYPE_CHECKING:
    from benchmarks.figures import Round


def files() -> tuple[Row, ...]:
    """Make the rows."""
    ours, stock, cold = _entry("up"), _entry("up-asyncio"), _entry("up-cold")
    aiofiles, aiohttp, curl = _entry("up-aiofiles"), _entry("up-aiohttp"), _entry("up-curl")
    form, formdata = _entry("up-form"), _entry("up-formdata")
    raw = (
        _time(ours, aiofiles, "the time of an aiofiles generator in 64 KB chunks over aiohttp", 1 / 5),
        _time(ours, aiohttp, "the time of aiohttp's own open-file body", 1 / 1.5),
        _time(ours, curl, "the time of `curl -T`", 1 / 2),
        *(figure for entry in (ours, stock, cold) for figure in _gentle(entry)),
    )
    down, down_stock, down_aiohttp, down_curl = (
        _entry(f"down{name}") for name in ("", "-asyncio", "-aiohttp", "-curl")
    )
    back = (
        _time(down, down_aiohttp, "the time of aiohttp `iter_chunked(1 MB)` + aiofiles", 1 / 1.5),
        _time(down, down_curl, "the time of `curl -o`", 1 / 0.8),
        *(figure for entry in (down, down_stock) for figure in _gentle(entry)),
    )
    parts = (_time(form, formdata, "the time of aiohttp `FormData`", 1 / 1.5), *_gentle(form))
    return (
        Row("upload", "upload of a file of 1 GB", (ours, stock, cold, aiofiles, aiohttp, curl), raw),
        Row("upload-form", "the same as multipart/form-data", (form, formdata), parts),
        Row("download", "download of a file of 1 GB", (down, down_stock, down_aiohttp, down_curl), back),
    )


def _entry(client: str) -> Entry:
    return Entry(client, job="file", concurrency=1)


def _time(one: Entry, other: Entry, text: str, limit: float) -> Figure:
    def seconds(sample: dict[str, Any]) -> float:
        return float(sample["wall"] / sample["requests"])

    return Figure(text, lambda measured: seconds(measured[one.name]) / seconds(measured[other.name]), limit, "x")


def _gentle(entry: Entry) -> tuple[Figure, ...]:
    """Hold an entry to its limits of memory and of what others on the same loop notice."""

    def memory(measured: Round) -> float:
        sample = measured[entry.name]
        return float(sample["rss_peak"] - sample["rss_before"]) / 1e6

    which = entry.client.partition("-")[2] or "uvloop"
    return (
        Figure(f"peak memory above idle ({which})", memory, 24, "MB"),
        Figure(f"longest pause of the loop ({which})", lambda measured: float(measured[entry.name]["pause"]), 20, "ms"),
    )
