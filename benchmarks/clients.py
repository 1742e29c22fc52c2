"""Who is measured, and with what, lives here as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A way to make requests that is compared with others."""

    title: str
    environment: str
    """A key of `benchmarks.environments.REQUIREMENTS`; empty for a program."""
    peer: str
    """A module below `benchmarks.peers`, or the name of the program."""
    variant: str = ""
    loop: str = "uvloop"


CLIENTS: dict[str, Client] = {
    "headrace": Client("headrace", "headrace", "headrace"),
    "headrace-full": Client("headrace, limiter, retries, cookies, timeout", "headrace", "headrace", "full"),
    "headrace-asyncio": Client("headrace, stock asyncio", "headrace", "headrace", loop="asyncio"),
    "headrace-pydantic": Client("headrace + pydantic 2 models", "headrace-all", "headrace", "pydantic"),
    "aiohttp": Client("aiohttp + msgspec", "aiohttp", "aiohttp"),
    "aiohttp-asyncio": Client("aiohttp + msgspec, stock asyncio", "aiohttp", "aiohttp", loop="asyncio"),
    "aiohttp-pydantic": Client("aiohttp + pydantic 2", "aiohttp", "aiohttp", "pydantic"),
    "pyreqwest": Client("pyreqwest + msgspec", "pyreqwest", "rust", "pyreqwest"),
    "ry": Client("ry + msgspec", "ry", "rust", "ry"),
    "wreq": Client("wreq + msgspec", "wreq", "rust", "wreq"),
    "rqx": Client("rqx + msgspec", "rqx", "rust", "rqx"),
    "httpunk": Client("httpunk + msgspec", "httpunk", "rust", "httpunk"),
    "primp": Client("primp + msgspec", "primp", "rust", "primp"),
    "httpx": Client("httpx + msgspec", "httpx", "python", "httpx"),
    "httpx2": Client("httpx2 + msgspec", "httpx2", "python", "httpx2"),
    "redc": Client("redc (curl) + msgspec", "redc", "python", "redc"),
    "niquests": Client("niquests + msgspec", "niquests", "python", "niquests"),
    "aiosonic": Client("aiosonic + msgspec", "aiosonic", "python", "aiosonic"),
    "arya": Client("arya-api-framework 0.3.9 + pydantic 1", "arya", "arya"),
    "floor": Client("raw asyncio.Protocol + msgspec (the floor)", "floor", "floor"),
    "floor-asyncio": Client("the floor, stock asyncio", "floor", "floor", loop="asyncio"),
    "floor-gc": Client("the floor, decoding without the collector", "floor", "floor", "gc"),
    "headrace-pgo": Client("headrace, Python built with PGO", "headrace-pgo", "headrace"),
    "aiohttp-pgo": Client("aiohttp + msgspec, Python built with PGO", "aiohttp-pgo", "aiohttp"),
    "floor-pgo": Client("the floor, Python built with PGO", "floor-pgo", "floor"),
    "wrk": Client("wrk (C, decodes nothing)", "", "wrk"),
    "up": Client("headrace `stream_file`", "headrace", "transfer", "up"),
    "up-asyncio": Client("headrace `stream_file`, stock asyncio", "headrace", "transfer", "up", loop="asyncio"),
    "up-cold": Client("headrace `stream_file`, file not in the page cache", "headrace", "transfer", "up-cold"),
    "up-chunked": Client("headrace `post(data=…)`, the same generator", "headrace-files", "transfer", "up-chunked"),
    "up-form": Client("headrace `upload_file`", "headrace", "transfer", "form"),
    "up-aiofiles": Client("aiohttp, aiofiles generator of 64 KB", "aiohttp-files", "transfer", "aiohttp-aiofiles"),
    "up-aiohttp": Client("aiohttp, an open file as body", "aiohttp-files", "transfer", "aiohttp-up"),
    "up-formdata": Client("aiohttp `FormData`", "aiohttp-files", "transfer", "aiohttp-form"),
    "up-curl": Client("`curl -T`", "", "transfer", "curl-up"),
    "down": Client("headrace `download`", "headrace", "transfer", "down"),
    "down-asyncio": Client("headrace `download`, stock asyncio", "headrace", "transfer", "down", loop="asyncio"),
    "down-aiohttp": Client("aiohttp `iter_chunked(1 MB)`, aiofiles", "aiohttp-files", "transfer", "aiohttp-down"),
    "down-curl": Client("`curl -o`", "", "transfer", "curl-down"),
    "items-ndjson": Client("headrace `aiter_items`, NDJSON", "headrace", "items", "ndjson"),
    "items-array": Client("headrace `aiter_items`, an array in a document", "headrace", "items", "array"),
    "items-aiohttp": Client("aiohttp `readline` + a `msgspec.json.Decoder`", "headrace", "items", "aiohttp"),
    "items-lines": Client("`msgspec.json.decode` line by line, from memory", "headrace", "items", "lines"),
    "items-decoder": Client("a `msgspec.json.Decoder` line by line, from memory", "headrace", "items", "decoder"),
    "items-sse": Client("headrace `aiter_events` + `Event.json`", "headrace", "items", "sse"),
    "items-sse-items": Client('headrace `aiter_items`, `format="sse"`', "headrace", "items", "sse-items"),
    "items-sse-aiohttp": Client("aiohttp `readline` + `json.loads`", "headrace", "items", "sse-aiohttp"),
    "import-headrace": Client("from headrace import AsyncClient", "headrace-all", "imports", "headrace.client"),
    "import-aiohttp": Client("import aiohttp", "headrace-all", "imports", "aiohttp"),
}


