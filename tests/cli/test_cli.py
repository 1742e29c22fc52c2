"""The command line, run as a user would, and the server that it brings along."""

import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click
import pytest
from aiohttp import web
from rich.console import Console

from headrace import AsyncClient, errors
from headrace.cli import _app, _data, _demo, _models, _process, _report, _server, main
from tests.kit.commands import without

SECONDS = 120.0
COMMAND = (sys.executable, "-m", "headrace.cli")
PID = re.compile(r"process (\d+)")


def headrace(*arguments: str, command: Sequence[str] = COMMAND) -> subprocess.CompletedProcess[str]:
    """Run the command line with no terminal.

    Args:
        arguments: What the user typed after its name.
        command: What starts it.
    """
    return subprocess.run([*command, *arguments], capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)


def started(*arguments: str) -> tuple["subprocess.Popen[str]", int]:
    """Start a demo and return it, with the process of its server, once that serves."""
    # Where the tests run in the background of a shell, SIGINT is ignored, and children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*COMMAND, "demo", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    found = PID.search(process.stderr.readline())
    assert found
    return process, int(found[1])


def is_running(pid: int) -> bool:
    """Tell whether there is a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_table() -> None:
    """A run ends with one table, plain text where there is no terminal, and leaves no server behind."""
    done = headrace("demo", "--quick")
    assert done.returncode == 0, done.stderr
    lines = {line[:28].strip(): line[28:].split() for line in done.stdout.splitlines()}
    assert lines["phase"] == ["unlimited", "rate-limited", "pydantic"]
    assert lines["models"] == ["msgspec", "msgspec", "pydantic"]
    assert lines["requests"] == ["547", "294", "547"]
    assert lines["objects decoded"] == ["1,330", "830", "1,330"]
    assert lines["errors"] == ["0", "0", "0"]
    assert {"requests/s", "p50 latency, ms", "p99 latency, ms", "objects/s", "received"} < lines.keys()
    assert {"connections opened", "connections reused"} < lines.keys()
    assert "Everything arrived exactly once" in done.stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
    found = PID.search(done.stderr)
    assert found
    assert not is_running(int(found[1]))


def test_json(transport: str) -> None:
    """The machine-readable result is all there is on stdout, and its totals are those of the data set."""
    done = headrace("demo", "--quick", "--json", "--transport", transport, "--concurrency", "7")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["totals"] == {"countries": 40, "subdivisions": 250, "languages": 250}
    assert (result["transport"], result["concurrency"], result["problems"]) == (transport, 7, [])
    assert [phase["name"] for phase in result["phases"]] == ["unlimited", "rate-limited", "pydantic"]
    for phase in result["phases"]:
        assert phase["errors"] == 0
        assert phase["bytes_received"] > 0
        assert 0 < phase["p50_ms"] <= phase["p99_ms"]
        if transport == "wire":
            assert 1 <= phase["connections_opened"] <= 7
            assert phase["connections_opened"] + phase["connections_reused"] == phase["requests"]
    assert result["phases"][1]["rate_limit"] == result["limit"]["requests"] - 7
    assert "unlimited: 547 of 547 requests done" in done.stderr
    assert not is_running(result["server_pid"])


def test_without_pydantic() -> None:
    """Where pydantic is not installed, its column is left out and the table says so."""
    done = headrace("demo", "--quick", command=without("pydantic"))
    assert done.returncode == 0, done.stderr
    assert "pydantic is not installed, so there is no column for it." in done.stdout
    assert "rate-limited" in done.stdout


MISSING = {
    "click": "headrace needs the extra `cli` for its commands: pip install 'headrace[cli]'\n",
    "pycountry": "Error: headrace demo needs pycountry, of the extra `cli`: pip install 'headrace[cli]'\n",
    "rich": "Error: headrace demo needs rich, of the extra `cli`: pip install 'headrace[cli]'\n",
}


@pytest.mark.parametrize("module", MISSING)
def test_missing_extra(module: str) -> None:
    """Whatever a command needs of the extra and misses, one line says how to get it."""
    done = headrace("demo", command=without(module))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", MISSING[module])


def test_a_command_asks_for_what_it_needs_itself() -> None:
    """What only another command needs may be missing."""
    done = headrace("structify", "--help", command=without("pycountry"))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_help_says_what_the_commands_say() -> None:
    """The list of commands is written without loading them, in the words that they have themselves."""
    for name, known in _app.COMMANDS.items():
        command = _app.cli.get_command(click.Context(_app.cli), name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == known.help


@pytest.mark.parametrize(("words", "expected"), [("headrace fe", "fetch"), ("headrace fetch --dead", "--dead-letters")])
def test_completion(words: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell asks the command itself what a word may become, as the script that it has read says."""
    script = headrace("completion", "bash")
    assert (script.returncode, "_HEADRACE_COMPLETE=bash_complete" in script.stdout) == (0, True)
    monkeypatch.setenv("_HEADRACE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert f"plain,{expected}\n" in headrace().stdout


def test_tour(tmp_path: Path) -> None:
    """A fetch is killed, goes on, and every row is there once; the report of both runs is written."""
    done = headrace("tour", "--quick", "--folder", str(tmp_path / "tour"))
    assert done.returncode == 0, done.stderr
    assert "250 rows: 0 missing, 0 doubled, 0 that differ from the original" in done.stdout
    assert "killed (SIGKILL)" in done.stdout
    assert done.stdout.count("$ headrace fetch ") == 2
    assert done.stdout.count("run began") == 2
    assert "<svg" in (tmp_path / "tour" / "report.html").read_text()
    again = headrace("tour", "--quick", "--folder", str(tmp_path / "tour"))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_taken_port() -> None:
    """A port that another program has is wrong usage, and is named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = headrace("demo", "--quick", "--port", str(port))
    assert done.returncode == 2
    assert f"'--port': cannot listen on port {port}: another program listens there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag: str) -> None:
    """The help of the command names every option but the hidden one."""
    done = headrace("demo", flag)
    assert done.returncode == 0
    for option in ("--concurrency", "--port", "--transport", "--json", "--version"):
        assert option in done.stdout
    assert "--quick" not in done.stdout
    assert "demo" in headrace(flag).stdout


def test_version() -> None:
    """The version is that of the library."""
    assert headrace("--version").stdout == headrace("demo", "--version").stdout
    assert re.fullmatch(r"headrace, version \d+\.\d+\.\d+\S*\n", headrace("--version").stdout)


@pytest.mark.parametrize(
    "arguments", [("demo", "--transport", "pigeon"), ("demo", "--concurrency", "0"), ("dmeo",)], ids=" ".join
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """What cannot be meant is refused with the exit code for wrong usage."""
    done = headrace(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_interrupt() -> None:
    """Ctrl-C ends the server too, with one word and the exit code that shells expect."""
    process, server = started()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert said.strip().endswith("Interrupted.")
    assert "Traceback" not in said
    assert not is_running(server)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of processes that are not children")
def test_orphan() -> None:
    """A server whose parent was killed ends by itself."""
    process, server = started()
    handle = os.pidfd_open(server)
    try:
        process.kill()
        process.communicate(timeout=SECONDS)
        assert select.select([handle], [], [], SECONDS)[0] == [handle]
    finally:
        os.close(handle)


def test_dead_server() -> None:
    """A server that dies on the way is a failure with a message."""
    process, server = started()
    os.kill(server, signal.SIGTERM)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "Error: " in said
    assert "Traceback" not in said


def test_wrong_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One object that is not the original, or too few of them, and the demo fails and says which."""
    records = _data.load(quick=True)
    records.single["languages"]["aaa"] = {**records.single["languages"]["aaa"], "name": "Nobody's"}
    records.listed["countries"].pop()
    monkeypatch.setattr(_data, "load", lambda **_: records)
    assert main(["demo", "--quick"]) == 1
    said = capsys.readouterr()
    assert "Everything arrived" not in said.out
    assert "not everything arrived as it should\nthe server's totals are not those of the data set" in said.err
    assert "unlimited: the list of countries: what arrived is not what was sent" in said.err
    assert "unlimited: /languages/aaa: what arrived is not what was sent" in said.err


def test_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server process that ends at once is a failure with a message."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert main(["demo", "--quick"]) == 1
    assert "the server did not start: it said nothing" in capsys.readouterr().err


async def test_progress_bar() -> None:
    """On a terminal a bar shows how far a phase is."""
    file = io.StringIO()
    screen = _report.Screen(Console(file=file, force_terminal=True, width=80, no_color=True))
    done: list[int] = []
    async with screen.progress("unlimited", 2, done):
        done += [1, 2]
    assert "unlimited" in file.getvalue()
    assert "2/2" in file.getvalue()


def test_window() -> None:
    """The limit holds in any window, not from one full second to the next."""
    now = 0.0
    window = _server.Window(2, 1.0, clock=lambda: now)
    assert window.admit() == 0
    now = 0.75
    assert window.admit() == 0
    assert window.admit() == 0.25
    now = 1.0
    assert window.admit() == 0
    assert window.admit() == 0.75


@pytest.fixture
async def api() -> AsyncIterator[str]:
    """The base URL of a server that admits two limited requests."""
    records = _data.load(quick=True)
    handler = _server.Api(records, _server.Window(2, 1.0, clock=lambda: 0.0))
    runner = web.ServerRunner(web.Server(handler.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


async def test_server_enforces_its_limit(api: str) -> None:
    """What is over the advertised limit is refused with 429 and the time to wait."""
    async with AsyncClient(f"{api}/limited") as client:
        for _ in range(2):
            country = await client.get("/countries/AD", response_format=_models.CountryDetail)
            assert country.alpha_3 == "AND"
        with pytest.raises(errors.HTTPTooManyRequests) as refused:
            await client.get("/countries/AD")
        usage = await client.get(f"{api}/usage", response_format=_models.Usage)
    assert refused.value.retry_after == 1
    assert refused.value.headers["RateLimit-Policy"] == f'"demo";q={_server.LIMIT};w={_server.WINDOW}'
    assert refused.value.headers["X-RateLimit-Limit"] == str(_server.LIMIT)
    assert (usage.served, usage.refused) == (2, 1)


async def test_server_refuses_what_it_does_not_have(api: str) -> None:
    """An unknown code or page is 404, and nothing can be written."""
    async with AsyncClient(api) as client:
        for path in ("/countries/ZZ", "/languages?page=99", "/nothing"):
            with pytest.raises(errors.HTTPNotFound):
                await client.get(path)
        with pytest.raises(errors.HTTPMethodNotAllowed) as refused:
            await client.delete("/countries/AD")
    assert refused.value.headers["Allow"] == "GET, HEAD"


async def test_pages_lead_to_each_other(api: str) -> None:
    """A page knows the parameters of its neighbours, and of the first and last one."""
    async with AsyncClient(api) as client:
        page = await client.get("/languages", response_format=_models.LanguagePage, parameters={"page": 2})
        first = await client.get("/languages", response_format=_models.LanguagePage, parameters=page.start())
        last = await client.get("/languages", response_format=_models.LanguagePage, parameters=page.end())
    assert page.is_paginating()
    assert (page.previous(), page.next()) == ({"page": 1}, {"page": 3})
    assert (first.page, first.previous()) == (1, None)
    assert (last.page, last.next()) == (3, None)


async def test_refused_requests_are_errors(api: str) -> None:
    """Where the server allows less than it advertises, the run counts the errors and says so."""
    options = _demo.Options(concurrency=4, transport="wire")
    screen = _report.Screen(Console(file=io.StringIO()))
    result = await _demo.run_all(_process.Server(api, os.getpid()), _data.load(quick=True), options, screen)
    assert result.phases[0].errors == 0
    assert result.phases[1].errors >= 1
    assert any("429" in problem for problem in result.problems)
    assert any("refused" in problem for problem in result.problems)
    assert "\nand " in _report.failure(result)
