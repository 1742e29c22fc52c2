"""`headrace report`: what a journal says of its runs, in the terminal and as a page that needs nothing else."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headrace import Call, errors
from headrace._io import threads
from headrace.bulk._letters import Rejected, letter_of
from headrace.bulk.journal import Journal, More, Writer
from headrace.bulk.outcomes import Err, Meta
from headrace.bulk.report import bucket_of
from headrace.bulk.samples import Route, Sample, route_of
from headrace.cli import main
from headrace.cli._run_report import charts, command, page, reading
from tests.kit.fetching import command as run_command
from tests.servers.process import not_installed
from tests.servers.rows import row_server

CANARY = "s3cret-canary-0123456789"
WILD = "<script>alert(1)</script>"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two runs, with failures, retries and waits, and markup where a server could have put some."""
    path = tmp_path / "run.db"
    writer = Writer(path)
    writer.begin({"uri": "https://api.example.com", "sink": "NDJSON rows.ndjson"})
    writer.describe({"in_flight": "64", "tls": "verified"})
    samples = [
        Sample(
            run=run,
            seconds=float(second),
            calls=100 * second,
            done=90 * second,
            failed=10 * second,
            expected=0,
            skipped=0,
            rows=90 * second,
            rejected=1,
            bytes=9000 * second,
            in_flight=64 - second,
            retries=second,
            limiter_seconds=2.0 * second,
            latencies={bucket_of(0.01): 90, bucket_of(0.2 * second): 10},
            errors={"404 HTTPNotFound": 10 * second},
        )
        for run, seconds in ((1_700_000_000.0, 30), (1_700_003_600.0, 20))
        for second in range(1, seconds + 1)
    ]
    routes = {
        "GET /users/{}": Route(500, 0, {bucket_of(0.01): 500}),
        f"GET /{WILD}": Route(5, 5, {bucket_of(3.0): 5}),
    }
    error = errors.HTTPNotFound(status_code=404, url="https://api.example.com/gone/1", method="GET")
    letter = letter_of(Err(error, Call("/gone/1"), Meta("k1", 404, 0.1)), 1_700_000_000.0)
    rejected = Rejected("k2", 3, "$.id", f"Expected `int`, got {WILD}", b"{}")
    writer.note(b"d" * 16, More([(b"x" * 16, letter)], [rejected], {}), samples, routes)
    writer.mark()
    writer.close()
    return path


class Outline(HTMLParser):
    """The elements of a page, each of which has to be closed; and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.seen.append(tag)
        self.loads += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "path", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep what is read."""
        self.text += data


