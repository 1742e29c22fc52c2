"""Whatever knows pydantic: the pydantic twins of our models, and the shim that the core uses.

Importing this module is what makes the core know pydantic; the core does it at the first pydantic object that it meets.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import pydantic
import pydantic_core
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from headrace import models
from headrace._core.values import shims
from headrace._models.foreign import dec_hook, enc_hook
from headrace._models.pages import Pages
from headrace.compat import _writing as writing
from headrace.compat._structify import fast
from headrace.compat._structify.checked import Checked, Utf8Bytes
from headrace.compat._structify.fast import Fast
from headrace.compat._writing import Sparse
from headrace.compat.report import StructifyReport
from headrace.compat.structify import structify
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BaseModel",
    "Checked",
    "Fast",
    "PaginatedResponse",
    "Response",
    "Sparse",
    "StructifyReport",
    "Utf8Bytes",
    "dec_hook",
    "enc_hook",
    "structify",
]

_T = TypeVar("_T")

_PACKAGES: Final = frozenset({"pydantic", "pydantic_core"})


class BaseModel(pydantic.BaseModel):
    """A pydantic v2 model with `flatten`."""

    #: What `structify` derives the Struct from.
    __struct_base__: ClassVar[type[models.BaseModel]] = models.BaseModel

    def flatten(self, separator: str = ".") -> dict[str, Any]:
        """Turn the model into one flat dict with dotted keys, such as ``{"address.city": "Ulm"}``.

        Args:
            separator: What stands between the names.

        Returns:
            The dict; a list stays a list, and a nested model or mapping without members leaves no key.

        Raises:
            headrace.errors.ValidationError: `separator` is no text.
        """
        return models.flatten(self.model_dump(), separator)


@dataclasses.dataclass(frozen=True, slots=True)
class _Receipt:
    """Who answered and when; any two are equal, because pydantic compares private attributes too."""

    base_uri: str = dataclasses.field(default="", compare=False)
    time: dt.datetime | None = dataclasses.field(default=None, compare=False)


class _Stamped(Generic[_T]):
    """A property that a subclass may shadow with a field.

    Pydantic warns when a field shadows an attribute of the class, and keeps fields where a `property` would hide them.
    So the class does not show this one, and it is no data descriptor: a field of the same name wins.
    """

    def __init__(self, read: Callable[[Any], _T]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: object | None, owner: type | None = None) -> _T:
        if instance is None:
            raise AttributeError(self._read.__name__)
        return self._read(instance)


class Response(BaseModel):
    """A model that knows who answered and when; neither is a field, so neither is dumped or compared.

    A subclass that has a field of its own called `base_uri` or `time` keeps it.
    """

    model_config = pydantic.ConfigDict(ignored_types=(_Stamped,))
    __struct_base__: ClassVar[type[models.BaseModel]] = models.Response

    _headrace_receipt: _Receipt = pydantic.PrivateAttr(default_factory=_Receipt)

    @_Stamped
    def base_uri(self) -> str:
        """The URL that answered; empty when no client made the object."""
        return self._headrace_receipt.base_uri

    @_Stamped
    def time(self) -> dt.datetime:
        """When the response was received (aware, UTC); without a client, when this was first asked."""
        receipt = self._headrace_receipt
        if receipt.time is not None:
            return receipt.time
        first_asked = dt.datetime.now(dt.UTC)
        self._headrace_receipt = _Receipt(receipt.base_uri, first_asked)
        return first_asked


class PaginatedResponse(Response, Pages):
    """One page of many; a subclass says, for its API, how to get from one to the others.

    It has to have the methods `is_paginating()`, `next()`, `previous()`, `start()` and `end()`.
    """

    __struct_base__: ClassVar[type[models.BaseModel]] = models.PaginatedResponse


def _is_pydantic(kind: type) -> bool:
    """Tell whether a class is, or inherits, one of pydantic's."""
    return any(base.__module__.partition(".")[0] in _PACKAGES for base in kind.__mro__) or is_pydantic_dataclass(kind)


