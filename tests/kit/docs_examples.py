"""What runs the examples of the documentation lives here: finding them, the server they talk to, and checking them.

The hosts that the pages name are replaced by a server on loopback, so that the examples are real and no test needs the
network. All blocks of a page share one namespace, in their order. What a block says it prints is checked too: in
``print(user.name)  # Leanne Graham`` the comment is the expected output.
"""

import asyncio
import re
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import trustme
from aiohttp import web

from tests.kit import ROOT
from tests.servers.oauth2 import example_token
from tests.servers.regions import regions
from tests.servers.vendors import ROUTES

#: What a page may talk to, in the order of the ports of the server.
HOSTS = ("https://jsonplaceholder.typicode.com", "https://api.example.com")

_FENCE = re.compile(r"^```(?P<language>\S*)")
_PRINTS = re.compile(r"^\s*print\(.*\)  # (?P<expected>.+)$")
_URL = re.compile(r"https?://[^\s\"'`<>)\]]+")
_USERINFO = re.compile(r"//[^/@]*@")

_START_SECONDS = 10.0


class ExampleError(AssertionError):
    """An example does not do what its page says; the message begins with the page and the line."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """The number of its first line of code."""
    language: str
    source: str


def pages() -> list[Path]:
    """Name every page that users read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Find the fenced blocks of a page.

    Raises:
        ExampleError: A block is not closed.
    """
    found, language, began = [], None, 0
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if language is None:
            language, began = fence["language"], number + 1
        else:
            found.append(Block(page, began, language, "\n".join(lines[began - 1 : number - 1]) + "\n"))
            language = None
    if language is not None:
        raise ExampleError(f"{page.name}:{began - 1}: the block is not closed")
    return found


def prose(page: Path) -> str:
    """Read a page without its fenced blocks."""
    kept, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def run_page(page: Path, hosts: Mapping[str, str], module: ModuleType) -> int:
    """Run the Python blocks of a page, in order, in one namespace.

    Args:
        page: The page.
        hosts: What stands for each host that the page names.
        module: The module whose namespace they share.

    Returns:
        How many there are.

    Raises:
        ExampleError: A block raised, or printed something else than its comments say.
    """
    python = [block for block in blocks(page) if block.language == "python"]
    for block in python:
        _run(block, hosts, module.__dict__)
    return len(python)


def _run(block: Block, hosts: Mapping[str, str], namespace: dict[str, Any]) -> None:
    source = block.source
    for host, stand_in in hosts.items():
        source = source.replace(host, stand_in)
    printed: dict[int, list[str]] = {}

    def record(*values: object) -> None:
        printed.setdefault(sys._getframe(1).f_lineno, []).append(" ".join(map(str, values)))

    namespace["print"] = record
    try:
        # The empty lines make every line number the one of the page.
        code = compile("\n" * (block.line - 1) + source, str(block.page), "exec", dont_inherit=True)
        exec(code, namespace)  # noqa: S102 - running them is the point
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(block.page)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None) or block.line
        raise ExampleError(f"{block.page.name}:{line}: {type(error).__name__}: {error}") from error
    for number, line in enumerate(source.splitlines(), block.line):
        says = _PRINTS.match(line)
        if says is not None and printed.get(number) != [says["expected"]]:
            got = printed.get(number)
            raise ExampleError(f"{block.page.name}:{number}: says it prints {says['expected']!r}, printed {got}")


def strange_hosts(block: Block) -> list[str]:
    """Name the URLs of a block that no server of ours stands for."""
    allowed = (*HOSTS, "http://localhost")
    found = (_USERINFO.sub("//", url) for url in _URL.findall(block.source))
    return [url for url in found if not url.startswith(allowed)]


def write_certificates(directory: Path) -> None:
    """Write what an example about TLS loads: `company-ca.pem` and, key and certificate in one, `client.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "company-ca.pem"))
    authority.issue_cert("client.example.com").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "client.pem")
    )


# -- the server
#

_PEOPLE = (
    ("Leanne Graham", "Bret", "Sincere@april.biz", "Gwenborough"),
    ("Ervin Howell", "Antonette", "Shanna@melissa.tv", "Wisokyburgh"),
    ("Clementine Bauch", "Samantha", "Nathan@yesenia.net", "McKenziehaven"),
    ("Patricia Lebsack", "Karianne", "Julianne.OConner@kory.org", "South Elvis"),
    ("Chelsey Dietrich", "Kamren", "Lucio_Hettinger@annie.ca", "Roscoeview"),
    ("Mrs. Dennis Schulist", "Leopoldo_Corkery", "Karley_Dach@jasper.info", "South Christy"),
    ("Kurtis Weissnat", "Elwyn.Skiles", "Telly.Hoeger@billy.biz", "Howemouth"),
    ("Nicholas Runolfsdottir V", "Maxime_Nienow", "Sherwood@rosamond.me", "Aliyaview"),
    ("Glenna Reichert", "Delphine", "Chaim_McDermott@dana.io", "Bartholomebury"),
    ("Clementina DuBuque", "Moriah.Stanton", "Rey.Padberg@karina.biz", "Lebsackbury"),
)
_USERS = [
    {
        "id": number,
        "name": name,
        "username": username,
        "email": email,
        "address": {
            "street": "Kulas Light",
            "suite": f"Apt. {number}",
            "city": city,
            "zipcode": "92998-3874",
            "geo": {"lat": "-37.3159", "lng": "81.1496"},
        },
        "phone": "1-770-736-8031 x56442",
        "website": "hildegard.org",
        "company": {"name": "Romaguera-Crona", "catchPhrase": "Multi-layered client-server neural-net", "bs": "-"},
    }
    for number, (name, username, email, city) in enumerate(_PEOPLE, 1)
]
_POSTS = [
    {"userId": (number - 1) // 10 + 1, "id": number, "title": f"title {number}", "body": f"body {number}"}
    for number in range(1, 101)
]
_PAGES = [["a", "b"], ["c", "d"], ["e"]]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _pick(record: Any, dotted: str) -> str:
    for name in dotted.split("."):
        record = record.get(name, {})
    return str(record)


def _collection(rows: list[dict[str, Any]]) -> tuple[Handler, Handler]:
    """Make the handlers that list rows, filtered by the query as json-server does, and that find one."""

    async def listing(request: web.Request) -> web.Response:
        wanted = request.query
        found = [row for row in rows if all(_pick(row, name) in wanted.getall(name) for name in wanted)]
        return web.json_response(found)

    async def single(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        row = next((row for row in rows if str(row["id"]) == number), None)
        return web.json_response(row or {}, status=200 if row else 404)

    return listing, single


async def _create_post(request: web.Request) -> web.Response:
    sent = await request.json() if request.content_type == "application/json" else dict(await request.post())
    return web.json_response({**sent, "id": 101}, status=201)


async def _change_post(request: web.Request) -> web.Response:
    before = _POSTS[int(request.match_info["number"]) - 1] if request.method == "PATCH" else {}
    return web.json_response({**before, **await request.json(), "id": int(request.match_info["number"])})


async def _delete_post(_: web.Request) -> web.Response:
    return web.json_response({})


async def _echo(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "query": request.rel_url.raw_query_string,
            "headers": dict(request.headers),
            "cookies": dict(request.cookies),
            "body": await request.text(),
        }
    )


async def _items(request: web.Request) -> web.Response:
    page = int(request.query.get("page", "1"))
    return web.json_response({"page": page, "pages": len(_PAGES), "items": _PAGES[page - 1]})


async def _upload(request: web.Request) -> web.Response:
    if request.content_type != "multipart/form-data":
        length = request.content_length
        return web.json_response({"type": request.content_type, "length": length, "size": len(await request.read())})
    parts = {}
    async for part in await request.multipart():
        kind = part.headers.get("Content-Type", "").partition(";")[0]
        parts[part.name] = {"filename": part.filename, "type": kind, "size": len(await part.read())}
    return web.json_response(parts)


async def _order(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    return web.json_response({"code": "no_such_order", "message": f"there is no order {number}"}, status=404)


async def _status(request: web.Request) -> web.Response:
    return web.json_response({"detail": "as asked"}, status=int(request.match_info["code"]))


async def _limited(_: web.Request) -> web.Response:
    return web.json_response({"code": "rate_limited", "message": "slow down"}, status=429, headers={"Retry-After": "2"})


async def _login(_: web.Request) -> web.Response:
    answer = web.json_response({"ok": True, "session": "s1"})
    answer.set_cookie("session", "s3cret")
    return answer


async def _me(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != "Bearer token-2":
        return web.json_response({"code": "expired"}, status=401)
    return web.json_response({"name": "Leanne Graham"})


async def _moved(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.query.get("to", "/v1/echo")})


async def _loop(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/v1/loop"})


async def _report(_: web.Request) -> web.Response:
    answer = web.Response(text="name,total\nUlm,3\n", content_type="text/csv")
    answer.enable_compression(web.ContentCoding.gzip)
    return answer


async def _page_of_html(_: web.Request) -> web.Response:
    return web.Response(text="<h1>Maintenance</h1>", content_type="text/html")


async def _misfit(_: web.Request) -> web.Response:
    return web.json_response({**_USERS[0], "address": {**_USERS[0]["address"], "city": 7}})  # type: ignore[dict-item]


async def _big(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * int(request.query["bytes"]))


async def _never(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


def _flaky() -> Handler:
    """Make a handler that refuses the first request, and no other."""
    attempts = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal attempts
        attempts += 1
        return web.json_response({"attempt": attempts}, status=503 if attempts == 1 else 200)

    return answer


def _application() -> web.Application:
    app = web.Application()
    users, user = _collection(_USERS)
    posts, post = _collection(_POSTS)
    for prefix in ("", "/v1"):
        app.add_routes([web.get(prefix + "/users", users), web.get(prefix + "/users/{number:\\d+}", user)])
        app.add_routes([web.get(prefix + "/posts", posts), web.get(prefix + "/posts/{number}", post)])
    single = "/posts/{number}"
    app.add_routes([web.post("/posts", _create_post), web.put(single, _change_post), web.patch(single, _change_post)])
    app.add_routes([web.delete(single, _delete_post)])
    app.add_routes(web.route("*", path, handler) for path, handler in ROUTES.items())
    app.add_routes(
        web.route("*", "/v1/" + path, handler)
        for path, handler in {
            "echo": _echo,
            "items": _items,
            "upload": _upload,
            "orders/{number}": _order,
            "status/{code}": _status,
            "limited": _limited,
            "login": _login,
            "me": _me,
            "token": example_token,
            "moved": _moved,
            "loop": _loop,
            "report": _report,
            "maintenance": _page_of_html,
            "misfit": _misfit,
            "big": _big,
            "slow": _never,
            "flaky": _flaky(),
            "regions/{region}/orders": regions(),
        }.items()
    )
    return app


@contextmanager
def example_server() -> Iterator[Mapping[str, str]]:
    """Run the server of the examples, in a thread with a loop of its own, until the block ends.

    Yields:
        What stands for each of `HOSTS`.
    """
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        # A request that its client gave up ends at once, also when the server does.
        runner = web.AppRunner(_application(), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            for _ in HOSTS:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            started.extend(f"http://localhost:{port}" for _, port in runner.addresses)
            ready.set()
            await stop.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise ExampleError("the server of the examples did not start")
        yield dict(zip(HOSTS, started, strict=True))
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
