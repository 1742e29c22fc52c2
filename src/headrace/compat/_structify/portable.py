"""A type with parametrised models in it is taken apart for a pickle: such a model need not be in any module."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from headrace.compat._structify.reasons import UNIONS


class Parametrised(NamedTuple):
    """A model or type and its parameters."""

    origin: Any
    args: tuple[Any, ...]


def taken_apart(kind: Any) -> Any:
    """Put what a pickle can hold in place of each parametrised model in a type."""
    generic = getattr(kind, "__pydantic_generic_metadata__", None)
    if generic is not None:
        return Parametrised(generic["origin"], _all(generic["args"])) if generic["origin"] is not None else kind
    args = get_args(kind)
    parts = _all(args)
    if parts == args:
        return kind
    origin = get_origin(kind)
    return Parametrised(Union if origin in UNIONS else Annotated if origin is Annotated else origin, parts)


def put_together(kind: Any) -> Any:
    """Make the type again."""
    if not isinstance(kind, Parametrised):
        return kind
    return kind.origin[tuple(map(put_together, kind.args))]


def _all(kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(taken_apart, kinds))
