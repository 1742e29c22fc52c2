"""Many URLs in few words: ranges, lists and the names of columns, as curl and shells write them.

`{1..1000}`, `{001..100}`, `{1..9..2}` and `{a,b,c}` are those of a shell, `[1-1000]`, `[001-100:10]` and `[a-z]` those
of curl. `{id}` is a column of the files beside the URL, `{}` the first one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from headrace.cli._fetch.usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PART: Final = re.compile(
    r"\{(?P<first>-?\d+)\.\.(?P<last>-?\d+)(?:\.\.(?P<step>-?\d+))?\}"
    r"|\[(?P<cfirst>\d+)-(?P<clast>\d+)(?::(?P<cstep>\d+))?\]"
    r"|\[(?P<letter>[A-Za-z])-(?P<until>[A-Za-z])(?::(?P<lstep>\d+))?\]"
    r"|\{(?P<list>[^{},]*,[^{}]*)\}"
    r"|\{(?P<column>[^{},:]*)\}"
)
#: Where the values of a column are not at the place of a path's segment or a query's value, but the whole URL.
_WHOLE: Final = re.compile(r"\{[^{},:.]*\}")


class Pattern:
    """A URL with what varies in it.

    Args:
        text: The URL as it was given.

    Attributes:
        columns: The names of the columns in it; the empty one is the first column.
        count: How many URLs it stands for, for each row of columns.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._raw = _WHOLE.fullmatch(text) is not None
        self._parts: list[str | list[str] | _Range | _Column] = []
        at = 0
        for found in _PART.finditer(text):
            self._parts.append(text[at : found.start()])
            self._parts.append(_read(found, text))
            at = found.end()
        self._parts.append(text[at:])
        self.columns = tuple(part.name for part in self._parts if isinstance(part, _Column))
        self.count = 1
        for part in self._parts:
            self.count *= len(part) if isinstance(part, _Range | list) else 1

    @property
    def plain(self) -> bool:
        """Whether it is one URL as it stands."""
        return len(self._parts) == 1

    def urls(self, row: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Make its URLs, the last part that varies first.

        Args:
            row: The values of the columns, percent-encoded where they are put; not where the column is the whole URL.

        Raises:
            UsageError: The row has no such column, or no value there.
        """
        filled = [self._filled(part.name, row or {}) if isinstance(part, _Column) else part for part in self._parts]
        yield from _joined(filled, 0)

    def _filled(self, name: str, row: Mapping[str, Any]) -> str:
        value = column(row, name, self.text)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text if self._raw else quote(text, safe="")


def _joined(parts: Sequence[str | Iterable[str]], at: int) -> Iterator[str]:
    """Join parts in every way there is, one after the other: `itertools.product` would make every range first."""
    before, part = "", None
    while part is None and at < len(parts):
        each = parts[at]
        before, part = (before + each, None) if isinstance(each, str) else (before, each)
        at += 1
    if part is None:
        yield before
    elif all(isinstance(each, str) for each in parts[at:]):  # the last that varies, as there is one at most mostly
        behind = "".join(parts[at:])  # type: ignore[arg-type] # they are texts
        for value in part:
            yield f"{before}{value}{behind}"
    else:
        for value in part:
            for rest in _joined(parts, at):
                yield f"{before}{value}{rest}"


class _Column:
    """The place of a column."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Range:
    """Numbers, as many as there are; none is made before it is asked for, however many."""

    def __init__(self, numbers: range, width: int) -> None:
        self._numbers = numbers
        self._width = width

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        width = self._width
        return (f"{number:0{width}d}" for number in self._numbers) if width else map(str, self._numbers)


def column(row: Mapping[str, Any], name: str, where: str) -> Any:
    """Find the value of a column; the empty name is the first.

    Raises:
        UsageError: There is none.
    """
    if not name and row:
        name = next(iter(row))
    value = row.get(name)
    if value is None or value == "":
        there = ", ".join(row) or "none"
        what = "an empty" if name in row else "no"
        raise UsageError(f"{where}: a row has {what} {name!r}; its columns are {there}")
    return value


def _read(found: re.Match[str], text: str) -> Any:
    """Read one part that varies."""
    groups = found.groupdict()
    if groups["list"] is not None:
        return groups["list"].split(",")
    if groups["letter"] is not None:
        codes = range(ord(groups["letter"]), ord(groups["until"]) + 1, int(groups["lstep"] or 1) or 1)
        return [chr(code) for code in codes]
    if groups["column"] is not None:
        name = groups["column"].strip()
        if ".." in name:
            raise UsageError(f"{text}: {found[0]} is no range; one is {{1..1000}}")
        return _Column(name)
    first, last = groups["first"] or groups["cfirst"], groups["last"] or groups["clast"]
    step = abs(int(groups["step"] or groups["cstep"] or 1)) or 1
    begin, end = int(first), int(last)
    numbers = range(begin, end + 1, step) if begin <= end else range(begin, end - 1, -step)
    padded = any(len(each) > 1 and each.startswith("0") for each in (first, last))
    return _Range(numbers, max(len(first), len(last)) if padded else 0)
