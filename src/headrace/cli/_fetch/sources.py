"""The calls of a job: URLs, and files whose rows fill them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from headrace._core.call import Call
from headrace._io import threads
from headrace.cli._fetch.patterns import Pattern, column
from headrace.cli._fetch.usage import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

#: The column that has the URL, where no URL stands beside the file.
_URL: Final = "url"
_LINE: Final = "line"
_READ: Final = 1 << 16  # bytes of a pipe that are read at once
SUFFIXES: Final = (".txt", ".ndjson", ".jsonl", ".csv", ".parquet")


class Source:
    """What a job fetches.

    Args:
        given: The sources, as they were given.
        method: The method of every call.
        body: The JSON that is sent, with the names of columns in it; `None` sends none.
        paths: Whether a source may be a path, because the client knows where.

    Attributes:
        total: How many calls there are; `None` where nobody knows.

    Raises:
        UsageError: A source is none, or they do not go together.
    """

    def __init__(self, given: list[str], method: str, body: Any, *, paths: bool) -> None:
        self._method = method
        self._body = body
        self._patterns: list[Pattern] = []
        self._files: list[Path] = []
        self._piped = False
        for each in given:
            self._take(each, paths=paths)
        if not (self._patterns or self._files or self._piped):
            raise UsageError("there is nothing to fetch: give a URL, a file of URLs, or - for the standard input")
        columns = [name for pattern in self._patterns for name in pattern.columns]
        self._named = bool(self._files or self._piped)
        if (columns or _columns_of(body)) and not self._named:
            raise UsageError(
                f"{{{(columns or _columns_of(body))[0]}}} is a column, and there is no file with columns beside it"
            )
        if self._named and self._patterns and not columns and not _columns_of(body):
            raise UsageError(
                f"{self._patterns[0].text}: has no column in it, such as {{id}}, that the file beside it could fill"
            )
        self.total = self._counted()
        self._plain = method == "GET" and body is None

    def _take(self, given: str, *, paths: bool) -> None:
        if given == "-":
            self._piped = True
        elif "://" in given:
            self._patterns.append(Pattern(given))
        elif Path(given).suffix.lower() in SUFFIXES or Path(given).is_file():
            path = Path(given)
            if not path.is_file():
                raise UsageError(f"{given}: there is no such file")
            if path.suffix.lower() not in SUFFIXES:
                raise UsageError(f"{given}: is none of {', '.join(SUFFIXES)}")
            self._files.append(path)
        elif paths:
            self._patterns.append(Pattern(given))
        else:
            raise UsageError(f"{given}: is no URL (https://…), no file ({', '.join(SUFFIXES)}), and not -")

    def first_url(self) -> str | None:
        """Give a URL of the job, which says what server it is about; `None` where that comes from the standard input.

        Raises:
            UsageError: A file has no row, or not the columns that are asked for.
        """
        if self._patterns and not self._patterns[0].columns:
            return next(self._patterns[0].urls())
        for path in self._files:
            for row in rows_of(path):
                return next(self._urls(row, str(path)))
        if self._patterns:
            return self._patterns[0].text.partition("{")[0]
        return None

    def calls(self, origin: str) -> Any:
        """Make the calls, one after the other, as they are asked for.

        Args:
            origin: What begins the URLs of the client's own server, without a slash at its end; they become paths.

        Returns:
            An iterator, or an async one where they come from the standard input.
        """
        return self._piped_calls(origin) if self._piped else self._all(origin)

    def _all(self, origin: str) -> Iterator[Call]:
        if not self._files:
            for pattern in self._patterns:
                route = self._route(pattern, origin)
                for url in pattern.urls():
                    yield self._call(url, None, origin, route)
            return
        for path in self._files:
            for row in rows_of(path):
                yield from self._of_row(row, origin, str(path))

    async def _piped_calls(self, origin: str) -> AsyncIterator[Any]:
        for call in self._all(origin) if self._files else ():
            yield call
        async for row in _piped_rows():
            for call in self._of_row(row, origin, "the standard input"):
                yield call

    def _of_row(self, row: Mapping[str, Any], origin: str, where: str) -> Iterator[Any]:
        if not self._patterns:
            yield self._call(_own_url(row, where), row, origin, None)
        for pattern in self._patterns:
            route = self._route(pattern, origin)
            for url in pattern.urls(row):
                yield self._call(url, row, origin, route)

    def _urls(self, row: Mapping[str, Any], where: str) -> Iterator[str]:
        if not self._patterns:
            yield _own_url(row, where)
        for pattern in self._patterns:
            yield from pattern.urls(row)

    def _route(self, pattern: Pattern, origin: str) -> str:
        return f"{self._method} {pattern.text.removeprefix(origin)}"

    def _call(self, url: str, row: Mapping[str, Any] | None, origin: str, route: str | None) -> Call:
        # A path is found by the quick way, a whole URL is taken apart first.
        path = url[len(origin) :] if origin and url.startswith(f"{origin}/") else url
        if self._plain:
            return Call(path, route=route)
        return Call(path, self._method, body=_filled(self._body, row or {}, self._method), route=route)

    def _counted(self) -> int | None:
        if self._piped:
            return None
        each = sum(pattern.count for pattern in self._patterns)
        if not self._files:
            return each
        return sum(_lines(path) for path in self._files) * (each or 1)


def _own_url(row: Mapping[str, Any], where: str) -> str:
    """Find the URL in a row that has one of its own."""
    if _LINE in row and len(row) == 1:
        return str(row[_LINE])
    if _URL not in row:
        raise UsageError(
            f"{where}: has no column {_URL!r}; give the URL too, with them in it: 'https://…/{{{next(iter(row), '')}}}'"
        )
    return str(column(row, _URL, where))


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file, whatever its kind.

    Raises:
        UsageError: It cannot be read, or is not of the kind that its name says.
    """
    import csv

    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
            return
        with path.open(encoding="utf-8-sig", newline="" if suffix == ".csv" else None) as lines:
            if suffix == ".csv":
                for row in csv.DictReader(lines):
                    yield {str(name): value for name, value in row.items() if name is not None}
                return
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield {_LINE: line.strip()} if suffix == ".txt" else _object(line, f"{path}:{number}")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as {suffix[1:]}: {error}") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UsageError(f"{path}: needs the extra `parquet`: pip install 'headrace[parquet]'") from error
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except ArrowException as error:
        raise UsageError(f"{path}: cannot be read as parquet: {error}") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where}: is no JSON: {error.msg}") from error
    if isinstance(row, str):
        return {_LINE: row}
    if not isinstance(row, dict):
        raise UsageError(f"{where}: is no JSON object")
    return row


