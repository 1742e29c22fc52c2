"""The command `headrace migrate`: code for the older framework becomes code for headrace, shown before written."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_LIBCST: Final = "this command needs libcst, which the extra `cli` brings: pip install 'headrace[cli]'"
#: Folders that hold nobody's own code.
_SKIPPED: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
_DISTRIBUTION: Final = ("arya-api-framework", "arya_api_framework")
_REQUIREMENTS: Final = ("requirements*.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile")


@dataclass
class _Plan:
    """What shall become of a file."""

    path: Path
    before: bytes
    after: bytes
    left: list[tuple[int, str]] = field(default_factory=list)

    def diff(self) -> str:
        """Show the change."""
        old, new = (text.decode("utf-8", "replace").splitlines(keepends=True) for text in (self.before, self.after))
        name = self.path.as_posix()
        lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Choice(["compat", "headrace"]),
    default="compat",
    show_default=True,
    help="Take every name from headrace.compat.arya, where it does what it did, or from headrace wherever it is there.",
)
@click.option(
    "--write", is_flag=True, help="Change the files, after the diff was shown; without it nothing is changed."
)
def migrate(*, paths: tuple[Path, ...], target: str, write: bool) -> int:
    """Rewrite code that imports arya_api_framework.

    PATH is a file, or a folder that is searched for Python files. The diff goes to standard output, and what could not
    be done to standard error, by file and line. A file is replaced whole or not at all. Exits with 0 where nothing is
    left to do by hand, with 1 where something is, and with 2 for wrong usage.
    """
    plans, left = [], 0
    for path in _files(paths):
        plan = _plan(path, target)
        if isinstance(plan, str):
            left += _tell(path, 1, plan)
            continue
        if plan is None:
            continue
        click.echo(plan.diff(), nl=False)
        for line, text in plan.left:
            left += _tell(path, line, text)
        if plan.before != plan.after:
            plans.append(plan)
    for path in _requirements(paths):
        left += _tell(path, 1, "names arya-api-framework: it is headrace[pydantic] now")
    if write:
        for plan in plans:
            left += _replace(plan)
    word = "changed" if write else "to change; --write changes them"
    click.echo(f"{len(plans)} files {word}", err=True)
    return int(left > 0)


def _tell(path: Path, line: int, text: str) -> int:
    click.echo(f"{path}:{line}: {text}", err=True)
    return 1


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Find the Python files, each once."""
    seen = set()
    for given in paths:
        for path in [given] if given.is_file() else sorted(given.rglob("*.py")):
            parts = path.relative_to(given).parts
            hidden = any(part.startswith(".") or part in _SKIPPED for part in parts[:-1])
            if not hidden and path.is_file() and (real := path.resolve()) not in seen:
                seen.add(real)
                yield path


def _requirements(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Find the files that ask for the older framework to be installed."""
    for given in paths:
        for pattern in _REQUIREMENTS if given.is_dir() else ():
            for path in sorted(given.glob(pattern)):
                if any(name in path.read_text(encoding="utf-8", errors="replace") for name in _DISTRIBUTION):
                    yield path


def _plan(path: Path, target: str) -> _Plan | str | None:
    """Rewrite a file in memory; `None` where it does not name the older framework, a text where it cannot be read."""
    try:
        from headrace.cli import _rewriting
    except ImportError as error:
        raise click.UsageError(_NO_LIBCST) from error
    try:
        before = path.read_bytes()
    except OSError as error:
        return f"not read: {error.strerror}"
    if _rewriting.OLDER.encode() not in before:
        return None
    try:
        done = _rewriting.rewrite(before, "headrace" if target == "headrace" else "compat")
    except (ValueError, RecursionError) as error:
        return f"not read: {error}"
    return _Plan(path, before, done.source, done.left)


def _replace(plan: _Plan) -> int:
    """Put the new text in the place of the old one, in one step; return 1 where that cannot be done."""
    path = plan.path.resolve()  # a link stays one
    made: str | None = None
    try:
        if path.read_bytes() != plan.before:
            return _tell(plan.path, 1, "not written: it has changed meanwhile")
        number, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(number, "wb") as file:
            file.write(plan.after)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, made)
        Path(made).replace(path)
        made = None
    except OSError as error:
        return _tell(plan.path, 1, f"not written: {error.strerror}")
    finally:
        if made is not None:
            Path(made).unlink(missing_ok=True)
    return 0
