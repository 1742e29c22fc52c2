"""What a program loads is what it uses: aiohttp, rich, pydantic and pycountry come when they are asked for."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

import headrace
from headrace._io import threads
from tests.conftest import ServeScript
from tests.kit import ROOT
from tests.servers.echo import EchoServer
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import Do, reply

#: What features load that few programs use.
SELDOM = (
    "csv", "email", "headrace._client.series", "headrace._core.pages.strategies", "headrace._core.values.array",
    "headrace.auth._fixed", "http.cookies", "mimetypes", "tempfile", "tomllib",
)  # fmt: skip
HEAVY = ("aiodns", "aiohttp", "click", "libcst", "pycountry", "pydantic", "rich")


def loaded_after(code: str, *arguments: str, of: tuple[str, ...] = HEAVY) -> list[str]:
    """Run code in a process of its own; return which of the heavy modules are loaded in the end."""
    code += f"\nimport json, sys\nprint(json.dumps([name for name in {of} if name in sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_the_package_loads_nothing_else() -> None:
    """`import headrace` is a table of names: nothing else of the package, nothing of others, not even asyncio."""
    code = "import sys; before = set(sys.modules); import headrace; print(*sorted(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "headrace",
        "headrace._version",
    }
    assert not loaded & {"asyncio", "logging", "ssl"}


def test_no_name_loads_aiohttp() -> None:
    """Every name of the package stands for something, and none but aiohttp's own transport needs aiohttp."""
    code = "import headrace\nfor name in headrace.__all__:\n    if name != 'AiohttpTransport': getattr(headrace, name)"
    assert loaded_after(code) == []
    assert loaded_after("from headrace import AiohttpTransport") in (["aiohttp"], ["aiodns", "aiohttp"])


def test_the_names_are_those_that_type_checkers_see() -> None:
    """A name is loaded from the module from which type checkers import it, and all of them are listed."""
    for name, module in headrace._WHERE.items():
        found = getattr(headrace, name)
        assert getattr(sys.modules[f"headrace.{module}"], name) is found
    assert set(headrace.__all__) <= set(dir(headrace))
    source = ROOT.joinpath("src/headrace/__init__.py").read_text()
    seen = source[source.index("if TYPE_CHECKING:") : source.index("__all__")]
    for name, module in headrace._WHERE.items():
        line = next(line for line in seen.splitlines() if f"from headrace.{module} import " in line)
        assert name in line.partition(" import ")[2].split(", ")


def test_a_name_that_is_none() -> None:
    """It is an `AttributeError`, as of every module."""
    with pytest.raises(AttributeError, match="module 'headrace' has no attribute 'Client'"):
        headrace.Client  # type: ignore[attr-defined] # noqa: B018


FETCH = """
import asyncio, sys
from headrace import AsyncClient
async def main():
    async with AsyncClient(sys.argv[1]) as client:
        assert await client.get("/") == {}
asyncio.run(main())
"""


async def test_a_request_loads_no_aiohttp(serve_script: ServeScript) -> None:
    """A request and its answer over a connection of our own need none of it."""
    server = await serve_script([Do.READ, reply(b"{}")])
    assert await threads.run(loaded_after, FETCH, server.url) == []


async def test_a_request_loads_nothing_of_what_few_need(serve_script: ServeScript) -> None:
    """Nor does it load series of pages, cookies, credentials, files, dates, or what cuts an array in pieces."""
    server = await serve_script([Do.READ, reply(b"{}")])
    assert await threads.run(lambda: loaded_after(FETCH, server.url, of=SELDOM)) == []


async def test_a_fetch_loads_nothing_of_what_few_need(serve_script: ServeScript, tmp_path: Path) -> None:
    """`headrace fetch` of a plain URL is a client and a bulk, and no more than those."""
    server = await serve_script([Do.READ, reply(b"{}")])
    code = "import sys; from headrace.cli import main; assert main(['fetch', *sys.argv[1:], '-q']) == 0"
    given = (f"{server.url}/a", "--out", str(tmp_path / "rows.ndjson"))
    assert await threads.run(lambda: loaded_after(code, *given, of=SELDOM)) == []


def test_a_command_looks_for_no_garbage_among_modules() -> None:
    """A process of its own has the collector look seldom, and not at its end; who calls `main` keeps their own."""
    code = "import gc; from headrace.cli import main; main({}); print(gc.get_threshold()[0], file=sys.stderr)"
    code = "import sys; sys.argv[1:] = ['--version']; " + code
    for arguments, threshold in (("", 100_000), ("['--version']", gc.get_threshold()[0])):
        command = [sys.executable, "-c", code.format(arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(ran.stderr) == threshold


def test_the_command_loads_what_it_shows() -> None:
    """`headrace --version` and `--help` load click, and nothing of what the commands need."""
    code = (
        "import sys; from headrace.cli import main; sys.stdout = sys.stderr; main([{!r}]); sys.stdout = sys.__stdout__"
    )
    for option in ("--version", "--help"):
        assert loaded_after(code.format(option)) == ["click"]


LATE = """
import asyncio, sys, threading
from headrace import AsyncClient
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            print("by the loop" if threading.current_thread() is threading.main_thread() else "by a thread")
sys.meta_path.insert(0, Watch())
async def main():
    async with AsyncClient(sys.argv[1], {0}) as client:
        await client.post("/", response_format=bytes, {1})
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("settings", "call", "cookie"),
    [("", "", ("Set-Cookie: a=b",)), ("", "data={'file': b'x'}", ()), ("transport='aiohttp'", "", ())],
    ids=["a cookie", "a form of parts", "the other transport"],
)
async def test_what_is_loaded_late_is_loaded_in_a_thread(
    serve_script: ServeScript, settings: str, call: str, cookie: tuple[str, ...]
) -> None:
    """What needs aiohttp after all loads it when it is needed, and the loop goes on meanwhile."""
    server = await serve_script([Do.READ, reply(b"{}", *cookie)])
    command = [sys.executable, "-c", LATE.format(settings, call), server.url]
    ran = await threads.run(lambda: subprocess.run(command, capture_output=True, text=True, check=False))
    assert (ran.stdout, ran.stderr) == ("by a thread\n", "")


async def test_a_proxy_is_dialed_by_what_a_thread_loads(proxy: ForwardProxy, echo: EchoServer) -> None:
    """A proxy needs aiohttp's connector, which is loaded as the others are."""
    command = [sys.executable, "-c", LATE.format(f"proxy={proxy.url!r}", ""), echo.url]
    ran = await threads.run(lambda: subprocess.run(command, capture_output=True, text=True, check=False))
    assert (ran.stdout, ran.stderr) == ("by a thread\n", "")