async def _piped_rows() -> AsyncIterator[dict[str, Any]]:
    """Read lines of the standard input as they come: URLs, or JSON objects."""
    descriptor, rest, number = sys.stdin.fileno(), b"", 0
    while True:
        piece = await threads.run(os.read, descriptor, _READ)
        lines = (rest + piece).split(b"\n")
        rest = lines.pop() if piece else b""
        for line in lines:
            number += 1
            text = line.decode("utf-8", "replace").strip()
            if text:
                yield _object(text, f"-:{number}") if text[0] in '{"' else {_LINE: text}
        if not piece:
            return


def _lines(path: Path) -> int:
    """Count the rows of a file, about: a field of a CSV may have lines of its own."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as error:
            raise UsageError(f"{path}: needs the extra `parquet`: pip install 'headrace[parquet]'") from error
        try:
            return int(parquet.ParquetFile(path).metadata.num_rows)
        except ArrowException as error:
            raise UsageError(f"{path}: cannot be read as parquet: {error}") from error
    try:
        with path.open("rb") as opened:
            count, last = 0, b"\n"
            while piece := opened.read(1 << 20):
                count += piece.count(b"\n")
                last = piece[-1:]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return max(0, count + (last != b"\n") - (suffix == ".csv"))


def _columns_of(body: Any) -> list[str]:
    """List the columns that a body names."""
    if isinstance(body, str):
        return list(Pattern(body).columns)
    if isinstance(body, dict):
        return [name for value in body.values() for name in _columns_of(value)]
    return [name for value in body for name in _columns_of(value)] if isinstance(body, list) else []


def _filled(body: Any, row: Mapping[str, Any], where: str) -> Any:
    """Put the values of columns into a body: with their type where a text is nothing else."""
    if isinstance(body, dict):
        return {name: _filled(value, row, where) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, row, where) for value in body]
    if not isinstance(body, str) or "{" not in body:
        return body
    names = Pattern(body).columns
    if not names:
        return body
    if len(names) == 1 and body == f"{{{names[0]}}}":
        return column(row, names[0], "--body")
    for name in names:
        body = body.replace(f"{{{name}}}", str(column(row, name, "--body")))
    return body
