"""``python -m tests.real_servers.aiohttp_app PORT``: the application on aiohttp's own server."""

import asyncio
import sys

from aiohttp import web

from tests.real_servers.app import answer_to
from tests.servers.process import HOST


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer a request.

    Args:
        request: Any.
    """
    answer = answer_to(request.path, await request.read())
    response = web.StreamResponse(status=answer.status, headers=answer.fields)
    await response.prepare(request)
    for piece in answer.pieces:
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        elif request.method != "HEAD":
            await response.write(piece)
    await response.write_eof()
    return response


def main() -> None:
    """Serve until the process is ended."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", serve)
    web.run_app(app, host=HOST, port=int(sys.argv[1]), access_log=None, print=None, keepalive_timeout=120)


if __name__ == "__main__":
    main()
