"""The command `headrace completion`: what a shell has to read to complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from headrace.cli._app import SETTINGS, cli


@click.command(context_settings=SETTINGS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Write what completes commands and options in a shell.

    For bash, put this into ~/.bashrc: eval "$(headrace completion bash)"
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - one of the three
    click.echo(made(cli, {}, "headrace", "_HEADRACE_COMPLETE").source())