@dataclass(frozen=True)
class Job:
    """What is asked of the server."""

    path: str
    answer: str
    """A key of `benchmarks.models.structs.ANSWERS`."""
    expected: str
    """The file that the answer must equal."""
    body: str = ""
    """The file that is posted."""
    server: str = "http"
    """One of `benchmarks.server.Server.origins`, or a relay."""

    @property
    def tls(self) -> bool:
        """Whether it goes over TLS."""
        return self.server == "https"


JOBS: dict[str, Job] = {
    "user": Job("/users/1", "user", "users-1.json"),
    "installed": Job("/users/1", "user", "users-1.json", server="installed"),
    "copying": Job("/users/1", "user", "users-1.json", server="copying"),
    "1ms": Job("/users/1", "user", "users-1.json", server="relay-1"),
    "20ms": Job("/users/1", "user", "users-1.json", server="relay-20"),
    "traced": Job("/traced/users/1", "user", "users-1.json"),
    "chunked": Job("/chunked/users/1", "user", "users-1.json"),
    "tls": Job("/users/1", "user", "users-1.json", server="https"),
    "post": Job("/orders", "created", "created.json", body="order.json"),
    "items": Job("/", "user", "users-1.json"),
    "list-100": Job("/users/100", "users", "users-100.json"),
    "list-100-copying": Job("/users/100", "users", "users-100.json", server="copying"),
    "list-100-chunked": Job("/chunked/users/100", "users", "users-100.json"),
    "list-10000": Job("/users/10000", "users", "users-10000.json"),
    "gzip": Job("/gzip/users/100", "users", "users-100.json"),
    "zstd": Job("/zstd/users/100", "users", "users-100.json"),
}


@dataclass(frozen=True)
class Entry:
    """One client at one job, as often as there are rounds."""

    client: str
    """A key of `CLIENTS`."""
    job: str = "user"
    """A key of `JOBS`; a file for what transfers one."""
    concurrency: int = 64
    queued: int = 0
    seconds: float = 1.0
    """How long it is measured, as a multiple of the run's own duration."""
    quick: bool = True
    """Whether a quick run has it, too."""
    every: int = 1
    """In one of so many rounds only: for what takes long, or is shown beside the figures."""

    @property
    def name(self) -> str:
        """Name it within its row."""
        queued = f", {self.queued:,} queued" if self.queued else ""
        return f"{self.client} {self.job} @{self.concurrency}{queued}"
