"""Everything that knows pydantic lives here: the pydantic twins of our models, and the shim that the core uses.

Importing this module is what makes the core know pydantic; the core does it at the first pydantic object that it meets.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic, NewType, TypeVar, get_args, get_type_hints

import pydantic
import pydantic_core
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from typing_extensions import TypeAliasType, is_typeddict

from headrace import models
from headrace._core import shims
from headrace.compat.structify import structify
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

__all__ = ["BaseModel", "PaginatedResponse", "Response", "structify"]

_T = TypeVar("_T")

_PACKAGES: Final = frozenset({"pydantic", "pydantic_core"})
_SECRETS: Final = (pydantic.SecretStr, pydantic.SecretBytes, pydantic.Secret)
_LISTS: Final = (list, tuple, set, frozenset, deque)


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


class PaginatedResponse(Response, abc.ABC):
    """One page of many; a subclass says, for its API, how to get from one to the others."""

    __struct_base__: ClassVar[type[models.BaseModel]] = models.PaginatedResponse

    @abc.abstractmethod
    def is_paginating(self) -> bool:
        """Tell whether there are other pages."""

    @abc.abstractmethod
    def next(self) -> Any:
        """Return what leads to the next page in this API: a path, parameters, or the page itself."""

    @abc.abstractmethod
    def previous(self) -> Any:
        """Return what leads to the page before this one."""

    @abc.abstractmethod
    def start(self) -> Any:
        """Return what leads to the first page."""

    @abc.abstractmethod
    def end(self) -> Any:
        """Return what leads to the last page."""


def _is_pydantic(kind: type) -> bool:
    """Tell whether a class is, or inherits, one of pydantic's."""
    return any(base.__module__.partition(".")[0] in _PACKAGES for base in kind.__mro__) or is_pydantic_dataclass(kind)


def _parts(construct: Any) -> Iterator[Any]:
    """Name the types that a typing construct is made of."""
    yield from get_args(construct)
    if isinstance(construct, TypeAliasType):
        yield construct.__value__
    if isinstance(construct, NewType):
        yield construct.__supertype__
    if is_typeddict(construct) or dataclasses.is_dataclass(construct) or hasattr(construct, "_field_defaults"):
        try:
            yield from get_type_hints(construct, include_extras=True).values()
        except NameError:  # a name that only a type checker knows: msgspec will say so
            return


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


def _dump(value: Any, mode: str) -> Any:
    """Dump any of pydantic's values by alias: mode `"json"` masks its secrets, `"python"` leaves them objects."""
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode=mode, by_alias=True)
    if is_pydantic_dataclass(type(value)):
        return value.__pydantic_serializer__.to_python(value, mode=mode, by_alias=True)
    if mode == "python" or isinstance(value, _SECRETS):
        return value if mode == "python" else _mask(value)
    return pydantic_core.to_jsonable_python(value, fallback=str)


def _mask(secret: Any) -> str:
    """Show a secret as pydantic's JSON does; its `str()` of masked bytes has the quotes of bytes too."""
    shown = str(secret)
    return shown[2:-1] if shown.startswith("b'") else shown


def _holds_secret(tree: Any) -> bool:
    if isinstance(tree, Mapping):
        return any(map(_holds_secret, tree.values()))
    if isinstance(tree, _LISTS):
        return any(map(_holds_secret, tree))
    return isinstance(tree, _SECRETS)


def _revealed(shown: Any, bare: Any) -> Any:
    """Put the secrets of the Python dump into the JSON dump, wherever the JSON dump has but their mask."""
    if isinstance(bare, _SECRETS):
        return _builtins(bare.get_secret_value()) if shown == _mask(bare) else shown
    if isinstance(bare, Mapping) and isinstance(shown, dict) and len(bare) == len(shown):
        return {key: _revealed(shown[key], item) for key, item in zip(shown, bare.values(), strict=True)}
    if isinstance(bare, _LISTS) and isinstance(shown, list) and len(bare) == len(shown):
        return [_revealed(*pair) for pair in zip(shown, bare, strict=True)]
    return shown


def _builtins(value: Any) -> Any:
    # Pydantic has no way to ask for JSON with secrets; a serializer of the model's own must have its say all the same.
    shown, bare = _dump(value, "json"), _dump(value, "python")
    return _revealed(shown, bare) if _holds_secret(bare) else shown


class _PydanticShim:
    """How the core handles pydantic objects."""

    def owns(self, value: object) -> bool:
        """Tell whether a value is a model, dataclass, secret, URL or other value of pydantic's."""
        return not isinstance(value, type) and _is_pydantic(type(value))

    def owns_type(self, response_format: object) -> bool:
        """Tell whether a response format is, or contains, a type of pydantic's."""
        pending = [response_format]
        seen: dict[int, object] = {}  # keeps the parts alive, or an id would come again
        while pending:
            part = pending.pop()
            if id(part) in seen:
                continue
            seen[id(part)] = part
            # An instance counts too: a `TypeAdapter`, or what `Field()` puts into an `Annotated`.
            if _is_pydantic(part if isinstance(part, type) else type(part)):
                return True
            pending.extend(_parts(part))
        return False

    def decoder(self, response_format: Any) -> Callable[[bytes], Any]:
        """Make the function that decodes JSON bytes, without a dict in between.

        Args:
            response_format: A model, a `TypeAdapter`, or a typing construct with a model in it.

        Returns:
            The function; it raises `ResponseParseError` or `ResponseValidationError`.

        Raises:
            ValidationError: Pydantic cannot make a validator of the response format.
        """
        try:
            known = isinstance(response_format, pydantic.TypeAdapter)
            adapter = response_format if known else pydantic.TypeAdapter(response_format)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise ValidationError(f"response_format: {error}") from error
        validate = adapter.validate_json

        def decode(body: bytes) -> Any:
            try:
                return validate(body)
            except pydantic.ValidationError as error:
                raise _refusal(error, body) from error

        return decode

    def builtins(self, value: Any) -> Any:
        """Turn a value into what JSON knows, by alias and with secrets revealed."""
        return _builtins(value)

    def json(self, value: Any) -> bytes:
        """Encode a value as JSON text, by alias and with secrets revealed."""
        if isinstance(value, pydantic.BaseModel) and not _holds_secret(_dump(value, "python")):
            return value.model_dump_json(by_alias=True).encode()
        return pydantic_core.to_json(_builtins(value), inf_nan_mode="null")

    def stamp(self, value: Any, base_uri: str, time: dt.datetime) -> None:
        """Note on a decoded `Response`, or on each one in a list, who answered and when; leave all else alone."""
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Response):
                item._headrace_receipt = _Receipt(base_uri, time)  # noqa: SLF001 - our own


shims.register(_PydanticShim())
