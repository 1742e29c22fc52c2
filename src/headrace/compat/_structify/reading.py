"""How pydantic reads a value that msgspec hands over, at what it costs least.

The law is one validation, strict and as JSON: the value is written as JSON text again for it. Where the same comes of
less, less is done: a text that pydantic's own Python mode turns into the same value goes to it as it is, and a decimal
or a plain secret is made here. Whatever these refuse goes the long way, which has the last word and the words for it.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import pathlib
import threading
import uuid
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pydantic
from pydantic_core import SchemaError, SchemaValidator

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[Any], Any]

#: What msgspec makes of JSON; a value of any other type was put there by hand.
_JSON: Final = frozenset({str, int, float, bool, type(None), list, dict})
#: Types that pydantic makes of a text in one way, and the class of the values. (A date is none: in Python mode it may
#: have the time of a day.)
_OF_TEXT: Final[dict[Any, type]] = {
    **{kind: kind for kind in (dt.timedelta, dt.datetime, dt.time, uuid.UUID, str)},
    **dict.fromkeys((pydantic.PastDatetime, pydantic.FutureDatetime), dt.datetime),
    **dict.fromkeys((pydantic.AwareDatetime, pydantic.NaiveDatetime), dt.datetime),
    pydantic.EmailStr: str,
}
#: Classes that are texts to pydantic's strict Python mode too, and whose values are of that class.
_STRICT_TEXTS: Final = (
    *(pydantic.SecretStr, pydantic.SecretBytes),
    *(pydantic.AnyUrl.__mro__[1], pydantic.PostgresDsn.__mro__[1]),
)
_CLASSES_OF_TEXT: Final = (
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network),
    *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
    *(pathlib.PurePath, *_STRICT_TEXTS),
)
#: Integers that are surely not too long for either library.
_PLAIN_INTEGERS: Final = range(-(2**63), 2**63)
_DOUBTFUL: Final = ("1.0", "-0.0", "0.1", "1e22", "1e-7", "123456789012345678.0", "5e-324", "1.5e300")

#: What was read last in each thread.
last: Final = threading.local()


class Way(NamedTuple):
    """How values of a type are read.

    Attributes:
        read: Reads what the document has; raises `ValueError` for what does not fit.
        made: The class of what it makes, which JSON has not; `None` where that cannot be said.
        quick: Whether a value is not written as JSON text again for it.
    """

    read: Read
    made: type | None
    quick: bool


def passed_on(value: Any) -> Any:
    """Let a value pass as what was just read."""
    last.value = value
    return value


def way(holder: Any, kind: Any, config: dict[str, Any], finish: Read | None, *, constrained: bool, plain: bool) -> Way:
    """Find how the values of a type are read.

    Args:
        holder: A model with the type as its field `value`.
        kind: The type without its metadata.
        config: The settings of the model.
        finish: What makes the value of the Struct of pydantic's.
        constrained: Whether there is metadata, or a setting that takes part.
        plain: Whether the metadata only says what is taken.
    """
    strict = isinstance(kind, type) and issubclass(kind, _STRICT_TEXTS)
    bare = _bare(holder, strict=strict)
    validator = holder.__pydantic_validator__ if bare is None else bare
    slow = _slow(validator, inside=bare is None, finish=finish)
    if bare is None or not plain:
        return Way(lambda value: passed_on(slow(value)), None, quick=False)
    if kind is Decimal:
        return Way(_decimal(slow, bare.validate_python if constrained else None), Decimal, quick=True)
    if kind is bytes and not constrained and config.get("val_json_bytes") in {None, "utf8"}:
        return Way(_bytes(slow, finish), bytes if finish is None else type(finish(b"")), quick=True)
    made = _made_of_text(kind)
    if made is None or finish is not None:
        return Way(lambda value: passed_on(slow(value)), None, quick=False)
    convert = pydantic.SecretStr if kind is pydantic.SecretStr and not constrained else bare.validate_python
    if made is str:
        return Way(_kept(convert, slow), None, quick=True)
    return Way(_of_text(convert, slow), made, quick=True)


def _made_of_text(kind: Any) -> type | None:
    try:
        found = _OF_TEXT.get(kind)
    except TypeError:  # it has no hash
        return None
    return kind if found is None and isinstance(kind, type) and issubclass(kind, _CLASSES_OF_TEXT) else found


def _of_text(convert: Read, slow: Read) -> Read:
    """Make what reads a text at once, and all else the long way."""

    def read(value: Any) -> Any:
        if type(value) is str:
            try:
                return convert(value)
            except ValueError:
                pass
        return slow(value)  # not while an error is at hand: its text has the input, which may be secret

    return read


def _kept(convert: Read, slow: Read) -> Read:
    """Make the same for values that are texts still, which must pass as what was just read."""

    def read(value: Any) -> Any:
        if type(value) is str:
            try:
                last.value = made = convert(value)
            except ValueError:
                pass
            else:
                return made
        return passed_on(slow(value))

    return read


def _bytes(slow: Read, finish: Read | None) -> Read:
    def read(value: Any) -> Any:
        if type(value) is str:
            return value.encode() if finish is None else finish(value.encode())
        return slow(value)

    return read


def _decimal(slow: Read, validate: Read | None) -> Read:
    """Make what reads a decimal; `validate` is pydantic's, where there is more to ask than whether it is finite."""
    floats = _knows_floats()

    def read(value: Any) -> Any:
        kind = type(value)
        if kind is str:
            text = value
        elif kind is float and floats:
            text = _float_digits(value)
        elif kind is int and value in _PLAIN_INTEGERS:
            text = str(value)
        else:
            return slow(value)
        try:
            made = Decimal(text) if validate is None else validate(text)
            if validate is not None or made.is_finite():
                return made
        except (ValueError, InvalidOperation):
            pass
        return slow(value)

    return read


