"""Ctrl-C: the first lets a run end in order, the second ends it; nothing that was committed is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.bulk import read_lines

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

_PROGRAM = """
import asyncio, itertools, signal, sys
import headrace
from headrace import sinks
from headrace.testing import MockTransport, json_response

hangs = asyncio.Event() if len(sys.argv) > 2 else None
asked = 0

async def answer(request):
    global asked
    asked += 1
    if asked == 204:  # then all that are in flight hang, where any do
        print("ready", flush=True)
    if asked > 200 and hangs is not None:
        await hangs.wait()
    await asyncio.sleep(0.001)
    return json_response({"id": int(request.target.rpartition("/")[2])})

async def main():
    before = signal.getsignal(signal.SIGTERM)
    async with headrace.AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        calls = (f"/users/{n}" for n in itertools.count())
        bulk = client.bulk(calls, sink=sinks.NDJSON(sys.argv[1]), journal=True, in_flight=4)
        try:
            report = await bulk.run()
        finally:
            assert signal.getsignal(signal.SIGTERM) == before
            print("ended", bulk.report.rows, bulk.report.stopped, flush=True)
    print("in order", report.done == report.calls == report.rows, flush=True)

headrace.run(main())
"""


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start an endless bulk, and wait until it is under way."""
    command = [sys.executable, "-c", _PROGRAM, str(folder / "rows.ndjson"), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_a_run_in_order(number: int, tmp_path: Path) -> None:
    """What is in flight ends and is committed, the program goes on behind the run, and its handlers are back."""
    with start(tmp_path) as process:
        process.send_signal(number)
        told, _ = process.communicate(timeout=60)
    ended, in_order = told.splitlines()
    assert process.returncode == 0
    assert in_order == "in order True"
    _, rows, stopped = ended.split()
    assert stopped == "True"
    assert int(rows) == len(read_lines(tmp_path / "rows.ndjson")) >= 200


def test_the_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """What hangs is left, what came is committed, and the program ends as it does after Ctrl-C."""
    with start(tmp_path, "hangs") as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            try:
                told, error = process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # the first may still have been on its way
    assert "KeyboardInterrupt" in error
    assert "in order" not in told
    assert len(read_lines(tmp_path / "rows.ndjson")) >= 190
