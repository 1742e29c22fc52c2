"""The reference of the commands in the docs, and the schema of the job file, written from the options themselves.

``python -m tests.kit.command_page`` writes both; a test holds them current.
"""

from pathlib import Path
from typing import Final

import click

from headrace.cli import _app
from headrace.cli._fetch import job
from tests.kit import ROOT

PAGE: Final = ROOT / "docs" / "fetch.md"
SCHEMA: Final = ROOT / "src" / "headrace" / "cli" / "headrace.schema.json"
BEGIN, END = "<!-- the options, written by python -m tests.kit.command_page -->", "<!-- end of the options -->"
#: The commands whose options stand on the page, in this order.
COMMANDS: Final = ("fetch", "init", "report")


def reference() -> str:
    """Write the options of the commands, as a man page lists them."""
    lines: list[str] = []
    for name in COMMANDS:
        context = click.Context(_app.cli)
        command = _app.cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, help_option_names=["-h", "--help"])
        usage = " ".join(["headrace", name, *command.collect_usage_pieces(inner)])
        lines += [f"### headrace {name}", "", f"`{usage}`", "", *(command.help or "").splitlines(), ""]
        for parameter in command.get_params(inner):
            record = parameter.get_help_record(inner)
            if isinstance(parameter, click.Option) and record is not None and not parameter.hidden:
                lines += [f"`{record[0]}`", f":   {_sentence(record[1])}", ""]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    """Write the help of an option; what stands for a part of it is code in Markdown."""
    return text.replace("{", "\\{").replace("<", "&lt;").replace("  [default", " [default")


def page() -> str:
    """Put the reference into the page as it stands."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{rest.partition(END)[2]}"


def written() -> dict[Path, str]:
    """Give each file that is written, and what has to stand in it."""
    return {PAGE: page(), SCHEMA: job.schema_text()}


def main() -> None:
    """Write them."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
