"""The command `headrace demo` and its options."""

from __future__ import annotations

import sys
from contextlib import closing

import click
from rich.console import Console

from headrace._run import run
from headrace._version import __version__
from headrace.cli import _data, _demo, _process, _report
from headrace.cli._app import SETTINGS
from headrace.errors import FrameworkException

_MOST_CONNECTIONS = 512  # half of the 1,024 files that a process may open on most systems


@click.command(context_settings=SETTINGS)
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1, _MOST_CONNECTIONS),
    default=64,
    show_default=True,
    help="Requests under way at once.",
)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Loopback port of the server.  [default: one that is free]",
)
@click.option(
    "--transport",
    type=click.Choice(["wire", "aiohttp"]),
    default="wire",
    show_default=True,
    help="What carries the requests.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of a table.")
@click.option("--quick", is_flag=True, hidden=True, help="Serve a small part of the data set.")
@click.version_option(__version__, prog_name="headrace")
def demo(*, concurrency: int, port: int, transport: str, as_json: bool, quick: bool) -> None:
    """Fetch every country, subdivision and language there is.

    Starts a server with the ISO codes of pycountry in a process of its own, and fetches all of them through a typed
    client: without a limit, at the rate that the server advertises and enforces, and with pydantic models. Every
    object is compared with the original. Exits with 0 only if each one arrived exactly once and correct.
    """
    progress = Console(stderr=True, highlight=False)
    options = _demo.Options(concurrency=concurrency, transport=transport)
    records = _data.load(quick=quick)
    try:
        with _process.serving(port, quick=quick) as server:
            progress.print(_report.heading(server, records), soft_wrap=True)
            # Closed, for Python warns of a coroutine that Ctrl-C has left before it began.
            with closing(_demo.run_all(server, records, options, _report.Screen(progress))) as work:
                result = run(work)
    except _process.PortError as error:
        raise click.BadParameter(str(error), param_hint="'--port'") from error
    except (_process.StartError, FrameworkException, OSError) as error:
        message = f"{type(error).__name__}: {error}"
        raise click.ClickException(message) from error
    if as_json:
        click.echo(result.model_dump_json(indent=2))
    else:
        _report.show(result, sys.stdout)
    if result.problems:
        raise click.ClickException(_report.failure(result))
