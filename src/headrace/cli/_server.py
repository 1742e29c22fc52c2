"""The demo's server: a process of its own that serves the data set and enforces the limit it advertises.

It says its port on stdout as one line of JSON, and ends when its stdin does, which is also when its parent dies.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web
from multidict import CIMultiDict

from headrace._run import run
from headrace.cli import _data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST: Final = "127.0.0.1"
ROOT: Final = "/v1"
LIMITED: Final = f"{ROOT}/limited"
LIMIT: Final = 800  # requests in any window; every country and subdivision is then some seven seconds of work
WINDOW: Final = 1  # seconds

_BACKLOG: Final = 1024  # every connection that the client may open at once


class Window:
    """Admits at most so many requests in any window of time.

    Args:
        limit: Requests.
        seconds: How long a window is.
        clock: Seconds on a clock that never goes back.
    """

    __slots__ = ("_admitted", "_clock", "_limit", "_seconds")

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._admitted: deque[float] = deque()

    def admit(self) -> float:
        """Admit a request, or say in how many seconds one will be.

        Returns:
            0 where it is admitted.
        """
        now = self._clock()
        admitted = self._admitted
        while admitted and admitted[0] <= now - self._seconds:
            admitted.popleft()
        if len(admitted) >= self._limit:
            return admitted[0] + self._seconds - now
        admitted.append(now)
        return 0.0


class Api:
    """Answers requests out of bodies that were encoded once.

    Args:
        records: What there is to serve.
        window: What admits requests below `LIMITED`.
    """

    def __init__(self, records: _data.Records, window: Window) -> None:
        self.bodies = _bodies(records)
        self._window = window
        self._served = 0
        self._refused = 0
        self._plain = CIMultiDict({"Content-Type": "application/json"})
        # draft-ietf-httpapi-ratelimit-headers-10, and the name that was used before it.
        policy = {"RateLimit-Policy": f'"demo";q={LIMIT};w={WINDOW}', "X-RateLimit-Limit": str(LIMIT)}
        self._limited = CIMultiDict({**self._plain, **policy})

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        path = request.rel_url.raw_path
        if request.method not in {"GET", "HEAD"}:
            return self._refusal(405, "this API is read-only", {"Allow": "GET, HEAD"})
        if path == ROOT:
            return web.Response(body=self.bodies[ROOT], headers=self._limited)
        if path == f"{ROOT}/usage":
            usage = {"served": self._served, "refused": self._refused}
            return web.Response(body=orjson.dumps(usage), headers=self._plain)
        headers = self._plain
        if path.startswith(f"{LIMITED}/"):
            wait = self._window.admit()
            if wait:
                self._refused += 1
                seconds = str(math.ceil(wait))
                return self._refusal(429, f"more than {LIMIT} requests in {WINDOW} s", {"Retry-After": seconds})
            headers = self._limited
            path = ROOT + path.removeprefix(LIMITED)
        if request.rel_url.raw_query_string and "page" in request.query:
            path = f"{path}?page={request.query['page']}"
        body = self.bodies.get(path)
        if body is None:
            return self._refusal(404, "there is no such thing", {})
        self._served += 1
        return web.Response(body=body, headers=headers)

    def _refusal(self, status: int, detail: str, headers: Mapping[str, str]) -> web.Response:
        body = orjson.dumps({"status": status, "detail": detail})
        return web.Response(status=status, body=body, headers={**self._limited, **headers})


def _bodies(records: _data.Records) -> dict[str, bytes]:
    """Encode everything that can be asked for, by path and page."""
    index: dict[str, Any] = {
        "source": f"pycountry {records.version}",
        "totals": {kind: len(rows) for kind, rows in records.listed.items()},
        "limit": {"requests": LIMIT, "seconds": WINDOW},
        "links": {kind: f"{ROOT}/{kind}" for kind in records.listed} | {"limited": LIMITED, "usage": f"{ROOT}/usage"},
    }
    bodies = {ROOT: orjson.dumps(index)}
    for kind, rows in records.listed.items():
        base = f"{ROOT}/{kind}"
        pages = [orjson.dumps(page) for page in _data.pages(kind, rows)]
        bodies[base] = pages[0]
        if kind != "countries":
            bodies |= {f"{base}?page={number}": page for number, page in enumerate(pages, 1)}
        bodies |= {f"{base}/{code}": orjson.dumps(row) for code, row in records.single[kind].items()}
    return bodies


async def _serve(listening: socket.socket, api: Api) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def watch() -> None:
        # Not `sys.stdin`, whose lock a thread would hold while the interpreter shuts down.
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(ended.set)

    # `web.Server` alone: the routes are a dict lookup, and a router would only make the server slower than its client.
    runner = web.ServerRunner(web.Server(api.handle, access_log=None))
    await runner.setup()
    try:
        await web.SockSite(runner, listening, backlog=_BACKLOG).start()
        threading.Thread(target=watch, daemon=True).start()
        _say({"port": listening.getsockname()[1]})
        await ended.wait()
    finally:
        await runner.cleanup()


def _say(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def main(port: int, *, quick: bool) -> int:
    """Run the server.

    Args:
        port: The loopback port; 0 is one that the system chooses.
        quick: Whether to serve only a small part of the data set.

    Returns:
        The exit code.
    """
    try:
        listening = socket.create_server((HOST, port), backlog=_BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        _say({"error": "another program listens there" if taken else error.strerror or str(error)})
        return 2
    with listening:
        run(_serve(listening, Api(_data.load(quick=quick), Window(LIMIT, WINDOW))))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), quick="quick" in sys.argv[2:]))
