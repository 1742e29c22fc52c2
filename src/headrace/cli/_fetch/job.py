"""What `headrace fetch` can be told, as one value: the options, the job file and its schema are all made of it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from headrace.cli._fetch.usage import UsageError

#: The job file that is read where no other is named.
FILE: Final = "headrace.toml"


class Job(Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    """A job of `headrace fetch`; the options of the command have the same names."""

    source: Annotated[
        str | list[str],
        Meta(
            description="What is fetched: URLs, with ranges ({1..1000}, [1-1000]), lists ({a,b}) and the names of"
            " columns ({id}) in them; files with the columns (.txt, .ndjson, .csv, .parquet); - for the standard input."
        ),
    ] = []
    out: Annotated[str | None, Meta(description="Where the rows go: a file, or a folder of Parquet.")] = None
    format: Annotated[
        Literal["ndjson", "ndjson.gz", "ndjson.zst", "parquet", "sqlite", "duckdb"] | None,
        Meta(description="What is written; without it, what the name of --out says."),
    ] = None
    table: Annotated[str, Meta(description="The table in a SQLite or DuckDB database.")] = "rows"
    model: Annotated[
        str | None,
        Meta(description="What a row becomes: a Struct or pydantic model, such as mypkg.models:User."),
    ] = None
    client: Annotated[
        str | None,
        Meta(description="A client class of your own, such as mypkg.api:Github; SOURCE may be a path of its API then."),
    ] = None
    items: Annotated[
        str | None,
        Meta(description="The place of the rows in a document, such as data.rows; the document itself without it."),
    ] = None
    pages: Annotated[
        str | None,
        Meta(
            description="How there is a next page: detect, link, next:PATH, cursor:PATH,PARAM, page:PARAM[,FIRST] or"
            " offset:PARAM,LIMIT. `detect` says what it found, and fails where it finds nothing."
        ),
    ] = None
    parallel: Annotated[
        bool,
        Meta(
            description="Ask all pages of a counted series at once, each as a call of its own; the first answer has to"
            " say how many there are."
        ),
    ] = False
    since: Annotated[
        str | None,
        Meta(
            description="Only what is new: FIELD=VALUE[,PARAM] is the field that grows, where it begins, and the"
            " parameter that the API takes it by. The next run goes on from the last value."
        ),
    ] = None
    rate: Annotated[
        str | list[str],
        Meta(description="Requests in a time, such as 50/s, 5000/h or 10/2s; all of several hold."),
    ] = []
    in_flight: Annotated[
        int | Literal["auto"], Meta(description="Requests under way at once; auto finds the number.")
    ] = 64
    retry: Annotated[int, Meta(ge=0, description="How often a request that failed is sent again.")] = 2
    timeout: Annotated[float, Meta(gt=0, description="Seconds for a request, with its retries.")] = 300.0
    header: Annotated[
        str | list[str],
        Meta(description="A header field, `Name: value`; {env:NAME} in it stands for an environment variable."),
    ] = []
    param: Annotated[
        str | list[str],
        Meta(description="A query parameter of every request, `name=value`; {env:NAME} as in --header."),
    ] = []
    method: Annotated[str | None, Meta(description="The method; GET, or POST where there is a --body.")] = None
    body: Annotated[
        str | None,
        Meta(description='The JSON to send; "{id}" in it is the value of a column, with its type.'),
    ] = None
    bearer_env: Annotated[str | None, Meta(description="The environment variable that has the bearer token.")] = None
    netrc: Annotated[bool, Meta(description="Take user and password of the host from ~/.netrc, or $NETRC.")] = False
    oauth2_env: Annotated[
        str | None,
        Meta(
            description="Get tokens with OAuth 2.0 client credentials, from the variables PREFIX_TOKEN_URL,"
            " PREFIX_CLIENT_ID, PREFIX_CLIENT_SECRET and PREFIX_SCOPE."
        ),
    ] = None
    expected: Annotated[str | list[int], Meta(description="Statuses that are no failure, such as 404,410.")] = []
    max_failures: Annotated[
        int | str | None,
        Meta(description="Stop when more calls have failed: a number, or a share such as 5%."),
    ] = None
    max_items: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Stop when so many rows have come; what is in flight by then is still written."),
    ] = None
    on_invalid: Annotated[
        Literal["collect", "skip", "raise"],
        Meta(description="Rows of --items that do not fit --model: keep them apart, drop them, or fail the call."),
    ] = "collect"
    journal: Annotated[str | None, Meta(description="Where the journal is; without it, beside --out.")] = None
    resume: Annotated[
        bool, Meta(description="Go on where the journal ends, or begin anew: output and journal are deleted.")
    ] = True
    dead_letters: Annotated[
        str | None, Meta(description="Where the calls that failed are written in the end, as NDJSON.")
    ] = None
    ray: Annotated[
        str | None,
        Meta(
            description="Spread the calls over a Ray cluster: its address, or auto for the one that Ray finds, or else"
            " this machine. --out is a folder of Parquet or NDJSON then, on a disk that all machines reach."
        ),
    ] = None
    retry_failed: Annotated[bool, Meta(description="Ask calls again that failed in a run before.")] = True
    proxy: Annotated[str | None, Meta(description="The URL of an HTTP proxy, without a password.")] = None
    cacert: Annotated[str | None, Meta(description="A file of certificates to trust instead of the system's.")] = None
    insecure: Annotated[bool, Meta(description="Trust any server. Whoever is in between can read everything.")] = False


class Field(NamedTuple):
    """A field of a job, as an option or a key.

    Attributes:
        name: In Python.
        key: In the job file, and of the option.
        kind: Its type, without `None`.
        default: Its default.
        description: What it is for, a sentence or two.
        choices: What it may be, where that is a list of words.
    """

    name: str
    key: str
    kind: Any
    default: Any
    description: str
    choices: tuple[str, ...]


@functools.cache
def fields() -> tuple[Field, ...]:
    """List the fields of a job in their order."""
    hints = get_type_hints(Job, include_extras=True)
    found = []
    for each in msgspec.structs.fields(Job):
        annotated = get_args(hints[each.name])
        meta: Meta = annotated[1]
        members = (get_args(each)[0] if get_origin(each) is Annotated else each for each in _members(annotated[0]))
        kinds = [kind for kind in members if kind is not type(None)]
        choices = tuple(word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind))
        default = each.default_factory() if each.default is msgspec.NODEFAULT else each.default
        found.append(Field(each.name, each.encode_name, kinds, default, meta.description or "", choices))
    return tuple(found)


def _members(kind: Any) -> tuple[Any, ...]:
    return (kind,) if get_origin(kind) in (None, Literal, list) else get_args(kind)


def read(name: str, path: str | None) -> dict[str, Any]:
    """Read a job out of a job file.

    Args:
        name: The name of its table.
        path: The file; `None` is `headrace.toml`.

    Returns:
        What it says, by the names of the options.

    Raises:
        UsageError: There is no such file or job, or it says what no job can.
    """
    import tomllib  # few name a job

    file = Path(path or FILE)
    try:
        with file.open("rb") as opened:
            tables = tomllib.load(opened)
    except OSError as error:
        raise UsageError(f"--job {name}: {file}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--job {name}: {file} is no TOML: {error}") from error
    table = tables.get(name)
    if not isinstance(table, dict):
        there = ", ".join(each for each, value in tables.items() if isinstance(value, dict)) or "none"
        raise UsageError(f"--job {name}: {file} has no such job; it has {there}")
    try:
        msgspec.convert(table, Job)
    except msgspec.ValidationError as error:
        raise UsageError(f"--job {name}: {file}: {error}") from error
    return table


def made(table: dict[str, Any]) -> Job:
    """Make a job of what was said by its keys.

    Raises:
        UsageError: A value is none that it takes.
    """
    try:
        return msgspec.convert(table, Job)
    except msgspec.ValidationError as error:
        raise UsageError(str(error)) from error


def schema() -> dict[str, Any]:
    """Make the JSON schema of a job file, for editors."""
    made = msgspec.json.schema(Job)
    definition = made["$defs"]["Job"]
    definition["description"] = "A job: `headrace fetch --job NAME`."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Jobs of headrace fetch (headrace.toml)",
        "type": "object",
        "additionalProperties": definition,
    }


def schema_text() -> str:
    """Write the schema, as it is shipped."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def listed(value: str | list[str]) -> list[str]:
    """Give what may be one or several as a list."""
    return [value] if isinstance(value, str) else value
