"""What a caller says of a series that gives only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import attrs

from headrace._checks import checked, wrong
from headrace._core.pages.compared import NUMBERS, is_value
from headrace._core.pages.strategies import NAME
from headrace._core.values import places
from headrace.types import Items

#: A name, or several.
Keys: TypeAlias = str | Sequence[str] | None


def _is_field(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not places.as_path(value, attribute.name):
        raise wrong(attribute.name, value, "the place of a field in a row")


def _is_bound(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not is_value(value):
        raise wrong(attribute.name, value, "a number, text, date or time")


def _is_lag(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    least: Any = timedelta(0) if isinstance(value, timedelta) else 0
    if not is_value(value) or not isinstance(value, (*NUMBERS, timedelta)) or value < least:
        raise wrong(attribute.name, value, "a number or timedelta from 0 on")


def as_keys(value: Any) -> tuple[tuple[Any, ...], ...]:
    """Read the names of fields that tell a row from others.

    Raises:
        headrace.errors.ValidationError: They are none.
    """
    names = (value,) if isinstance(value, str) else () if value is None else value
    if not isinstance(names, (list, tuple)):
        raise wrong("row_key", value, "the name of a field, or several")
    if not all(isinstance(name, str) and name for name in names):
        raise wrong("row_key", value, "the name of a field, or several")
    return tuple(places.as_path(name, "row_key") for name in names)


@attrs.frozen
class Incremental:
    """Asks for what has come since the series before: those rows alone are given, each of them once.

    The greatest value of `field` is the mark of a series. It moves when the series has ended and all its rows are
    handed out (in a bulk: are durably in the sink); until then a series goes on where it was, with the mark it had.

    Args:
        field: The place of what is compared in a row, by its name in the document. Values compare as the type that the
            model gives them: as text, ``"9"`` is more than ``"10"``.
        parameter: The query parameter that the mark, less `lag`, is sent as; `None` sends nothing.
        initial: Where to begin while there is no mark; rows below it are left out.
        end: Rows from this value on are left out.
        lag: How far below the mark rows may still come late: a number, or for dates and times seconds or a
            `timedelta`.
        order: ``"desc"`` where the greatest come first: the series ends behind the first row that is too old.
            ``"asc"`` where they come last: it ends at the first row from `end` on. `None`: in any order.
        row_key: The name of the field that tells a row from others with the same value, or several; `None` compares
            whole rows.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """

    field: Items = attrs.field(validator=_is_field)
    parameter: str | None = attrs.field(default=None, validator=NAME)
    initial: Any = attrs.field(default=None, kw_only=True, validator=_is_bound)
    end: Any = attrs.field(default=None, kw_only=True, validator=_is_bound)
    lag: float | timedelta | None = attrs.field(default=None, kw_only=True, validator=_is_lag)
    order: Literal["asc", "desc"] | None = attrs.field(
        default=None,
        kw_only=True,
        validator=checked(lambda value: value in (None, "asc", "desc"), '"asc", "desc" or None'),
    )
    row_key: Keys = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        as_keys(self.row_key)
