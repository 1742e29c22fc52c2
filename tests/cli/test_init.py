"""`headrace init`: a job and models of a real answer, that a person would be glad to own."""

import sys
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.kit.bulk import read_lines
from tests.kit.command_page import SCHEMA
from tests.kit.fetching import command, files
from tests.servers.rows import ROWS, RowServer, row_server

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # of the server: the command has a loop of its own


@pytest.fixture
async def api(servers: AsyncExitStack) -> RowServer:
    """An API."""
    return await servers.enter_async_context(row_server())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command runs in, and whose modules it finds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "list_models", raising=False)
    return tmp_path


async def test_an_api_becomes_a_job(api: RowServer, folder: Path) -> None:
    """What is written runs as it is: pages, place of the rows and model are found, and all rows come."""
    assert await command("init", f"{api.url}/list") == 0
    table = tomllib.loads((folder / "headrace.toml").read_text())["list"]
    assert table == {
        "source": f"{api.url}/list",
        "out": "list.ndjson",
        "model": "list_models:List",
        "items": "data",
        "pages": "next:next",
    }
    assert await command("fetch", "--job", "list", "-q") == 0
    assert sorted(row["id"] for row in read_lines(folder / "list.ndjson")) == list(range(ROWS))


async def test_nothing_is_written_over(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job of the name, or its module, is left alone; another job is added behind it."""
    assert await command("init", f"{api.url}/list") == 0
    before = {path: path.read_bytes() for path in files(folder)}
    assert await command("init", f"{api.url}/list") == 2
    assert "headrace.toml has a job list already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in files(folder)} == before
    assert await command("init", f"{api.url}/users/1", "--name", "one", "--schema") == 0
    assert list(tomllib.loads((folder / "headrace.toml").read_text())) == ["list", "one"]
    assert (folder / "headrace.schema.json").read_bytes() == SCHEMA.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("/users/1", "--name", "no name"), 2, "--name: got 'no name'"),
        (("/odd", "--items", "none"), 2, "has nothing there"),
        (("/gone/1",), 3, "404"),
    ],
)
async def test_what_it_refuses(
    api: RowServer, folder: Path, arguments: tuple[str, ...], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says why, and nothing is written."""
    assert await command("init", api.url + arguments[0], *arguments[1:]) == code
    assert told in capsys.readouterr().err
    assert files(folder) == []
