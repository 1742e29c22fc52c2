"""How a pydantic model and its Struct are compared, and the one table of what they do otherwise."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from unittest import mock

import pydantic
from pydantic import Field

from headrace import Dump
from headrace._core.request import encode
from headrace._core.values import decode as decode_module
from headrace._core.values.decode import BodyDecoder, decode
from headrace.compat._structify import fast
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic_core import SchemaValidator


class Case(NamedTuple):
    """One disagreement.

    Attributes:
        how: `"struct refuses"`, `"model refuses"`, `"value"` (both take it, with other values), `"default"` (the same
            of what the document does not have), or `"written"`.
        document: The bytes that were read.
        given: The JSON at the place of the disagreement; several where the Struct names only the mapping that has them.
        said: What the refusing side said, and where.
        theirs: The model's value at the place.
        ours: The Struct's.
    """

    how: str
    document: bytes
    given: tuple[Any, ...] = ()
    said: str = ""
    theirs: Any = None
    ours: Any = None


class Twins:
    """A model and what is derived of it.

    Args:
        model: The pydantic model.
        derived: The Struct, or whatever else decodes the same documents.
    """

    def __init__(self, model: type[pydantic.BaseModel], derived: Any) -> None:
        validator: SchemaValidator = model.__pydantic_validator__  # type: ignore[assignment] # complete by now
        self.model = model
        self.derived = derived
        self.validate = validator.validate_json
        with mock.patch.object(
            fast, "hands_over", return_value=False
        ):  # of what pydantic alone reads, nothing is asked
            found = decode_module._make(derived)
        assert isinstance(found, BodyDecoder)
        self.has_sets = re.search(r"\b(set|frozenset)\b", repr(model.__pydantic_core_schema__)) is not None
        self.decoder = BodyDecoder(found.one)  # without the list that an array would give

    def read(self, document: bytes) -> tuple[Any, Any]:
        """Read a document both ways; an error stands for its refusal."""
        theirs: Any
        ours: Any
        try:
            theirs = self.validate(document, strict=True)
        except pydantic.ValidationError as error:
            theirs = error
        try:
            ours = decode(document, self.decoder)
        except ResponseParseError as error:
            ours = error
        return theirs, ours

    def takes(self, document: bytes) -> bool:
        """Tell whether the model takes a document."""
        try:
            self.validate(document, strict=True)
        except pydantic.ValidationError:
            return False
        return True

    def cases(self, document: bytes) -> Iterator[Case]:
        """Name every disagreement over a document."""
        theirs, ours = self.read(document)
        refused, rejected = isinstance(theirs, pydantic.ValidationError), isinstance(ours, ResponseParseError)
        if refused and not rejected:
            # Each of the model's errors needs an explanation of its own.
            for error in theirs.errors(include_url=False, include_context=False):
                yield Case("model refuses", document, (error["input"],), f"{error['type']}: {error['msg']}")
        elif rejected and not refused:
            path = ours.path if isinstance(ours, ResponseValidationError) else "$"
            yield Case("struct refuses", document, tuple(_at(document, path)), f"{ours.message} ({path})")
        elif not refused:
            for here, there in differing(theirs, ours):
                how = "default" if isinstance(here, Missing) else "value"
                yield Case(how, document, (), "", getattr(here, "value", here), getattr(there, "value", there))
                if how == "value":
                    return  # another value is written otherwise too
            for write in (_dumped, _sent):
                for here, there in differing(
                    json.loads(write(theirs)), json.loads(write(ours)), in_order=not self.has_sets
                ):
                    yield Case("written", document, (), "", here, there)


def _dumped(value: Any) -> str:
    return str(value.model_dump_json(by_alias=True))


def _sent(value: Any) -> bytes:
    try:
        return encode.json(Dump(value) if isinstance(value, pydantic.BaseModel) else value)  # all that it has
    except ValidationError as error:  # there is no JSON for what is not finite
        return json.dumps(str(error)).encode()


class Missing(NamedTuple):
    """A leaf of a default, which the document does not have."""

    value: Any


def differing(theirs: Any, ours: Any, *, in_order: bool = True) -> Iterator[tuple[Any, Any]]:
    """Name the leaves in which two values differ: type, order and the sign of zero count.

    Args:
        theirs: The model's value.
        ours: What the Struct has.
        in_order: Whether lists must be in the same order; not where they may be sets that were written.
    """
    if isinstance(theirs, pydantic.RootModel) and not isinstance(ours, pydantic.RootModel):
        yield from differing(theirs.root, ours)
    elif isinstance(theirs, pydantic.BaseModel):
        yield from _differing_models(theirs, ours)
    elif type(theirs) is not type(ours) and not (type(theirs) is bytes and isinstance(ours, bytes)):
        yield theirs, ours
    elif isinstance(theirs, dict) and theirs.keys() == ours.keys():
        for key, value in theirs.items():
            yield from differing(value, ours[key], in_order=in_order)
    elif isinstance(theirs, (list, tuple)) and len(theirs) == len(ours):
        pairs = (theirs, ours) if in_order else (_without(theirs, ours), _without(ours, theirs))
        for here, there in zip(*pairs, strict=True):
            yield from differing(here, there, in_order=in_order)
    elif not _same_leaf(theirs, ours):
        yield theirs, ours


def _differing_models(theirs: pydantic.BaseModel, ours: Any) -> Iterator[tuple[Any, Any]]:
    if type(theirs).__name__ != type(ours).__name__:
        yield theirs, ours
        return
    for name in type(theirs).model_fields:
        for here, there in differing(getattr(theirs, name), getattr(ours, name)):
            missing = name not in theirs.model_fields_set and not isinstance(here, Missing)
            yield (Missing(here), Missing(there)) if missing else (here, there)
    if isinstance(ours, pydantic.BaseModel) and theirs.model_fields_set != ours.model_fields_set:
        yield theirs.model_fields_set, ours.model_fields_set


def _without(items: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Leave out what the others have too; both sides then are as long as each other."""
    left = list(others)
    rest = []
    for item in items:
        if item in left:
            left.remove(item)
        else:
            rest.append(item)
    return rest


