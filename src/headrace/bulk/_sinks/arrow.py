"""Rows as tables of Arrow: a column at a time, or one row after the other where one of them has no place."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from headrace._core.request import encode
from headrace.bulk._sinks import columns
from headrace.bulk._sinks.base import Misfit

if TYPE_CHECKING:
    from headrace.bulk._sinks.kinds import Kind

#: Makes an array of the values of a column.
Maker: TypeAlias = Callable[[list[Any]], Any]
#: What Arrow raises for a value that it does not take; its own errors are some of these.
_REFUSALS: Final = (*columns.REFUSALS, NotImplementedError)
_LIST: Final = (list, tuple)
_UNSET: Final = type(msgspec.UNSET)


def load() -> Any:
    """Import Arrow; whoever uses it has asked for its extra before."""
    import pyarrow as pa
    import pyarrow.ipc

    return pa


def _same(kind: Kind) -> Kind:
    return kind


class Tables:
    """Makes tables of rows, by the columns of the first.

    Args:
        narrowed: Makes of what a column holds what is put into the table.

    Attributes:
        reader: Reads the rows.
    """

    def __init__(self, narrowed: Callable[[Kind], Kind] = _same) -> None:
        self._narrowed = narrowed
        self.reader = columns.Reader(partial(_converter_of, narrowed))
        self._schema: Any = None
        self._makers: list[Maker] = []

    def read(self, rows: Sequence[Any]) -> tuple[Any, list[int], list[Misfit]]:
        """Read rows.

        Returns:
            A table of those that fit, or `None`; which rows these are; and those that do not fit.

        Raises:
            headrace.errors.SinkError: The first row has no columns.
        """
        table = self._at_once(rows)
        if table is not None:
            return table, list(range(len(rows))), []
        values, which, misfits = self.reader.read(rows)
        if not values:
            return None, [], misfits
        try:
            return self._table(values), which, misfits
        except _REFUSALS:
            return self._one_by_one(values, which, misfits)

    def _at_once(self, rows: Sequence[Any]) -> Any:
        """Make a table of rows that all fit; `None` where they may not."""
        gathered = self.reader.gather(rows)
        if gathered is None:
            return None
        self._prepare()
        try:
            arrays = [make(values) for make, values in zip(self._makers, gathered, strict=True)]
            return load().Table.from_arrays(arrays, schema=self._schema)
        except _REFUSALS:
            return None

    def _prepare(self) -> None:
        found = self.reader.columns
        assert found is not None  # noqa: S101 - there was a row
        if self._schema is None:
            kinds = [self._narrowed(kind) for kind in found.kinds]
            fields = [(name, arrow_type(kind)) for name, kind in zip(found.names, kinds, strict=True)]
            self._makers = [_maker(kind) for kind in kinds]
            self._schema = load().schema(fields)

    def _table(self, values: list[list[Any]]) -> Any:
        """Make a table of the values of rows; raises one of `_REFUSALS`."""
        self._prepare()
        by_column = zip(*values, strict=True)
        arrays = [load().array(each, field.type) for each, field in zip(by_column, self._schema, strict=True)]
        return load().Table.from_arrays(arrays, schema=self._schema)

    def _one_by_one(
        self, values: list[list[Any]], which: list[int], misfits: list[Misfit]
    ) -> tuple[Any, list[int], list[Misfit]]:
        """Make a table of the rows that Arrow takes."""
        tables, kept = [], []
        for index, each in zip(which, values, strict=True):
            try:
                tables.append(self._table([each]))
            except _REFUSALS as error:
                misfits.append(Misfit(index, "$", str(error)))
            else:
                kept.append(index)
        return load().concat_tables(tables).combine_chunks() if tables else None, kept, misfits


def _converter_of(narrowed: Callable[[Kind], Kind], kind: Kind) -> Callable[[Any], Any]:
    return converter(narrowed(kind))


def arrow_type(kind: Kind) -> Any:
    """Find the type of Arrow for what a column holds."""
    arrow = load()
    if kind.name == "list":
        return arrow.list_(arrow_type(kind.parts[0][1]))
    if kind.name == "struct":
        return arrow.struct([(name, arrow_type(part)) for name, part in kind.parts])
    return {
        "bool": arrow.bool_(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bytes": arrow.binary(),
        "date": arrow.date32(),
        "instant": arrow.timestamp("us", tz="UTC"),
        "local": arrow.timestamp("us"),
    }.get(kind.name, arrow.string())


def converter(kind: Kind) -> Callable[[Any], Any]:
    """Make what makes of a value of a column what Arrow takes."""
    if kind.name == "list":
        one = _or_none(converter(kind.parts[0][1]))
        return lambda value: [one(each) for each in _items(value)]
    if kind.name == "struct":
        parts = [
            (name, attribute, _or_none(converter(part)))
            for (name, part), attribute in zip(kind.parts, kind.attributes, strict=True)
        ]

        def change(value: Any) -> dict[str, Any]:
            # A model's attributes are read: its JSON may leave out those that have their defaults.
            if type(value) is kind.model:
                return {name: one(getattr(value, attribute)) for name, attribute, one in parts}
            given = _native(value, dict, "mapping")
            return {name: one(given.get(name)) for name, _, one in parts}

        return change
    return _CONVERTERS.get(kind.name, columns.as_text)


def _or_none(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or value is msgspec.UNSET else change(value)


def _items(value: Any) -> Any:
    return value if type(value) in _LIST else _native(value, _LIST, "list")


def _native(value: Any, kinds: type | tuple[type, ...], word: str) -> Any:
    """Make the outside of a value plain, its parts too, but for what Arrow knows; raises where it becomes another."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes, date, datetime), enc_hook=encode.plain)
    if not isinstance(plain, kinds):
        raise TypeError(f"a {type(value).__name__} is no {word}")
    return plain


