"""The command `headrace tour`: a fetch with a limit is killed, goes on, is proven complete, and has its report."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from headrace.bulk.journal import Journal
from headrace.cli import _data, _process
from headrace.cli._app import SETTINGS
from headrace.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIND: Final = "subdivisions"
#: Requests a second; the server refuses more than 800 in any second, and the network may bring some closer together.
_RATE: Final = 720
#: What takes longer than the five seconds after which a part is committed, with the few rows of a quick run.
_QUICK_RATE: Final = 30
_LOOK_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 50.0


@click.command(context_settings=SETTINGS)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where the files go; a new one without."
)
@click.option("--quick", is_flag=True, hidden=True, help="Fetch a small part of the data set.")
def tour(*, folder: Path | None, quick: bool) -> None:
    """Kill a fetch, go on, and prove that nothing is missing.

    Starts a server that has every subdivision of every country (ISO 3166-2) and allows 800 requests a second, fetches
    them one by one with `headrace fetch`, kills that with SIGKILL when a part is done, runs the same command again,
    compares every row with the original, and writes the report. Exits with 0 only if each row is there exactly once.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="headrace-tour-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = _data.load(quick=quick).single[_KIND]
    try:
        with _process.serving(0, quick=quick) as server:
            problem = _run(folder, server.url, rows, _QUICK_RATE if quick else _RATE)
    except (_process.StartError, OSError, JournalError) as error:
        message = f"{type(error).__name__}: {error}"
        raise click.ClickException(message) from error
    if problem:
        raise click.ClickException(problem)


def _run(folder: Path, url: str, rows: dict[str, Any], rate: int) -> str:
    """Take all steps; return what is wrong in the end, or nothing."""
    out, codes = folder / f"{_KIND}.ndjson", folder / "codes.csv"
    codes.write_text("code\n" + "".join(f"{code}\n" for code in rows), encoding="utf-8")
    if out.exists():
        return f"{out} is there already; give another --folder"
    source = f"{url}/limited/{_KIND}/{{code}}"
    command = ["fetch", str(codes), source, "--out", str(out), "--rate", f"{rate}/s"]
    _say(f"{len(rows):,} {_KIND}, one request each; at most {rate}/s", command)
    began = time.monotonic()
    process = _start(command)
    try:
        kept = _wait_for_a_batch(process, Path(f"{out}.journal"))
    finally:
        process.kill()
        process.wait()
    if not kept:
        return "the first run ended before it could be killed"
    seconds = time.monotonic() - began
    _say(f"killed (SIGKILL) after {seconds:.1f} s, with {kept:,} done; the same command again", command)
    again = _start(command)
    if again.wait() != 0:
        return f"the second run ended with {again.returncode}"
    asked = orjson.loads(urllib.request.urlopen(f"{url}/usage").read())["served"]  # noqa: S310 - our own server
    found = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    wrong = sum(rows.get(row.get("code")) != row for row in found)
    missing = len(rows.keys() - {row.get("code") for row in found})
    doubled = len(found) - len({row.get("code") for row in found})
    click.echo(
        f"\n{len(found):,} rows: {missing} missing, {doubled} doubled, {wrong} that differ from the original;"
        f" {asked - len(rows):,} of {len(rows):,} were asked twice: in flight, or not committed, when it was killed"
    )
    report = ["report", f"{out}.journal"]
    _say("", report)
    _start(report).wait()
    page = [*report, "--html", str(folder / "report.html")]
    _say("", page)
    _start(page).wait()
    return "rows are missing, doubled or wrong" if missing or doubled or wrong else ""


def _say(text: str, command: Sequence[str]) -> None:
    click.echo(f"\n{text}\n$ headrace {shlex.join(command)}" if text else f"\n$ headrace {shlex.join(command)}")
    sys.stdout.flush()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    # Our own interpreter and module.
    return subprocess.Popen([sys.executable, "-m", "headrace.cli", *command], env={**os.environ, "PYTHONPATH": path})  # noqa: S603


def _wait_for_a_batch(process: subprocess.Popen[bytes], path: Path) -> int:
    """Wait until a part of the work is done for good; return how many calls, 0 where the run has ended."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        try:
            with Journal(path) as journal:
                if done := journal.done:
                    return done
        except JournalError:  # it is not there yet
            continue
    return 0