def _path(location: tuple[int | str, ...], body: bytes, *, missing: bool) -> str:
    """Write pydantic's location as a JSON path.

    A location also names members of unions and validators. The document tells them apart: it has no such key.
    """
    path, here = "$", pydantic_core.from_json(body)
    for depth, step in enumerate(location, 1):
        if isinstance(here, dict) and step in here:
            path, here = f"{path}.{step}", here[step]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            path, here = f"{path}[{step}]", here[step]
        elif missing and depth == len(location):
            path = f"{path}.{step}"
    return path


def _refusal(error: pydantic.ValidationError, body: bytes) -> ResponseParseError:
    """Make our error of pydantic's; never with the input in it, which may be secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid" and not first["loc"]:
        return ResponseParseError(first["msg"], body)
    more = error.error_count() - 1
    message = f"{first['msg']} (and {more} more)" if more else first["msg"]
    return ResponseValidationError(message, body, _path(first["loc"], body, missing=first["type"] == "missing"))


class _PydanticShim:
    """How the core handles pydantic objects."""

    def owns(self, value: object) -> bool:
        """Tell whether a value is a model, dataclass, secret, URL or other value of pydantic's."""
        return not isinstance(value, type) and _is_pydantic(type(value))

    def owns_type(self, response_format: object) -> bool:
        """Tell whether a response format is, or contains, a type of pydantic's."""
        if fast.is_fast(response_format):
            return True
        # An instance counts too: a `TypeAdapter`, or what `Field()` puts into an `Annotated`.
        parts = shims.parts(response_format)
        return any(_is_pydantic(part if isinstance(part, type) else type(part)) for part in parts)

    def validator(self, response_format: Any) -> Callable[[bytes], Any]:
        """Find pydantic's own function for JSON bytes, with nothing of ours around it.

        Args:
            response_format: A model, a `TypeAdapter`, or a typing construct with a model in it.

        Returns:
            The function; `refusal` reads what it raises.

        Raises:
            ValidationError: Pydantic cannot make a validator of the response format.
        """
        if fast.is_fast(response_format):
            return fast.decoder(response_format)
        for part in shims.parts(response_format):
            if isinstance(part, type) and writing.is_v1(part):
                raise ValidationError(f"response_format: {writing.v1_message(part)}")
        try:
            known = isinstance(response_format, pydantic.TypeAdapter)
            adapter = response_format if known else pydantic.TypeAdapter(response_format)
            validate: Callable[[bytes], Any] = adapter.validator.validate_json
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise ValidationError(f"response_format: {error}") from error
        return validate

    def refusal(self, error: ValueError, body: bytes) -> ValueError | ResponseParseError:
        """Make our error of pydantic's; any other stays what it is."""
        return _refusal(error, body) if isinstance(error, pydantic.ValidationError) else error

    def decoder(self, response_format: Any) -> Callable[[bytes], Any]:
        """Make the function that decodes JSON bytes; it raises our errors, and all else is as in `validator`."""
        validate = self.validator(response_format)

        def decode(body: bytes) -> Any:
            try:
                return validate(body)
            except pydantic.ValidationError as error:
                raise _refusal(error, body) from error

        return decode

    def builtins(self, value: Any) -> Any:
        """Turn a value into what JSON knows, by alias and with secrets revealed."""
        return writing.builtins(value)

    def json(self, value: Any) -> bytes:
        """Encode a value as JSON text, by alias and with secrets revealed."""
        return writing.json(value)

    def loses_numbers(self, value: Any, text: bytes) -> bool:
        """Tell whether a NaN or an infinity in a value did not get into its JSON text."""
        return writing.loses_numbers(value, text)

    def stamp_for(self, response_format: Any) -> Callable[[Any, str, dt.datetime], None] | None:
        """Find what notes on a decoded `Response` who answered and when, where there may be one."""
        for part in map(fast.model_of, shims.parts(response_format)):
            # What a `TypeAdapter` or a root model holds is not looked for.
            if isinstance(part, pydantic.TypeAdapter) or (isinstance(part, type) and issubclass(part, Response)):
                return self.stamp
        return None

    def stamp(self, value: Any, base_uri: str, time: dt.datetime) -> None:
        """Note on a decoded `Response`, or on each one in a list, who answered and when; leave all else alone."""
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Response):
                item._headrace_receipt = _Receipt(base_uri, time)  # noqa: SLF001 - our own


shims.register(_PydanticShim())
