"""What `headrace fetch` shows while it runs: a picture on a terminal, a line now and then elsewhere."""

import asyncio
import io
import os
import pty
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from rich.console import Console

from headrace import AsyncClient
from headrace.bulk.report import Report
from headrace.cli._fetch import screen
from headrace.testing import MockTransport, json_response
from tests.kit.fetching import started
from tests.servers.rows import row_server


def half_way() -> Report:
    """Make the report of a run that is half done."""
    report = Report()
    report.calls, report.done, report.failed, report.rows, report.seconds = 60, 45, 5, 1234, 2.0
    report.errors["404 HTTPNotFound"] = 5
    return report


@pytest.fixture
def client() -> AsyncClient:
    """A client that has retried and waited."""
    made = AsyncClient("https://api.example.com", transport=MockTransport(lambda _: json_response({})))
    made.stats.requests, made.stats.retries, made.stats.limiter_seconds = 60, 3, 1.5
    return made


def test_the_picture(client: AsyncClient) -> None:
    """Rows, rate, errors by kind, limiter waits, retries, requests in flight, and the time that is left."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(screen.Live(client, 100).picture(half_way(), 10.0))
    lines = console.export_text().splitlines()
    assert set(lines[0].strip()) <= set("━╸╺ ")  # the bar, on a line of its own
    assert lines[1].startswith("calls 50 of 100")
    shown = " ".join(" ".join(lines).split())
    for told in (
        "calls 50 of 100", "rows 1,234", "rate 25/s", "in flight 10", "retries 3", "limiter waits 1.5 s", "failed 5",
        "left 2 s", "5 x 404 HTTPNotFound",
    ):  # fmt: skip
        assert told in shown


def test_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there is a line every ten seconds, with the same; none where it is to be quiet."""
    now = [100.0]
    monkeypatch.setattr(screen, "monotonic", lambda: now[0])
    for quiet in (False, True):
        lines = screen.Lines(100, quiet=quiet)
        for seconds in (5, 5, 5, 5):
            now[0] += seconds
            lines(half_way())
        err = capsys.readouterr().err
        assert err == ("" if quiet else "headrace: 50 of 100 calls, 5 failed, 25/s, 2 s left\n" * 2)


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (65, "1 min 05 s"), (7260, "2 h 01 min")])
def test_durations(seconds: float, text: str) -> None:
    """They are written as a person says them."""
    assert screen.duration(seconds) == text


@pytest.mark.asyncio(loop_factories=["asyncio"])  # of the server: the command has a loop of its own
async def test_on_a_terminal(servers: AsyncExitStack, tmp_path: Path) -> None:
    """The picture is drawn where a person looks, and is gone when the summary comes."""
    api = await servers.enter_async_context(row_server())
    ours, theirs = pty.openpty()
    try:
        process = await started(
            "fetch",
            f"{api.url}/slow/{{1..3}}",
            "--out",
            "rows.ndjson",
            cwd=tmp_path,
            stderr=theirs,
            env={"TERM": "xterm"},
        )
        os.close(theirs)
        shown = b""
        while b"in flight" not in shown:
            shown += await asyncio.to_thread(os.read, ours, 65536)
        api.gate.set()
        await process.wait()
        while b"rows in rows.ndjson" not in shown:
            shown += await asyncio.to_thread(os.read, ours, 65536)
    finally:
        os.close(ours)
    assert process.returncode == 0
    assert b"0 of 3" in shown
