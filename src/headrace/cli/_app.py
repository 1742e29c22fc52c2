"""The commands as click sees them; each is loaded, with what it needs of the extra, when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from headrace._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS: Final = {"help_option_names": ["-h", "--help"]}
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it


class _Command(NamedTuple):
    """Where a command is, what of the extra it needs, and what it is for, which the help says without loading it."""

    module: str
    name: str
    needs: tuple[str, ...]
    help: str


#: What nobody has to load to see what there is; `tests/cli` holds the words to those of the commands themselves.
COMMANDS: Final = {
    "bench": _Command("_bench", "bench", ("rich",), "Measure with what is yours."),
    "completion": _Command("_completion", "completion", (), "Write what completes commands and options in a shell."),
    "demo": _Command(
        "_demo_command", "demo", ("pycountry", "rich"), "Fetch every country, subdivision and language there is."
    ),
    "fetch": _Command("_fetch.command", "fetch", (), "Fetch URLs into typed rows, with limits, retries and a journal."),
    "init": _Command("_init.command", "init", (), "Look at an API, and write a job and models for it."),
    "migrate": _Command("_migrate", "migrate", (), "Rewrite code that imports arya_api_framework."),
    "report": _Command("_run_report.command", "report", (), "Tell how the runs of a journal went."),
    "structify": _Command("_structify", "structify", ("rich",), "Tell which pydantic models become msgspec Structs."),
    "tour": _Command("_tour", "tour", ("pycountry",), "Kill a fetch, go on, and prove that nothing is missing."),
}


class _MissingError(click.ClickException):
    """Something of the extra is not installed."""

    exit_code = 2


class _Commands(click.Group):
    """A group whose commands are loaded when one of them is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Load a command; raises `click.ClickException` where something of the extra is missing."""
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        for needed in known.needs:
            try:
                importlib.import_module(needed)
            except ImportError as error:
                message = f"headrace {cmd_name} needs {needed}, of the extra `cli`: pip install 'headrace[cli]'"
                raise _MissingError(message) from error
        module = importlib.import_module(f"headrace.cli.{known.module}")
        command: click.Command = getattr(module, known.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """Write what there is, without loading it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in sorted(COMMANDS)])


def invoke(arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name.

    Args:
        arguments: What follows the program's name; `None` is what the process was started with.

    Returns:
        The exit code.
    """
    try:
        # Not click's standalone mode, which answers Ctrl-C with 1.
        code: Any = cli.main(arguments, prog_name="headrace", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody who typed a command
        click.echo(f"Error: {type(error).__name__}: {error}", err=True)
        return 1
    return code if isinstance(code, int) else 0


@click.group(cls=_Commands, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="headrace")
def cli() -> None:
    """The async client for rate-limited JSON APIs, straight into typed objects."""
