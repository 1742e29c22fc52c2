"""The commands and their options, as click sees them."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click
from rich.console import Console

from headrace._run import run
from headrace._version import __version__
from headrace.cli import _bench, _data, _demo, _migrate, _process, _report, _structify
from headrace.errors import FrameworkException

if TYPE_CHECKING:
    from collections.abc import Sequence

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_MOST_CONNECTIONS = 512  # half of the 1,024 files that a process may open on most systems
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def invoke(arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name.

    Args:
        arguments: What follows the program's name; `None` is what the process was started with.

    Returns:
        The exit code.
    """
    try:
        # Not click's standalone mode, which answers Ctrl-C with 1.
        code = cli.main(arguments, prog_name="headrace", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


@click.group(context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="headrace")
def cli() -> None:
    """The async client for rate-limited JSON APIs, straight into typed objects."""


@cli.command(context_settings=_SETTINGS)
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


cli.add_command(_structify.structify)
cli.add_command(_bench.bench)
cli.add_command(_migrate.migrate)