def _same_leaf(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, float):
        both_nan = math.isnan(theirs) and math.isnan(ours)
        return both_nan or (theirs == ours and math.copysign(1, theirs) == math.copysign(1, ours))
    if isinstance(theirs, (dt.datetime, dt.time)):
        return theirs == ours and theirs.utcoffset() == ours.utcoffset()
    if isinstance(theirs, Decimal):
        return str(theirs) == str(ours)
    if isinstance(theirs, Enum):
        return theirs is ours
    if isinstance(theirs, (set, frozenset)):
        return theirs == ours or sorted(map(repr, theirs)) == sorted(map(repr, ours))  # NaN is not equal to itself
    return bool(theirs == ours)


_STEP: Final = re.compile(r"\.([^.\[]*)|\[(\d+|\.\.\.)\]")


def _at(document: bytes, path: str) -> Iterator[Any]:
    """Find the values that a path of msgspec's may mean, and the keys of a mapping, for it may be one of them."""
    found = [_loads(document)]
    for name, index in _STEP.findall(path):
        deeper: list[Any] = []
        for value in found:
            if isinstance(value, dict):
                deeper += value.values() if index else [value[name]] if name in value else []
            elif isinstance(value, list) and index:
                deeper += value[int(index) : int(index) + 1] if index.isdigit() else value
        found = deeper
    for value in found:
        yield value
        if isinstance(value, dict):
            yield from value


def _loads(document: bytes, **hooks: Any) -> Any:
    """Read JSON as leniently as can be."""
    try:
        return json.loads(document.decode("utf-8", "surrogateescape"), **hooks)
    except (ValueError, RecursionError):
        return None


def _has_twice(document: bytes) -> bool:
    """Tell whether an object in a document has a key twice."""
    sizes: list[tuple[int, int]] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        sizes.append((len(pairs), len(dict(pairs))))
        return dict(pairs)

    _loads(document, object_pairs_hook=look)
    return any(all_keys > keys for all_keys, keys in sizes)


def _has_nonfinite(document: bytes) -> bool:
    """Tell whether a document has a number that no float can hold."""
    numbers: list[float] = []

    def look(text: str) -> None:
        numbers.append(float(text))

    _loads(document, parse_float=look, parse_int=look, parse_constant=look)
    return not all(map(math.isfinite, numbers))


def _is_utf8(document: bytes) -> bool:
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return True


#: Dates and times that both libraries read: RFC 3339, with or without a time zone, to the microsecond.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d|(\d{4}-\d\d-\d\d[Tt ])?\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_DAY: Final = dt.date(2000, 1, 1)
_read_duration: Final = pydantic.TypeAdapter(dt.timedelta).validate_python


def _refused(case: Case, said: str, form: re.Pattern[str]) -> bool:
    """Tell whether the Struct refuses a text for this reason, and the text has not the form that both take."""
    texts = [value for value in case.given if isinstance(value, str)]
    return case.how == "struct refuses" and said in case.said and any(form.fullmatch(text) is None for text in texts)


