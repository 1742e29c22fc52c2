"""The command `headrace init`: one look at an API, and a job file and models that are the user's from then on."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from headrace import pages
from headrace._run import run
from headrace.cli._app import SETTINGS
from headrace.cli._fetch import building, looking, paging
from headrace.cli._fetch import job as jobs
from headrace.cli._fetch.running import NOT_STARTED, WRONG, tell
from headrace.cli._fetch.usage import StartError, UsageError
from headrace.cli._init import inferring, writing
from headrace.errors import FrameworkException, PaginationError

if TYPE_CHECKING:
    from headrace.cli._init.inferring import Shape

#: Pages that are read to see what rows are like.
_PAGES: Final = 3
#: Options of `headrace fetch` that a look needs too, and that the job keeps.
_KEPT: Final = (
    "header",
    "param",
    "bearer_env",
    "netrc",
    "oauth2_env",
    "proxy",
    "cacert",
    "insecure",
    "items",
    "timeout",
)
SCHEMA: Final = "headrace.schema.json"


def _options() -> list[click.Parameter]:
    from headrace.cli._fetch import command

    known = {option.name: option for option in command.fetch.params}
    return [known[name] for name in _KEPT]


def _init(*, url: str, name: str | None, force: bool, schema: bool, **given: Any) -> int:
    try:
        table = {
            field.key: list(given[field.name]) if isinstance(given[field.name], tuple) else given[field.name]
            for field in jobs.fields()
            if given.get(field.name) not in (None, ())
        }
        job = jobs.made({"source": url, **table})
        name = name or writing.job_name(url)
        _check_room(name, force=force)
        found = run(_look(job))
        _write(name, job, table, found, schema=schema)
    except UsageError as error:
        tell(f"error: {error}")
        return WRONG
    except (StartError, FrameworkException, OSError) as error:
        tell(f"error: {error}")
        return NOT_STARTED
    return 0


def _check_room(name: str, *, force: bool) -> None:
    """Refuse to write over what is there.

    Raises:
        UsageError: There is a job, or a module, of this name.
    """
    file, module = Path(jobs.FILE), Path(f"{name}_models.py")
    if not name.isidentifier():
        raise UsageError(f"--name: got {name!r}, takes letters, digits and underscores")
    if file.exists():
        try:
            there = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{file} is no TOML: {error}") from error
        if name in there:
            raise UsageError(f"{file} has a job {name} already; take it out, or give another --name")
    if module.exists() and not force:
        raise UsageError(f"{module} is there already; give another --name, or --force to write it anew")


class Found:
    """What a look has shown.

    Attributes:
        shape: Of the rows.
        rows: How many there were.
        items: Where they are, or `None`.
        detected: How there is a next page, or `None`.
    """

    def __init__(self, rows: list[Any], items: str | None, detected: pages.Detected | None) -> None:
        self.shape: Shape = inferring.infer(rows)
        self.rows = len(rows)
        self.items = items
        self.detected = detected


async def _look(job: jobs.Job) -> Found:
    """Ask for the first pages, and look at their rows.

    Raises:
        StartError: There are no rows of objects.
    """
    plan = building.plan(job, looks_only=True)
    async with plan.client as client:
        call, answer = await looking.answered(plan)
        detected = pages.detect(answer)
        items = job.items if job.items is not None else None if detected is None else detected.items
        rows = looking.rows_at(answer.value, items)
        if detected is None and items is None and isinstance(answer.value, dict):
            items, rows = _array_of(answer.value, rows)
        if detected is not None:
            series = client.paginate(
                call.path, pages=detected.pages, items=items, response_format=None, max_pages=_PAGES
            )
            async with series:
                rows = []
                with suppress(PaginationError):  # what has come shows as much; a run would say what is wrong
                    async for row in series:
                        rows.append(row)
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise StartError(
            "the answer has no rows that are objects; say where they are with --items, such as --items data.rows"
        )
    return Found(rows, items, detected)


def _array_of(document: dict[str, Any], rows: list[Any]) -> tuple[str | None, list[Any]]:
    """Find the one array of objects at the top of a document; else the document is the row."""
    arrays = [(name, value) for name, value in document.items() if isinstance(value, list) and value]
    if len(arrays) == 1 and all(isinstance(row, dict) for row in arrays[0][1]):
        return arrays[0]
    return None, rows


def _write(name: str, job: jobs.Job, table: dict[str, Any], found: Found, *, schema: bool) -> None:
    module = Path(f"{name}_models.py")
    url = jobs.listed(job.source)[0]
    models = writing.Models(found.shape, writing.model_name(url), url.partition("?")[0])
    values: dict[str, Any] = {"source": url, "out": f"{name}.ndjson", "model": f"{module.stem}:{models.name}", **table}
    notes = [f"headrace fetch --job {name}"]
    if found.items is not None:
        values["items"] = found.items
    if found.detected is not None:
        word = paging.written(found.detected.pages)
        if "(" in word:  # Python's words: no option says it all
            word = "detect"
        values["pages"] = word
        notes += [f"pages: {each}" for each in found.detected.evidence]
    module.write_text(models.source(), encoding="utf-8")
    file = Path(jobs.FILE)
    before = file.read_text(encoding="utf-8") if file.exists() else f"#:schema ./{SCHEMA}\n" if schema else ""
    text = before + ("\n" if before else "") + writing.table(name, values, notes)
    file.write_text(text, encoding="utf-8")
    if schema:
        Path(SCHEMA).write_text(jobs.schema_text(), encoding="utf-8")
    click.echo(f"{module}: {models.name}, of {found.rows:,} rows", err=True)
    click.echo(f"{file}: headrace fetch --job {name}", err=True)


init = click.Command(
    "init",
    context_settings=SETTINGS,
    callback=_init,
    help="""Look at an API, and write a job and models for it.

Asks URL, finds how there is a next page and what its rows are like (from three pages where there are pages), and writes
a job into headrace.toml and Structs into NAME_models.py. What is there is not written over.""",
    params=[
        click.Argument(["url"]),
        click.Option(["--name"], metavar="NAME", help="Of the job.  [default: the last word of the path]"),
        *_options(),
        click.Option(["--schema"], is_flag=True, help=f"Write {SCHEMA} too, and name it to editors."),
        click.Option(["--force"], is_flag=True, help="Write the models anew where they are there."),
    ],
)
