"""Types are inferred from many rows: what is always there, what may be missing or null, dates, unions, objects."""

from __future__ import annotations

import datetime as dt
import keyword
import re
import unicodedata
from typing import Any, Final

import attrs
import msgspec

#: ISO 8601 as RFC 3339 has it, with an offset.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?").fullmatch
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_UNNAMEABLE: Final = re.compile(r"[\\\"\x00-\x1f]").search
#: Objects with more names than this, which differ from row to row, are mappings.
_MOST_NAMES: Final = 60


@attrs.define
class Shape:
    """What the values at one place were like.

    Attributes:
        seen: How many there were.
        kinds: The names of their types, `None` among them.
        names: Of objects: what each name held.
        items: Of arrays: what they held, or `None`.
    """

    seen: int = 0
    kinds: set[str] = attrs.field(factory=set)
    names: dict[str, Shape] = attrs.field(factory=dict)
    objects: int = 0
    items: Shape | None = None

    def take(self, value: Any) -> None:
        """Look at one value more."""
        self.seen += 1
        kind = _kind(value)
        self.kinds.add(kind)
        if kind == "object":
            self.objects += 1
            for name, inner in value.items():
                self.names.setdefault(name, Shape()).take(inner)
        elif kind == "array":
            self.items = self.items or Shape()
            for inner in value:
                self.items.take(inner)

    def merge(self, other: Shape) -> None:
        """Take all that another has seen."""
        self.seen += other.seen
        self.kinds |= other.kinds
        self.objects += other.objects
        for name, inner in other.names.items():
            self.names.setdefault(name, Shape()).merge(inner)
        if other.items is not None:
            self.items = self.items or Shape()
            self.items.merge(other.items)

    @property
    def is_mapping(self) -> bool:
        """Whether its objects are tables of names that are data: many, and hardly one in every object."""
        rare = [shape for shape in self.names.values() if shape.seen < self.objects]
        odd = [name for name in self.names if not _IDENTIFIER(name)]
        if not all(map(is_nameable, self.names)):
            return True
        return (len(self.names) > _MOST_NAMES and len(rare) > len(self.names) / 2) or (
            len(self.names) > 2 and len(odd) > len(self.names) / 2
        )


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return type(value).__name__
    if isinstance(value, str):
        return _text(value)
    return "array" if isinstance(value, list) else "object"


def _text(value: str) -> str:
    """Tell what a text is, as msgspec reads it; what only looks like a date is text."""
    try:
        if _TIME(value):
            msgspec.convert(value, dt.datetime)
            return "datetime"
        if _DATE(value):
            msgspec.convert(value, dt.date)
            return "date"
    except msgspec.ValidationError:
        return "str"
    return "UUID" if _UUID(value) else "str"


def infer(rows: list[Any]) -> Shape:
    """Look at rows."""
    shape = Shape()
    for row in rows:
        shape.take(row)
    return shape


def scalars(shape: Shape) -> list[str]:
    """List the types of its values that are no object, array or null, as annotations.

    A text of several kinds is a text: there is no telling `date | str` apart from JSON but by trying.
    """
    kinds = set(shape.kinds) - {"None", "object", "array"}
    texts = kinds & {"str", "datetime", "date", "UUID"}
    if len(texts) > 1:
        kinds = (kinds - texts) | {"str"}
    if kinds >= {"int", "float"}:
        kinds.discard("int")  # 1 among 1.5 is a number without a point
    order = ("bool", "int", "float", "str", "datetime", "date", "UUID")
    return [each for each in order if each in kinds]


def label(shape: Shape) -> str:
    """Write the type at a place in one line, for a person to read."""
    parts = scalars(shape)
    if "object" in shape.kinds:
        parts.append("object" if not shape.is_mapping else "mapping")
    if "array" in shape.kinds:
        parts.append(f"list of {label(shape.items)}" if shape.items is not None and shape.items.seen else "list")
    parts += ["null"] if "None" in shape.kinds else []
    return " or ".join(parts) or "nothing"


def columns(rows: list[Any]) -> list[tuple[str, str]]:
    """List the columns of rows, and what each holds."""
    shape = infer(rows)
    return [
        (name, label(inner) + ("" if inner.seen == shape.objects else ", not in every row"))
        for name, inner in shape.names.items()
    ]


def attribute(name: str) -> str:
    """Make the name of an attribute of a name in JSON: in snake case, an identifier, and no keyword."""
    text = unicodedata.normalize("NFKC", name)  # as Python reads identifiers
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()
    text = "".join(letter if f"a{letter}".isidentifier() else " " for letter in text)
    text = "_".join(text.replace("_", " ").split()) or "value"
    text = text if text.isidentifier() else f"value_{text}"
    return f"{text}_" if keyword.iskeyword(text) or text == "field" else text


def is_nameable(name: str) -> bool:
    """Tell whether msgspec can give a field this name in JSON."""
    return _UNNAMEABLE(name) is None