def test_in_the_terminal(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures, a line of the throughput, the slowest routes, dead letters and rows that did not fit."""
    assert main(["report", str(journal)]) == 0
    told = capsys.readouterr().out
    figures = dict(re.findall(r"^(\S[\w /]*?)  +([\d.,]+)(?: \w+)?$", told, re.MULTILINE))
    assert (figures["calls done"], figures["dead letters"], figures["rows rejected"]) == ("1", "1", "1")
    assert (figures["runs"], figures["rows seen"], figures["seconds"]) == ("2", "4,500", "50.0")
    assert (figures["calls a second"], figures["retries"], figures["limiter waits"]) == ("100.0", "50", "100.0")
    assert "calls/s    " in told
    assert "at most 100\n" in told
    assert told.index("GET /<script>") < told.index("GET /users/{}")  # the slowest first
    assert "GET /gone/1: 404 Not Found" in told
    assert "row 3, $.id: Expected `int`" in told


def test_the_page(journal: Path, tmp_path: Path) -> None:
    """It has a chart for all that happened, tables, and nothing that it would load; what a server wrote is text."""
    assert main(["report", str(journal), "--html", str(tmp_path / "report.html")]) == 0
    text = (tmp_path / "report.html").read_text()
    outline = Outline(text)
    assert outline.loads == []
    assert "url(" not in text
    assert "@import" not in text
    assert "script" not in outline.seen
    assert WILD in outline.text
    titles = re.findall(r"<figcaption><b>(.*?)</b>", text)
    assert titles == ["Throughput", "Latency", "In flight", "Errors by kind", "Retries", "Waiting for the limiter"]
    assert outline.seen.count("svg") == len(titles)
    assert outline.seen.count("polyline") == 8  # three of the latency
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads[:3] == ["Over time", "Slowest routes", "Errors by kind"]
    assert heads[3:] == ["Dead letters (1 of 1)", "Rows that did not fit (1 of 1)", "Settings"]
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert text.count('class="mark"') == len(titles)  # where it was resumed


def test_a_journal_of_an_earlier_version(journal: Path, tmp_path: Path) -> None:
    """What has no samples has figures all the same; the next run adds them."""
    with sqlite3.connect(journal) as book:
        book.execute("DROP TABLE sample")
        book.execute("DELETE FROM job WHERE name IN ('settings', 'routes')")
    book.close()
    assert main(["report", str(journal)]) == 0
    assert main(["report", str(journal), "--html", str(tmp_path / "report.html")]) == 0
    text = (tmp_path / "report.html").read_text()
    Outline(text)
    assert "no run was sampled" in text
    Writer(journal).close()
    with Journal(journal) as read:
        assert list(read.samples()) == []


def test_what_is_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is wrong usage, in one line."""
    (tmp_path / "x").write_text("no")
    for path in ("x", "none"):
        assert main(["report", str(tmp_path / path)]) == 2
        assert "journal: " in capsys.readouterr().err


@pytest.mark.asyncio(loop_factories=["asyncio"])  # of the server: the command has a loop of its own
async def test_a_run_is_sampled(
    servers: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every run leaves a sample of its end, its routes and its settings; no secret is among them, nor in the page."""
    api = await servers.enter_async_context(row_server())
    monkeypatch.setenv("CANARY", CANARY)
    out, written = tmp_path / "rows.ndjson", tmp_path / "report.html"
    secret = ("--bearer-env", "CANARY", "--param", "api_key={env:CANARY}", "-H", "X-Api-Key: {env:CANARY}")
    assert await run_command("fetch", f"{api.url}/{{users,gone}}/{{1..7}}", "--out", out, "-q", *secret) == 1
    path = tmp_path / "rows.ndjson.journal"
    with Journal(path) as read:
        *_, last = read.samples()
        about = read.about
    assert (last.calls, last.done, last.failed, last.rows, last.in_flight) == (14, 7, 7, 7, 0)
    assert last.errors == {"404 HTTPNotFound": 7}
    assert {name: route[:2] for name, route in about["routes"].items()} == {
        "GET /{users,gone}/{1..7}": [14, 7],
    }
    assert about["settings"]["in_flight"] == "64"
    assert await run_command("report", path, "--html", written) == 0
    assert CANARY not in written.read_text()
    assert CANARY not in path.read_bytes().decode("latin-1")


ROUTES = {
    "/users/7?page=2": "GET /users/{}",
    "https://a.example/v1/users/7/posts": "GET /{}/users/{}/posts",
    "users/123e4567-e89b-12d3-a456-426614174000": "GET /users/{}",
    "/a%20b/c": "GET /{}/c",
    "/": "GET /",
}


@pytest.mark.parametrize(("path", "route"), ROUTES.items(), ids=ROUTES)
def test_routes(path: str, route: str) -> None:
    """What is a value in a path is no part of its route; a call may name its own."""
    assert route_of(Call(path)) == route
    assert route_of(Call(path, route="/own")) == "/own"


def test_charts_of_odd_values() -> None:
    """Nothing, one point, zeros and thousands of points are drawn too."""
    for values in ([], [0.0], [0.0] * 3, [1e9, 0.5], list(map(float, range(10_000)))):
        drawn = charts.chart("x", [float(at) for at in range(len(values))], [("a", values)], "u")
        assert drawn.count("<polyline") == 1
        assert "nan" not in drawn
        assert len(re.findall(r"\d,\d", drawn)) <= 300
    assert [charts.ceiling(value) for value in (0, 0.3, 1, 7, 2400)] == [1.0, 0.5, 1, 10, 2500]
    assert command.sparks([0.0, 0.0]) == "▁▁ at most 0"


MEASURE = """<!doctype html><title>-</title><iframe id=f src="report.html" style="width:390px;height:9000px"></iframe>
<script>onload = () => {
  const d = document.getElementById("f").contentDocument, w = d.documentElement.scrollWidth;
  const texts = [...d.querySelectorAll("svg text")].map(t => t.getBoundingClientRect().height);
  const inside = [...d.querySelectorAll("svg, h1, h2, dl")].every(e => e.getBoundingClientRect().right <= 391);
  document.title = JSON.stringify([w, Math.min(...texts) >= 9, inside, d.querySelectorAll("svg").length]);
}</script>"""


def _chromium(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("chromium") or not_installed("chromium")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
    more = ("--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=5000")
    return subprocess.run([program, *options, *more, *arguments], capture_output=True, check=True, timeout=200)


def test_in_a_browser(journal: Path, tmp_path: Path) -> None:
    """Chromium draws every chart and says nothing on its console; at 390 px nothing is cut off or too small to read."""
    (tmp_path / "report.html").write_text(page.page(reading.read(journal)))
    (tmp_path / "measure.html").write_text(MEASURE)
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = _chromium(profile, "--dump-dom", (tmp_path / "measure.html").as_uri())
    title = re.search(rb"<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert title[1] == b"[390,true,true,6]"
    assert b"CONSOLE" not in done.stderr
    picture = tmp_path / "picture.png"
    _chromium(profile, "--window-size=1000,2000", f"--screenshot={picture}", (tmp_path / "report.html").as_uri())
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000  # more than an empty page


async def test_it_is_read_while_a_run_writes(journal: Path) -> None:
    """A reader never waits for the writer, nor makes it wait."""
    writer = Writer(journal)
    try:
        facts = await threads.run(reading.read, journal)
        assert facts.rejected == 1
    finally:
        writer.close()
