"""A server that answers with what it was asked, so that tests can tell what really arrived."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

from aiohttp import web

from tests.servers.process import HOST

USER = {"id": 1, "name": "Leanne Graham", "address": {"city": "Gwenborough", "geo": {"lat": "-37.3", "lng": "81.1"}}}


@dataclass
class EchoServer:
    """A running server and what it has seen."""

    url: str
    seen: list[web.Request] = field(default_factory=list)


_SERVER = web.AppKey("server", EchoServer)


@asynccontextmanager
async def echo_server(ssl: SSLContext | None = None) -> AsyncIterator[EchoServer]:
    """Serve until the block ends.

    Args:
        ssl: Serve TLS.
    """
    server = EchoServer("")
    app = web.Application(client_max_size=64 << 20)
    app[_SERVER] = server
    app.router.add_route("*", "/status/{status}", _status)
    app.router.add_route("*", "/redirect/{status}", _redirect)
    app.router.add_get("/set-cookie", _set_cookie)
    app.router.add_get("/user", _user)
    app.router.add_get("/users", _users)
    app.router.add_get("/empty", _empty)
    app.router.add_get("/text", _text)
    app.router.add_route("*", "/{tail:.*}", _echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, ssl_context=ssl)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if ssl else 'http'}://{HOST}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def _note(request: web.Request) -> None:
    request.app[_SERVER].seen.append(request)


async def _echo(request: web.Request) -> web.Response:
    """Tell everything about the request; `headers` are pairs, names as sent."""
    _note(request)
    body = await request.read()
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
        "body": body.decode("latin-1"),
    }
    return web.json_response(told)


async def _status(request: web.Request) -> web.Response:
    """Answer with the status in the path; `?body=`, `?type=` and `?location=` say what else."""
    _note(request)
    query = request.query
    answer = web.Response(
        status=int(request.match_info["status"]),
        body=query.get("body", "").encode(),
        content_type=query.get("type", "text/html"),
    )
    for name in ("Location", "Retry-After"):
        if name.lower() in query:
            answer.headers[name] = query[name.lower()]
    return answer


async def _redirect(request: web.Request) -> web.Response:
    _note(request)
    return web.Response(status=int(request.match_info["status"]), headers={"Location": request.query["to"]})


async def _set_cookie(request: web.Request) -> web.Response:
    _note(request)
    answer = web.json_response({})
    for name, value in request.query.items():
        answer.set_cookie(name, value)
    return answer


async def _user(request: web.Request) -> web.Response:
    _note(request)
    return web.json_response(USER)


async def _users(request: web.Request) -> web.Response:
    _note(request)
    return web.Response(text="\n " + json.dumps([USER] * 3), content_type="application/json")


async def _empty(request: web.Request) -> web.Response:
    _note(request)
    return web.Response(status=200)


async def _text(request: web.Request) -> web.Response:
    _note(request)
    return web.Response(body="żółw".encode("iso-8859-2"), headers={"Content-Type": "text/plain; charset=iso-8859-2"})