def _not_json(case: Case) -> bool:
    said = case.said.startswith(("Number out of range", "the body is not JSON"))
    return case.how == "struct refuses" and said and _has_nonfinite(case.document)


def _dates(case: Case) -> bool:
    return _refused(case, "Invalid RFC3339", _RFC3339)


def _nuls(case: Case) -> bool:
    said = case.how == "model refuses" and case.said.startswith(("datetime_", "time_"))
    return said and any(isinstance(value, str) and "\0" in value for value in case.given)


def _fractions(case: Case) -> bool:
    both = [
        dt.datetime.combine(_DAY, value) if isinstance(value, dt.time) else value for value in (case.theirs, case.ours)
    ]
    if case.how != "value" or not all(isinstance(value, dt.datetime) for value in both):
        return False
    return re.search(rb"[.]\d{7}", case.document) is not None and abs(both[0] - both[1]) == dt.timedelta.resolution


def _durations(case: Case) -> bool:
    if not (isinstance(case.theirs, str) and isinstance(case.ours, str)):
        return False
    try:
        return case.how == "written" and bool(_read_duration(case.theirs) == _read_duration(case.ours))
    except pydantic.ValidationError:
        return False


def _uuids(case: Case) -> bool:
    return _refused(case, "Invalid UUID", _UUID)


def _one(case: Case) -> bool:
    said = re.search(r"got `(float|bool)`|^Expected `int` \(", case.said) is not None  # the latter of a tag
    return case.how == "struct refuses" and said and any(isinstance(value, (bool, float)) for value in case.given)


def _defaults(case: Case) -> bool:
    number = type(case.theirs) in {bool, int} and type(case.ours) in {int, float}
    return case.how == "default" and number and bool(case.theirs == case.ours)


def _keys(case: Case) -> bool:
    return _refused(case, "as a key", _INTEGER)


def _twice(case: Case) -> bool:
    return case.how in {"struct refuses", "value"} and _has_twice(case.document)


def _ignored(case: Case) -> bool:
    said = "invalid unicode code point" in case.said and not _is_utf8(case.document)
    return case.how == "model refuses" and (said or "number out of range" in case.said)


def _depth(case: Case) -> bool:
    return case.how == "model refuses" and "recursion limit exceeded" in case.said


#: Everything that the two do otherwise: its name in the documentation, and how a case of it is known.
DIFFERENCES: Final[list[tuple[str, Callable[[Case], bool]]]] = [
    ("numbers that are not JSON", _not_json),
    ("dates and times beyond RFC 3339", _dates),
    ("a NUL after a time", _nuls),
    ("fractions of a microsecond", _fractions),
    ("durations as they are written", _durations),
    ("UUIDs in other forms", _uuids),
    ("1 in other forms", _one),
    ("numbers that are defaults", _defaults),
    ("keys that are numbers", _keys),
    ("keys given twice", _twice),
    ("faults in what is ignored", _ignored),
    ("depth", _depth),
]

#: For each difference a type of the field `field`, and a document that shows it.
EXAMPLES: Final[dict[str, tuple[Any, bytes]]] = {
    "numbers that are not JSON": (float, b'{"field": 1e400}'),
    "dates and times beyond RFC 3339": (dt.datetime, b'{"field": "2024-05-01T12:00"}'),
    "a NUL after a time": (dt.datetime, b'{"field": "2024-05-01T12:00:00\\u0000Z"}'),
    "fractions of a microsecond": (dt.time, b'{"field": "12:00:00.1234567"}'),
    "durations as they are written": (dt.timedelta, b'{"field": "PT1H"}'),
    "UUIDs in other forms": (uuid.UUID, b'{"field": "urn:uuid:12345678-1234-5678-1234-567812345678"}'),
    "1 in other forms": (Literal[1, 2], b'{"field": true}'),
    "numbers that are defaults": (Annotated[float, Field(default=1)], b"{}"),
    "keys that are numbers": (dict[int, int], b'{"field": {"1.0": 1}}'),
    "keys given twice": (int, b'{"field": "x", "field": 1}'),
    "faults in what is ignored": (int, b'{"field": 1, "more": "\xff"}'),
    "depth": (Any, b'{"field": ' + b"[" * 300 + b"]" * 300 + b"}"),
}


def explain(case: Case) -> str | None:
    """Find the entry of the table that a case belongs to."""
    return next((name for name, holds in DIFFERENCES if holds(case)), None)
