"""`headrace fetch`: what it fetches, how it ends, and what it leaves on the disk."""

import asyncio
import gzip
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from headrace.bulk.journal import Journal
from tests.kit.bulk import read_lines, read_parts, read_table
from tests.kit.fetching import command, ended, files, started
from tests.servers.rows import ROWS, RowServer, row_server

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # of the server: the command has a loop of its own

MODELS = """
import msgspec
import headrace

class User(msgspec.Struct):
    id: int
    name: str

class Api(headrace.AsyncClient, uri="{url}/users"):
    pass
"""


@pytest.fixture
async def api(servers: AsyncExitStack) -> RowServer:
    """An API."""
    return await servers.enter_async_context(row_server())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command runs in, and whose modules it finds; the next test has others of the same names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("models", "own", "rejecting"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def ids(path: Path) -> list[int]:
    """Read the ids of the rows, in their order."""
    return sorted(row["id"] for row in read_lines(path))


async def test_a_range_of_urls(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row comes once; the summary is a table on the standard error, and nothing is on the standard output."""
    assert await command("fetch", f"{api.url}/users/{{1..40}}", "--out", "rows.ndjson") == 0
    assert ids(folder / "rows.ndjson") == list(range(1, 41))
    out, err = capsys.readouterr()
    assert out == ""
    table = {line[:20].strip(): line[20:].strip() for line in err.splitlines() if line.count("  ")}
    assert (table["calls"], table["done"], table["failed"], table["rows"]) == ("40", "40", "0", "40")


async def test_a_second_run_asks_nothing(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal beside the output has it all; --no-resume begins anew."""
    arguments = ("fetch", f"{api.url}/users/{{1..5}}", "--out", "rows.ndjson", "--summary", "json", "-q")
    assert await command(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 5
    assert await command(*arguments) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["done"], again["skipped"], again["exit_code"]) == (0, 5, 0)
    assert sum(api.asked.values()) == 5
    assert await command(*arguments, "--no-resume") == 0
    assert sum(api.asked.values()) == 10
    assert ids(folder / "rows.ndjson") == [1, 2, 3, 4, 5]


async def test_a_width_that_finds_itself(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--in-flight auto` leaves out none, and the journal says that it was run so."""
    source, limit = f"{api.url}/users/{{1..400}}", ("--summary", "json", "-q")
    assert await command("fetch", source, "--out", "rows.ndjson", "--in-flight", "auto", *limit) == 0
    assert ids(folder / "rows.ndjson") == list(range(1, 401))
    assert json.loads(capsys.readouterr().out)["done"] == 400
    about = Journal(folder / "rows.ndjson.journal").about
    assert about["settings"]["in_flight"] == "'auto'"


FILES = {
    "ids.csv": b"id,what\n1,a\n2,b\n",
    "ids.ndjson": b'{"id": 1}\n\n{"id": 2}\n',
    "ids.jsonl": b'{"id": 1}\n{"id": 2}',
    "ids.txt": b"1\n2\n",
}


@pytest.mark.parametrize("name", [*FILES, "ids.parquet"])
async def test_a_file_fills_a_url(api: RowServer, folder: Path, name: str) -> None:
    """A template is filled from the columns of each row."""
    if name == "ids.parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"id": [1, 2]}), folder / name)
    else:
        (folder / name).write_bytes(FILES[name])
    column = "line" if name == "ids.txt" else "id"
    assert await command("fetch", name, f"{api.url}/users/{{{column}}}", "--out", "rows.ndjson", "-q") == 0
    assert ids(folder / "rows.ndjson") == [1, 2]


@pytest.mark.parametrize("name", ["urls.txt", "urls.csv", "urls.ndjson"])
async def test_a_file_of_urls(api: RowServer, folder: Path, name: str) -> None:
    """Lines are URLs; a table has them in its column `url`."""
    urls = [f"{api.url}/users/{number}" for number in (1, 2)]
    texts = {
        "urls.txt": "\n".join(urls),
        "urls.csv": "n,url\n1,{}\n2,{}\n".format(*urls),
        "urls.ndjson": "\n".join(json.dumps({"url": url}) for url in urls),
    }
    (folder / name).write_text(texts[name])
    assert await command("fetch", name, "--out", "rows.ndjson", "-q") == 0
    assert ids(folder / "rows.ndjson") == [1, 2]


async def test_the_standard_input(api: RowServer, folder: Path) -> None:
    """Lines come as they come: URLs, values of a template, or JSON objects."""
    process = await started(
        "fetch", "-", f"{api.url}/users/{{}}", "--out", "rows.ndjson", "-q", cwd=folder, stdin=asyncio.subprocess.PIPE
    )
    ran = await ended(process, b'1\n{"id": 2}\n\n3')
    assert (ran.code, ran.err) == (0, "")
    assert ids(folder / "rows.ndjson") == [1, 2, 3]


async def test_a_body_with_columns(api: RowServer, folder: Path) -> None:
    """A text that is a column alone becomes its value, with its type; the method is POST then."""
    (folder / "ids.ndjson").write_bytes(b'{"id": 7, "name": "x"}\n')
    body = '{"id": "{id}", "told": "it is {name}", "list": ["{id}"], "n": 1}'
    assert await command("fetch", "ids.ndjson", f"{api.url}/echo", "--body", body, "-o", "rows.ndjson", "-q") == 0
    ((_, fields, sent),) = api.seen
    assert orjson.loads(sent) == {"id": 7, "told": "it is x", "list": [7], "n": 1}
    assert fields["Content-Type"] == "application/json"
    assert read_lines(folder / "rows.ndjson") == [{"path": "/echo", "method": "POST"}]


@pytest.mark.parametrize("kind", ["ndjson", "ndjson.gz", "ndjson.zst", "parquet", "sqlite", "duckdb"])
async def test_formats(api: RowServer, folder: Path, kind: str) -> None:
    """The name of the output says what it is; a model gives a table its columns."""
    (folder / "models.py").write_text(MODELS.replace("{url}", api.url))
    out = folder / f"rows.{kind}"
    arguments = ("fetch", f"{api.url}/users/{{1..3}}", "--model", "models:User", "--out", out, "-q")
    assert await command(*arguments) == 0
    expected = [(1, "user 1"), (2, "user 2"), (3, "user 3")]
    match kind:
        case "sqlite":
            found = read_table(out, "rows", "SELECT id, name FROM {}")
        case "duckdb":
            import duckdb

            with duckdb.connect(str(out)) as book:
                found = book.execute("SELECT id, name FROM rows").fetchall()
        case "parquet":
            found = [(row["id"], row["name"]) for row in read_parts(out)]
        case _:
            assert kind != "ndjson.gz" or gzip.decompress(out.read_bytes())
            found = [(row["id"], row["name"]) for row in read_lines(out)]
    assert sorted(found) == expected


async def test_a_client_of_ones_own(api: RowServer, folder: Path) -> None:
    """Its uri says where the paths are."""
    (folder / "own.py").write_text(MODELS.replace("{url}", api.url))
    assert await command("fetch", "/{1..2}", "--client", "own:Api", "--out", "rows.ndjson", "-q") == 0
    assert ids(folder / "rows.ndjson") == [1, 2]


async def test_failures_are_dead_letters(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are told, written, and asked again by the next run unless that is not wanted; the expected ones are not."""
    arguments = ("fetch", f"{api.url}/{{users,gone}}/{{1..2}}", "--out", "rows.ndjson", "--dead-letters", "dead.ndjson")
    assert await command(*arguments) == 1
    assert "404 HTTPNotFound" in capsys.readouterr().err
    letters = [orjson.loads(line) for line in (folder / "dead.ndjson").read_bytes().splitlines()]
    assert [(letter["status"], letter["path"]) for letter in letters] == [(404, "/gone/1"), (404, "/gone/2")]
    assert await command(*arguments, "--no-retry-failed") == 0
    assert api.asked["/gone/1"] == 1
    assert await command(*arguments) == 1
    assert api.asked["/gone/1"] == 2
    assert await command(*arguments, "--expected", "404,410") == 0


async def test_rows_that_do_not_fit(api: RowServer, folder: Path) -> None:
    """They are kept apart in the journal, dropped, or fail the call; without them, all is well."""
    (folder / "rejecting.py").write_text(MODELS.replace("{url}", api.url))
    arguments = ("fetch", f"{api.url}/odd", "--items", "data", "--model", "rejecting:User", "-q")
    assert await command(*arguments, "--out", "a.ndjson") == 1
    with Journal(folder / "a.ndjson.journal") as journal:
        assert [reject.index for reject in journal.rejects()] == [1]
    assert ids(folder / "a.ndjson") == [1, 3]
    assert await command(*arguments, "--out", "b.ndjson", "--on-invalid", "skip") == 0
    assert await command(*arguments, "--out", "c.ndjson", "--on-invalid", "raise") == 1
    assert read_lines(folder / "c.ndjson") == []


async def test_too_many_failures_stop_it(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that it stopped; the same command goes on."""
    arguments = (
        "fetch",
        f"{api.url}/gone/{{1..500}}",
        "--out",
        "rows.ndjson",
        "--max-failures",
        "3",
        "--in-flight",
        "2",
    )
    assert await command(*arguments) == 1
    assert "stopped before the end" in capsys.readouterr().err
    assert sum(api.asked.values()) < 500


async def test_most_items(api: RowServer, folder: Path) -> None:
    """It stops at as many rows, and writes what was in flight."""
    await command("fetch", f"{api.url}/users/{{1..500}}", "--out", "rows.ndjson", "--max-items", "5", "-q")
    assert 5 <= len(ids(folder / "rows.ndjson")) <= 15


@pytest.mark.parametrize("option", ["--max-items 5", "--pages link", "--parallel", "--since id=1"])
async def test_what_ray_cannot_do(
    api: RowServer, folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Series, and a number of rows, are of one machine; that is told before anything is asked."""
    url = f"{api.url}/users/{{1..5}}"
    assert await command("fetch", url, "--out", "rows.ndjson", "--items", "", "--ray", "auto", *option.split()) == 2
    assert f"{option.split(maxsplit=1)[0]}: has no use with --ray" in capsys.readouterr().err
    assert not api.asked


PAGES = (("--pages", "next:next"), ("--pages", "detect"), ("--pages", "page:page"), ("--parallel",))


@pytest.mark.parametrize("pages", PAGES, ids=" ".join)
async def test_pages(api: RowServer, folder: Path, pages: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Every row of a series comes once, also where its pages are asked for at once."""
    path = "counted" if pages == ("--parallel",) else "list"
    assert await command("fetch", f"{api.url}/{path}", *pages, "--items", "data", "--out", "rows.ndjson") == 0
    assert ids(folder / "rows.ndjson") == list(range(ROWS))
    assert ("--pages next:next ('next' holds a URL" in capsys.readouterr().err) == ("detect" in pages)


async def test_nothing_to_detect(api: RowServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A strategy is never guessed: where nothing is found, nothing begins."""
    for option, told in (
        ("--pages=detect", "--pages detect: the first answer"),
        ("--parallel", "--parallel: the first"),
    ):
        assert await command("fetch", f"{api.url}/users/1", option, "--items", "data", "--out", "rows.ndjson") == 3
        assert told in capsys.readouterr().err


async def test_only_what_is_new(api: RowServer, folder: Path) -> None:
    """A finished run is over: the next asks again, from the last value on, and no row comes twice."""
    arguments = ("fetch", f"{api.url}/list", "--pages", "next:next", "--items", "data", "--out", "rows.ndjson")
    assert await command(*arguments, "--since", "id=5,from") == 0
    assert ids(folder / "rows.ndjson") == list(range(5, ROWS))
    assert await command(*arguments, "--since", "id=5,from") == 0
    assert ids(folder / "rows.ndjson") == list(range(5, ROWS))
    assert [path for path, _, _ in api.seen if "from=" in path] == ["/list?from=5", f"/list?from={ROWS - 1}"]


async def test_a_look(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run says what would be asked, asks one, shows pages and columns, and writes nothing."""
    assert await command("fetch", f"{api.url}/list", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "1 calls to" in out
    assert "GET /list" in out
    assert "--pages 'next:next': 'next' holds a URL" in out
    assert "rows: 10 at 'data'" in out
    assert "  id: int\n  name: str\n" in out
    assert files(folder) == []
    assert ROWS > 10


async def test_ctrl_c_ends_what_is_in_flight(api: RowServer, folder: Path) -> None:
    """What is in flight ends and is written, the exit code says so, and the same command goes on."""
    arguments = ("fetch", f"{api.url}/slow/{{1..100}}", "--out", "rows.ndjson", "--in-flight", "4", "--retry", "0")
    process = await started(*arguments, cwd=folder)
    await api.waiting.wait()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert b"stopping" in await process.stderr.readline()
    api.gate.set()
    ran = await ended(process)
    assert (ran.code, "Traceback" in ran.err) == (130, False)
    before = ids(folder / "rows.ndjson")
    assert 1 <= len(before) < 100
    again = await ended(await started(*arguments, cwd=folder))
    assert again.code == 0
    assert ids(folder / "rows.ndjson") == list(range(1, 101))
    assert max(api.asked.values()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_twice_stops_at_once(api: RowServer, folder: Path, number: signal.Signals) -> None:
    """Nothing in flight is waited for; there is no traceback."""
    process = await started("fetch", f"{api.url}/slow/{{1..100}}", "--out", "rows.ndjson", cwd=folder)
    await api.waiting.wait()
    process.send_signal(number)
    assert process.stderr is not None
    assert b"stopping" in await process.stderr.readline()
    process.send_signal(number)
    ran = await ended(process)
    assert ran.code == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in ran.err


async def test_terminated_once(api: RowServer, folder: Path) -> None:
    """As Ctrl-C, with the exit code of a shell for SIGTERM."""
    process = await started(
        "fetch", f"{api.url}/slow/{{1..100}}", "--out", "rows.ndjson", "--in-flight", "2", cwd=folder
    )
    await api.waiting.wait()
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert b"stopping" in await process.stderr.readline()
    api.gate.set()
    assert (await ended(process)).code == 143


async def test_killed_and_run_again(api: RowServer, folder: Path) -> None:
    """After `kill -9` the same command ends with each row once."""
    arguments = ("fetch", f"{api.url}/{{users,slow}}/{{1..50}}", "--out", "rows.ndjson", "-q", "--in-flight", "8")
    process = await started(*arguments, cwd=folder)
    await api.waiting.wait()
    process.kill()
    await ended(process)
    api.gate.set()
    assert (await ended(await started(*arguments, cwd=folder))).code == 0
    assert ids(folder / "rows.ndjson") == sorted([*range(1, 51), *range(1, 51)])
