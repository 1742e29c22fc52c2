"""The command `headrace structify`: what converts, and the Structs as source."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

from headrace.errors import ValidationError

if TYPE_CHECKING:
    from headrace.compat.report import StructifyReport

_FILE_WIDTH: Final = 120  # columns where the output is no terminal
_MOST_REASONS: Final = 20
NO_PYDANTIC: Final = "this command needs the extra `pydantic`: pip install 'headrace[cli,pydantic]'"
LOSSY: Final = ("extra", "names")
VALIDATORS: Final = ("error", "drop", "run")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target")
@click.option(
    "--validators",
    type=click.Choice(VALIDATORS),
    default="error",
    show_default=True,
    help="What becomes of the code that a model runs.",
)
@click.option(
    "--lossy",
    type=click.Choice(LOSSY),
    multiple=True,
    help="What may get lost: extra fields that a model would keep, or the second name of a field. May be given twice.",
)
@click.option(
    "--write",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the Structs of the models that convert as Python source.",
)
@click.option("--force", is_flag=True, help="Let --write replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def structify(
    *, target: str, validators: str, lossy: tuple[str, ...], path: Path | None, force: bool, as_json: bool
) -> int:
    """Tell which pydantic models become msgspec Structs.

    TARGET is a module or package, which is imported and searched with all that is below it, or one model, such as
    mypkg.models:User. Exits with 0 if every model converts (and, with --write, stands in the file), with 1 if not, and
    with 2 where the target cannot be imported or the file is already there.
    """
    report = report_on(target, validators, lossy)
    if path is not None and path.exists() and not force:
        raise _taken(path)
    if as_json:
        click.echo(report.to_json())
    else:
        show(report)
    left_out: dict[str, str] = {}
    if path is not None:
        source = report.source()
        left_out = source.left_out
        write_whole(path, source.text, "--write", force=force)
        click.echo(f"{path}: {len(source.written)} Structs", err=True)
        for model, reason in left_out.items():
            click.echo(f"not written: {model}: {reason}", err=True)
    return int(not report.total or report.converting < report.total or bool(left_out))


def report_on(target: str, validators: str, lossy: tuple[str, ...] = ()) -> StructifyReport:
    """Make the report, with the models of the folder that the user is in.

    Raises:
        click.ClickException: Pydantic is missing, or the target cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # the installed command does not have it, `python -m` does
    try:
        from headrace.compat.report import StructifyReport
    except ImportError as error:
        raise click.UsageError(NO_PYDANTIC) from error
    settings: Any = {"validators": validators, "lossy": lossy}
    try:
        return StructifyReport(target, **settings)
    except ValidationError as error:
        raise click.BadParameter(str(error).removeprefix("target: "), param_hint="'TARGET'") from error


def show(report: StructifyReport) -> None:
    """Print the report: one line in all, a table of the reasons, and each model that does not convert."""
    console = Console(highlight=False, markup=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(report.headline(), soft_wrap=True)
    reasons = report.reasons
    if reasons:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("models", justify="right")
        table.add_column("fields", justify="right")
        table.add_column("why not")
        for reason in reasons[:_MOST_REASONS]:
            table.add_row(f"{reason.models:,}", f"{reason.fields:,}", reason.reason)
        console.print(table)
    if len(reasons) > _MOST_REASONS:
        console.print(f"and {len(reasons) - _MOST_REASONS} other reasons; --json has all")
    _show_slow(console, report)
    for verdict in report.verdicts:
        if verdict.problems:
            console.print(verdict.model, soft_wrap=True)
            for field, problem in verdict.problems.items():
                console.print(f"    {field}: {problem}", soft_wrap=True)
    for module, told in report.unread.items():
        console.print(f"not read: {module}: {told}", soft_wrap=True)


def _show_slow(console: Console, report: StructifyReport) -> None:
    """Print the types that msgspec alone does not read."""
    slow = report.slow
    if not slow:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("models", "fields"):
        table.add_column(name, justify="right")
    for name in ("slower than msgspec alone", "cost", "such as"):
        table.add_column(name)
    for each in slow[:_MOST_REASONS]:
        table.add_row(f"{each.models:,}", f"{each.fields:,}", each.kind, each.cost, each.example)
    console.print(table)
    if len(slow) > _MOST_REASONS:
        console.print(f"and {len(slow) - _MOST_REASONS} other types; --json has all")


def write_whole(path: Path, text: str, option: str, *, force: bool = True) -> None:
    """Write a file whole or not at all.

    Args:
        path: Where.
        text: What.
        option: The option that named the file.
        force: Whether it may take the place of one that is there.

    Raises:
        click.BadParameter: It cannot be written, or is there already.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        made = Path(file.name)
        try:
            made.chmod(0o666 & ~_umask())  # what `open` gives; a temporary file is private
            if force:
                made.replace(path)
            else:
                os.link(made, path)  # fails where there is a file by now
        finally:
            made.unlink(missing_ok=True)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint=f"'{option}'") from error


def _taken(path: Path) -> click.BadParameter:
    return click.BadParameter(f"{path} is already there; --force replaces it", param_hint="'--write'")


def _umask() -> int:
    """Read the mask that new files get; there is no way to read it but to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
