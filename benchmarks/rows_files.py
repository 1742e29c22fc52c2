"""The rows of files live here: 512 MB in the page cache, up and down, against servers that people have.

A server that does all in the kernel shows what a client can do at most; the others show what it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.clients import Entry
from benchmarks.figures import Figure, Row, against

if TYPE_CHECKING:
    from benchmarks.figures import Round

_AIOFILES_UP = "an aiofiles generator in 64 KB chunks over aiohttp"
_AIOHTTP_UP = "aiohttp's own open-file body"
_AIOHTTP_DOWN = "aiohttp `iter_chunked(1 MB)` + aiofiles"
#: Wall time and CPU time that ours may take of aiohttp's.
_WALL, _CPU = 1 / 1.3, 0.7


def files() -> tuple[Row, ...]:
    """Make the rows."""
    return (
        _download("nginx", "from nginx with `sendfile on`"),
        _download("copying", "from nginx with `sendfile off`"),
        _download("tls", "from nginx over TLS"),
        _download("chunked", "in chunks, from nginx"),
        _upload("reader", "into a server that reads it into memory"),
        _upload("tls", "over TLS into nginx, which hands it on"),
        _upload_unsized(),
        *_limits(),
    )


def _download(place: str, where: str) -> Row:
    job = f"file-{place}"
    ours, stock, aiohttp, curl = (_entry(f"down{name}", job) for name in ("", "-asyncio", "-aiohttp", "-curl"))
    figures = (
        _time(ours, aiohttp, f"the time of {_AIOHTTP_DOWN}", _WALL),
        against(ours, aiohttp, f"the CPU time of {_AIOHTTP_DOWN}", _CPU),
        _pause(ours),
        _pause(stock),
    )
    return Row(f"download-{place}", f"download of 512 MB {where}", (ours, stock, aiohttp, curl), figures)


def _upload(place: str, where: str) -> Row:
    job = f"upload-{place}"
    names = ("up", "up-asyncio", "up-aiofiles", "up-aiohttp", "up-curl")
    ours, stock, aiofiles, aiohttp, curl = (_entry(name, job) for name in names)
    figures = (
        _time(ours, aiohttp, f"the time of {_AIOHTTP_UP}", _WALL),
        against(ours, aiohttp, f"the CPU time of {_AIOHTTP_UP}", _CPU),
        _time(ours, aiofiles, f"the time of {_AIOFILES_UP}", _WALL),
        _pause(ours),
        _pause(stock),
    )
    return Row(f"upload-{place}", f"upload of 512 MB {where}", (ours, stock, aiofiles, aiohttp, curl), figures)


def _upload_unsized() -> Row:
    job = "upload-reader"
    ours, aiohttp = _entry("up-chunked", job), _entry("up-aiofiles", job)
    figures = (
        _time(ours, aiohttp, "the time of the same generator over aiohttp", _WALL),
        against(ours, aiohttp, "the CPU time of the same generator over aiohttp", _CPU),
        _pause(ours),
    )
    return Row("upload-chunked", "the same from a generator of 64 KB, in chunks", (ours, aiohttp), figures)


def _limits() -> tuple[Row, ...]:
    ours, stock, cold, aiofiles, aiohttp, curl = (
        _entry(f"up{name}", "file") for name in ("", "-asyncio", "-cold", "-aiofiles", "-aiohttp", "-curl")
    )
    form, formdata = _entry("up-form", "file"), _entry("up-formdata", "file")
    down, back, aiohttp_down, curl_down = (
        _entry(f"down{name}", "file") for name in ("", "-asyncio", "-aiohttp", "-curl")
    )
    up = (
        _time(ours, aiofiles, f"the time of {_AIOFILES_UP}", 1 / 5),
        _time(ours, aiohttp, f"the time of {_AIOHTTP_UP}", 1 / 1.5),
        _time(ours, curl, "the time of `curl -T`", 1 / 2),
        *(figure for entry in (ours, stock, cold) for figure in (_memory(entry), _pause(entry))),
    )
    parts = (_time(form, formdata, "the time of aiohttp `FormData`", 1 / 1.5), _memory(form), _pause(form))
    received = (
        _time(down, aiohttp_down, f"the time of {_AIOHTTP_DOWN}", 1 / 1.5),
        _time(down, curl_down, "the time of `curl -o`", 1 / 0.8),
        *(figure for entry in (down, back) for figure in (_memory(entry), _pause(entry))),
    )
    limit = "(a server in the kernel: the limit)"
    return (
        Row("upload", f"upload of 512 MB {limit}", (ours, stock, cold, aiofiles, aiohttp, curl), up),
        Row("upload-form", f"the same as multipart/form-data {limit}", (form, formdata), parts),
        Row("download", f"download of 512 MB {limit}", (down, back, aiohttp_down, curl_down), received),
    )


def _entry(client: str, job: str) -> Entry:
    return Entry(client, job=job, concurrency=1)


def _time(one: Entry, other: Entry, text: str, limit: float) -> Figure:
    def seconds(sample: dict[str, Any]) -> float:
        return float(sample["wall"] / sample["requests"])

    return Figure(text, lambda measured: seconds(measured[one.name]) / seconds(measured[other.name]), limit, "x")


def _memory(entry: Entry) -> Figure:
    """Hold an entry to its limit of memory."""

    def memory(measured: Round) -> float:
        sample = measured[entry.name]
        return float(sample["rss_peak"] - sample["rss_before"]) / 1e6

    return Figure(f"peak memory above idle ({_which(entry)})", memory, 24, "MB")


def _pause(entry: Entry) -> Figure:
    """Hold an entry to what others on the same loop may notice."""
    text = f"longest pause of the loop ({_which(entry)})"
    return Figure(text, lambda measured: float(measured[entry.name]["pause"]), 10, "ms")


def _which(entry: Entry) -> str:
    return entry.client.partition("-")[2] or "uvloop"
