"""The table of the docs that says what each type of a field costs after `structify`, made from the code."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

import pydantic
from pydantic import Field
from typing_extensions import TypedDict

from headrace.compat._structify import costs
from headrace.compat.pydantic import structify
from tests.kit import ROOT

PAGE: Final = ROOT / "docs" / "structify.md"
BEGIN: Final = "<!-- costs: written by python -m tests.kit.costs_table -->"
END: Final = "<!-- end of costs -->"

_BOUND: Final = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - naive on purpose
Color = enum.Enum("Color", {"RED": "red"})
Row = TypedDict("Row", {"id": int})  # noqa: UP013 - a line, not a page
Point = NamedTuple("Point", [("x", int)])  # noqa: UP014 - the same


class Model(pydantic.BaseModel):
    """A model in a model."""

    number: int


class Lenient(enum.Enum):
    """An enum that finds a member for whatever it is asked."""

    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Lenient | None:
        return None if value is None else cls.OTHER


#: A type as the table names it, and as a field has it.
TYPES: Final[list[tuple[str, Any]]] = [
    ("`int`, `float`, `str`, `bool`, `None`", int | float | str | bool | None),
    ("`Any`", Any),
    ("`datetime`", dt.datetime),
    ("`AwareDatetime`, `NaiveDatetime`", pydantic.AwareDatetime),
    ("`date`", dt.date),
    ("`time`", dt.time),
    ("`UUID`", uuid.UUID),
    ("`list[int]`, `tuple`, `set`, `Sequence`", Sequence[int]),
    ("`dict[str, int]`, `Mapping`", Mapping[str, int]),
    ("an enum, a `Literal`", Color | Literal[1]),
    ("a model, a list of models", list[Model]),
    ("a number with `ge`, `lt`, `multiple_of` …", Annotated[int, Field(ge=1, multiple_of=2)]),
    ("a text with lengths", Annotated[str, Field(min_length=1)]),
    ("a text with a `pattern`", Annotated[str, Field(pattern=r"^\d+\s?$")]),
    ("`Decimal`", Decimal),
    ("`Decimal` with `ge`, `max_digits` …", Annotated[Decimal, Field(max_digits=8, ge=0)]),
    ("`timedelta`", dt.timedelta),
    ("`HttpUrl`, `AnyUrl`, `PostgresDsn` …", pydantic.HttpUrl),
    ("`SecretStr`, `SecretBytes`", pydantic.SecretStr),
    ("`UUID4`", pydantic.UUID4),
    ("`IPv4Address` and its like", ipaddress.IPv4Address),
    ("`Path`", pathlib.Path),
    ("`bytes`", bytes),
    ("`EmailStr`", pydantic.EmailStr),
    ("a `datetime` or `time` with bounds", Annotated[dt.datetime, Field(ge=_BOUND)]),
    ("a `date` with bounds, `PastDate`", pydantic.PastDate),
    ("`ByteSize`, `IPvAnyAddress`, `complex`", pydantic.ByteSize),
    ("`Base64Bytes`", pydantic.Base64Bytes),
    ("`TypedDict`, `NamedTuple`, a dataclass", Row),
    ("an enum with `_missing_`", Lenient),
    ("a union that msgspec would read otherwise, such as `str | UUID`", str | uuid.UUID),
    ("`set` without a type", set),
]
_ORDER: Final = ("native", "converted", "checked")


def table() -> str:
    """Write the table, what is quickest first."""
    rows = sorted(((costs.of(_written(kind)), name) for name, kind in TYPES), key=lambda row: _ORDER.index(row[0]))
    return "\n".join(["| type of a field | cost |", "|---|---|", *(f"| {name} | {cost} |" for cost, name in rows)])


def _written(kind: Any) -> Any:
    made: Any = structify(pydantic.create_model("One", one=(kind, ...)))
    return made.model_fields["one"].type


def page() -> str:
    """Give the page of the docs with the table as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
