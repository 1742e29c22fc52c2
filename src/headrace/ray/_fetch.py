"""`headrace.ray.Fetch`: columns of paths in, columns of typed answers out, for Ray Data's `map_batches`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace._checks import wrong
from headrace._core.call import Call
from headrace._core.limits.windows import positive
from headrace.bulk._sinks import columns
from headrace.bulk._sinks.arrow import arrow_type, converter
from headrace.bulk.outcomes import Err, Ok
from headrace.errors import HTTPError, ValidationError
from headrace.ray._cluster import importable, portable, recipe
from headrace.ray._limits import LATENESS, shared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.bulk.outcomes import Outcome
    from headrace.client import AsyncClient
    from headrace.config import ClientConfig

#: Words of `client.bulk` that make no sense where rows are columns of a Dataset.
_NOT_HERE = ("sink", "journal", "retry_failed", "commit_every", "max_failures", "progress", "ordered", "transform")


class Fetch:
    """Asks for a path of every row, and adds the columns of its answer.

    Give the class to Ray Data, which makes one for each of its actors::

        ds.map_batches(
            Fetch, fn_constructor_args=(Github,),
            fn_constructor_kwargs={"response_format": User, "path": "/users/{login}"}, concurrency=4,
        )

    All that ask for one origin with one limit share that limit, in whatever actor. A call that fails is a row whose
    columns are null but for `error`, which says why; it is never just missing.

    Args:
        client: A class of `AsyncClient`, which is made without arguments, or the `config` of a client.
        response_format: What an answer becomes, or with `items` a row of it: a type whose fields are columns.
        path: The path of a row, with the names of its columns in braces; or the name of the column that holds it.
        items: The place of the rows in each document; then each row that comes in becomes as many as its answer has.
        errors: The column that says what has failed, empty where nothing has; `None` raises the first failure.
        lateness: Seconds from asking for a start to the start, at most, where an actor keeps the client's limit.
        options: The words of `AsyncClient.bulk`: `in_flight`, `retry`, `expected`, `on_invalid`.

    Raises:
        headrace.errors.ValidationError: An argument is wrong, or cannot be sent to other processes.
        ImportError: Ray or PyArrow is not installed.
    """

    def __init__(
        self,
        client: type[AsyncClient] | ClientConfig,
        *,
        response_format: Any,
        path: Any = "path",
        items: Any = None,
        errors: str | None = "error",
        lateness: float = LATENESS,
        **options: Any,
    ) -> None:
        for name in options.keys() & set(_NOT_HERE):
            raise ValidationError(f"{name}: has no use in a Fetch, whose rows are columns of the Dataset")
        if not isinstance(path, str) or not path:
            raise wrong("path", path, "a path with names of columns in braces, or the name of a column")
        positive("lateness", lateness)
        importable("response_format", response_format)
        self._recipe = made = recipe(client)
        portable("client", made)
        self._path = path
        self._errors = errors
        self._words = {"response_format": response_format, "items": items, **options}
        self._reader = columns.Reader(converter)
        self._reader.expect(response_format)
        self._columns = columns.Columns(response_format, {})
        self._lateness = lateness
        self._runner: asyncio.Runner | None = None
        self._client: Any = None
        made.make().bulk([], **self._words)  # a wrong word is told now

    def __call__(self, batch: Any) -> Any:
        """Ask for the rows of a batch.

        Args:
            batch: Columns by name, as Ray Data gives them by default; or a table of PyArrow.

        Returns:
            A table of PyArrow: the columns that came in, and those of the answers.
        """
        import pyarrow as pa

        table = batch if isinstance(batch, pa.Table) else pa.table({name: list(v) for name, v in batch.items()})
        rows = table.to_pylist()
        if self._runner is None:
            self._runner = asyncio.Runner()
            config = shared(self._recipe.config, self._lateness)
            self._client = self._recipe._replace(config=config).make()
        outcomes = self._runner.run(self._fetch([self._call(row) for row in rows]))
        return self._table(table, outcomes)

    def _call(self, row: Mapping[str, Any]) -> str:
        if "{" in self._path:
            try:
                return self._path.format_map({name: _quoted(value) for name, value in row.items()})
            except (KeyError, IndexError) as error:
                message = f"path: {self._path!r} names {error}, and the columns are {', '.join(row)}"
                raise ValidationError(message) from None
        if self._path not in row:
            raise ValidationError(f"path: there is no column {self._path!r}; the columns are {', '.join(row)}")
        return str(row[self._path])

    async def _fetch(self, paths: Sequence[str]) -> list[Outcome[Any]]:
        calls = [Call(path, key=str(index)) for index, path in enumerate(paths)]
        found: dict[int, Outcome[Any]] = {}
        async with self._client.bulk(calls, **self._words) as outcomes:
            async for outcome in outcomes:
                found[int(outcome.meta.key)] = outcome
        return [found[index] for index in range(len(calls))]

    def _table(self, table: Any, outcomes: Sequence[Outcome[Any]]) -> Any:
        import pyarrow as pa

        which: list[int] = []
        values: list[Any] = []
        errors: list[str | None] = []
        for index, outcome in enumerate(outcomes):
            for value, error in self._rows(outcome):
                which.append(index)
                values.append(value)
                errors.append(error)
        made = self._columns
        present = [row for row in values if row is not None]
        read, _, misfits = self._reader.read(present)
        told = {misfit.row: f"{misfit.path}: {misfit.message}" for misfit in misfits}
        cells = iter(read)
        lines: list[Sequence[Any]] = []
        nothing = [None] * len(made.names)
        at = 0
        for index, value in enumerate(values):
            if value is None:
                lines.append(nothing)
                continue
            if at in told:
                self._failed(told[at])
                errors[index] = told[at]
                lines.append(nothing)
            else:
                lines.append(next(cells))
            at += 1
        out = table.take(pa.array(which, pa.int64()))
        for position, (name, kind) in enumerate(zip(made.names, made.kinds, strict=True)):
            column = pa.array([line[position] for line in lines], arrow_type(kind))
            # A column of the answer takes the place of one that came in with its name.
            out = out.drop_columns([name]) if name in out.column_names else out
            out = out.append_column(name, column)
        if self._errors is not None:
            out = out.append_column(self._errors, pa.array(errors, pa.string()))
        return out

    def _failed(self, text: str) -> None:
        if self._errors is None:
            raise ValidationError(text)

    def _rows(self, outcome: Outcome[Any]) -> list[tuple[Any, str | None]]:
        """Give the rows of an outcome, each with its error."""
        if isinstance(outcome, Err):
            if self._errors is None:
                raise outcome.error
            error = outcome.error
            text = str(type(error)(status_code=error.status_code)) if isinstance(error, HTTPError) else str(error)
            return [(None, f"{type(error).__name__}: {text}"[:500])]
        assert isinstance(outcome, Ok)  # noqa: S101 - there is no third
        rejects = []
        for each in outcome.rejects:
            self._failed(f"{each.path}: {each.message}")
            rejects.append((None, f"row {each.index}: {each.path}: {each.message}"))
        if self._words["items"] is None:
            return [(outcome.value, None)]
        return [*((row, None) for row in outcome.value), *rejects]

    def __del__(self) -> None:
        """Close the client, where there is one."""
        runner = vars(self).get("_runner")
        if runner is not None:
            runner.run(self._client.close())
            runner.close()


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")