def _maker(kind: Kind) -> Maker:
    """Make what makes an array of a column, and holds in it what `converter` makes of each value."""
    array, kept, changed = load().array, arrow_type(kind), columns.at_once(kind, converter(kind))

    def plain(values: list[Any]) -> Any:
        return array(changed(values), kept)

    if kind.name == "struct" and kind.model is not None:
        return _structs(kind, plain)
    return _lists(kind, plain) if kind.name == "list" else plain


def _structs(kind: Kind, otherwise: Maker) -> Maker:
    """Make what makes an array of a column of structs, of the arrays of their parts."""
    arrow, fields = load(), list(arrow_type(kind))
    makers = [
        (operator.attrgetter(attribute), _maker(part))
        for attribute, (_, part) in zip(kind.attributes, kind.parts, strict=True)
    ]
    model = kind.model

    def make(values: list[Any]) -> Any:
        types = set(map(type, values))
        if types == {model}:
            return arrow.StructArray.from_arrays([of(list(map(get, values))) for get, of in makers], fields=fields)
        if not types <= {model, type(None), _UNSET}:
            return otherwise(values)
        lacking = [type(value) is not model for value in values]
        pairs = list(zip(values, lacking, strict=True))
        parts = [of([None if lacks else get(value) for value, lacks in pairs]) for get, of in makers]
        return arrow.StructArray.from_arrays(parts, fields=fields, mask=arrow.array(lacking, arrow.bool_()))

    return make


def _lists(kind: Kind, otherwise: Maker) -> Maker:
    """Make what makes an array of a column of lists, of the array of all their items."""
    arrow, kept, items = load(), arrow_type(kind), _maker(kind.parts[0][1])

    def make(values: list[Any]) -> Any:
        types = set(map(type, values))
        if not types <= {list, tuple, type(None), _UNSET}:
            return otherwise(values)
        is_whole = types <= {list, tuple}
        lists: Iterable[Any] = values if is_whole else [value or () for value in values]
        flat = list(chain.from_iterable(lists))
        if _UNSET in map(type, flat):
            return otherwise(values)
        offsets = arrow.array(accumulate(map(len, lists), initial=0), arrow.int32())
        if is_whole:
            return arrow.ListArray.from_arrays(offsets, items(flat), type=kept)
        lacking = [value is None or value is msgspec.UNSET for value in values]
        return arrow.ListArray.from_arrays(offsets, items(flat), type=kept, mask=arrow.array(lacking, arrow.bool_()))

    return make


def _as_base64(value: Any) -> str:
    return columns.as_text(columns.octets(value))


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": columns.truth,
    "int": columns.whole,
    "float": columns.real,
    "bytes": columns.octets,
    "base64": _as_base64,
    "date": columns.day,
    "instant": columns.instant_in_utc,
    "local": columns.local,
    "json": columns.as_json,
}