def _float_digits(value: float) -> str:
    """Write a float as pydantic does before it makes a decimal of it: without an exponent or an idle fraction."""
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


@functools.cache
def _knows_floats() -> bool:
    """Ask the pydantic that is installed whether it still makes decimals of floats in this way."""
    validate = pydantic.TypeAdapter(Decimal).validate_json
    return all(str(validate(text, strict=True)) == str(Decimal(_float_digits(float(text)))) for text in _DOUBTFUL)


def _bare(holder: Any, *, strict: bool) -> Any:
    """Make the validator of the field alone; `None` where its place in the model takes part."""
    schema = holder.__pydantic_core_schema__
    if schema["type"] != "model" or schema["schema"]["type"] != "model-fields":
        return None
    inner = schema["schema"]["fields"]["value"]["schema"]
    if "with-info" in repr(inner):  # it is told the name of its field
        return None
    try:
        return SchemaValidator(inner, schema.get("config", {}) | ({"strict": True} if strict else {}))
    except SchemaError:
        return None


def _slow(validator: Any, *, inside: bool, finish: Read | None) -> Read:
    """Make what reads any value the long way.

    Args:
        validator: Pydantic's.
        inside: Whether it is that of a model with the type as its field `value`.
        finish: What makes the value of the Struct of pydantic's.
    """

    def read(value: Any) -> Any:
        try:
            made = _validated(validator, value, inside=inside)
        except pydantic.ValidationError as error:
            refusal = told(error, inside=inside)
        else:
            return made if finish is None else finish(made)
        # Not while pydantic's error is at hand: its text has the input, which may be secret, and would be the context.
        raise ValueError(refusal)

    return read


def _validated(validator: Any, value: Any, *, inside: bool) -> Any:
    """Validate what the document has: strictly, and as JSON, unless it was never JSON."""
    if type(value) in _JSON:
        try:
            text = msgspec.json.encode(value)
            if not inside:
                return validator.validate_json(text, strict=True)
            return validator.validate_json(b'{"value":%b}' % text, strict=True).value
        except TypeError:  # there is something inside that is no JSON
            pass
    if not inside:
        return validator.validate_python(value, strict=True)
    return validator.validate_python({"value": value}, strict=True).value


def told(error: pydantic.ValidationError, *, inside: bool) -> str:
    """Say what is wrong, without the input."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    location = first["loc"][1:] if inside else first["loc"]
    within = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return f"{first['msg']} (in {within.lstrip('.')})" if within else str(first["msg"])
