"""The older framework's helpers: flattening and merging arguments, and marking the endpoints of a client."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import GeneratorType
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from yarl import URL

from headrace import models
from headrace._core.request import encode
from headrace.compat.arya.constants import HTTPMethod
from headrace.errors import ValidationError

__all__ = [
    "ENCODERS_BY_TYPE",
    "FrameworkEncoder",
    "YarlURL",
    "apiclient",
    "endpoint",
    "flatten_obj",
    "flatten_params",
    "merge_dicts",
    "validate_type",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _number(value: Decimal) -> int | float:
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


#: How a value is written that JSON does not know; the first type that it is an instance of counts.
ENCODERS_BY_TYPE: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bytes: bytes.decode,
    dt.datetime: dt.datetime.isoformat,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: dt.timedelta.total_seconds,
    Decimal: _number,
    Enum: lambda member: member.value,
    frozenset: list,
    deque: list,
    GeneratorType: list,
    ipaddress.IPv4Address: str,
    ipaddress.IPv4Interface: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv6Interface: str,
    ipaddress.IPv6Network: str,
    Path: str,
    re.Pattern: lambda pattern: pattern.pattern,
    set: list,
    UUID: str,
    URL: str,
}


class FrameworkEncoder(json.JSONEncoder):
    """A `json.JSONEncoder` that also writes dates, numbers, sets, URLs, models, and pydantic's own types (masked)."""

    def default(self, obj: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # the older name
        """Write a value that JSON does not know; raises `TypeError` where it has no text."""
        for kind, write in ENCODERS_BY_TYPE.items():
            if isinstance(obj, kind):
                return write(obj)
        if isinstance(obj, msgspec.Struct) or hasattr(type(obj), "model_dump"):
            return dict(encode.mapping(obj, "obj"))
        if type(obj).__module__.partition(".")[0] == "pydantic":
            return str(obj)  # a secret's is its mask
        return super().default(obj)


class YarlURL:
    """The type of a pydantic field that holds a `yarl.URL`, read from text or from a URL."""

    @classmethod
    def validator(cls, val: str | URL) -> URL:
        """Make a URL of text; raises `TypeError` for anything else."""
        if isinstance(val, str):
            return URL(val.lstrip("/"))
        if not isinstance(val, URL):
            message = f"takes text or a yarl.URL, got {type(val).__name__}"
            raise TypeError(message)
        return val

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def read(value: Any) -> URL:
            try:
                return cls.validator(value)
            except (TypeError, ValueError) as error:
                kind, text = "url", "{reason}"
                raise PydanticCustomError(kind, text, {"reason": str(error)}) from error

        return core_schema.no_info_plain_validator_function(read, serialization=core_schema.to_string_ser_schema())


def validate_type(obj: Any, target: type[Any] | list[type[Any]], err: bool = True) -> bool:  # noqa: FBT001, FBT002 - the older signature
    """Tell whether a value is of a type, or of one of several.

    Args:
        obj: The value.
        target: The type or types.
        err: Whether to raise instead of returning `False`.

    Raises:
        headrace.errors.ValidationError: It is of none, and `err` is true.
    """
    kinds = target if isinstance(target, list) else [target]
    if isinstance(obj, tuple(kinds)):
        return True
    if err:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValidationError(f"obj: got {type(obj).__name__}, takes {names}")
    return False


def flatten_obj(obj: Any) -> Any:
    """Turn a model into a dict of what was set; give back anything else as it is.

    Args:
        obj: A mapping or model. Of a Struct, what differs from its defaults counts as set.
    """
    if hasattr(type(obj), "model_dump"):
        return obj.model_dump(exclude_unset=True)
    if isinstance(obj, msgspec.Struct):
        return dict(encode.mapping(obj, "obj"))
    return obj


def flatten_params(obj: Any) -> Any:
    """Turn a model into one flat dict with dotted keys, of what was set; give back anything else as it is.

    Args:
        obj: A mapping or model.
    """
    plain = flatten_obj(obj)
    return plain if plain is obj else models.flatten(plain)


def merge_dicts(base_dict: Any, update_dict: Any) -> Any:
    """Lay one mapping or model over another: later wins, key by key, and `None` removes the key.

    Args:
        base_dict: What is laid over.
        update_dict: What lies on top.

    Returns:
        A new dict; where one of the two is `None`, the other as it is; where one is no mapping, what lies on top.
    """
    base, over = flatten_obj(base_dict), flatten_obj(update_dict)
    if base is None or over is None:
        return base if over is None else over
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {key: value for key, value in {**base, **over}.items() if value is not None}


def apiclient(cls: type[T]) -> type[T]:
    """Collect the methods of a client or sub-client that are marked with `endpoint`, for its `tree()`."""
    inherited: dict[str, Any] = {}
    for parent in reversed(cls.__mro__[1:]):
        inherited.update(vars(parent).get("__endpoints__", {}))
    own = {
        method.__name__: {
            "path": method.__uri_path__,
            "name": method.__endpoint_name__ or method.__name__,
            "description": method.__description__ or None,
            "href": method.__href__,
            "methods": method.__request_methods__,
        }
        for method in vars(cls).values()
        if getattr(method, "__is_endpoint__", False)
    }
    cls.__endpoints__ = {**inherited, **own}  # type: ignore[attr-defined] # read by `tree`
    return cls


def endpoint(
    path: str,
    name: str | None = None,
    description: str | None = None,
    href: str | None = None,
    method: HTTPMethod | str = HTTPMethod.ANY,
    methods: list[HTTPMethod | str] | None = None,
) -> Callable[[F], F]:
    """Say of a method which endpoint it asks, for the `tree()` of a class that is decorated with `apiclient`.

    Args:
        path: The path below the client's `uri`.
        name: What it is called; by default what the method is called.
        description: What it does.
        href: Where it is documented.
        method: The HTTP method that it uses.
        methods: Those that it uses, instead of `method`.

    Raises:
        ValueError: There is no such method.
    """
    used = [HTTPMethod(each) for each in methods] if isinstance(methods, list) else [HTTPMethod(method)]

    def mark(function: F) -> F:
        marks = {
            "__is_endpoint__": True,
            "__uri_path__": path,
            "__endpoint_name__": name,
            "__description__": description,
            "__href__": href,
            "__request_methods__": used,
        }
        vars(function).update(marks)
        return function

    return mark
