"""The metadata of an `Annotated` becomes what msgspec checks, or a reason why not."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

import annotated_types as at
import msgspec
from pydantic.fields import FieldInfo

from headrace.compat._structify import digits
from headrace.compat._structify.reasons import UNIONS, Unfaithful
from headrace.compat._structify.values import INTEGERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.compat._structify.reasons import Model

#: Constraints that have the same name and meaning in `msgspec.Meta`.
_CONSTRAINTS: Final = frozenset({"gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern"})
#: Constraints that change nothing for a strict reader of JSON.
_IDLE_CONSTRAINTS: Final = frozenset({"strict", "allow_inf_nan", "fail_fast"})
#: Syntax of Rust's regular expressions that Python takes, but for something else; the classes differ, even in ASCII.
_FOREIGN_REGEX: Final = re.compile(r"\\[<>]|\\[bBwW]|[*+?}]\+|\(\?[a-zA-Z]*[imx]")
_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
_ESCAPE_OR_CLASS: Final = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\]?)", re.DOTALL)


def constrained(kind: Any, metadata: Iterable[Any], model: Model) -> Any:
    """Put constraints on a type; of a union, on each member but `None`, as msgspec wants them."""
    kept: dict[str, Any] = {}
    for name, value in _constraints(metadata):
        if name not in _CONSTRAINTS:
            raise Unfaithful(f"msgspec has no constraint {name!r}")
        if name in kept:
            raise Unfaithful(f"msgspec takes the constraint {name!r} once")
        kept[name] = _python_regex(value, model) if name == "pattern" else value
    if not kept:
        return kind
    if "multiple_of" in kept and (type(kept["multiple_of"]) is not int or _may_be_float(kind)):
        raise Unfaithful("pydantic rounds a float before it asks what it is a multiple of")
    if any(type(kept.get(name)) is int and kept[name] not in INTEGERS for name in ("gt", "ge", "lt", "le")):
        raise Unfaithful("msgspec knows no bounds beyond 64 bits")
    try:
        meta = msgspec.Meta(**kept)
    except (TypeError, ValueError) as error:
        raise Unfaithful(str(error)) from error
    if get_origin(kind) in UNIONS:
        return Union[tuple(arg if arg is type(None) else Annotated[arg, meta] for arg in get_args(kind))]  # noqa: UP007 - made at run time
    return Annotated[kind, meta]


def _may_be_float(kind: Any) -> bool:
    return kind is float or any(map(_may_be_float, get_args(kind)))


def _constraints(metadata: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Name the single constraints in the metadata of an `Annotated`."""
    for meta in metadata:
        if isinstance(meta, FieldInfo):
            yield from _constraints(meta.metadata)
        elif isinstance(meta, at.GroupedMetadata):
            yield from _constraints(meta)
        elif isinstance(meta, at.BaseMetadata):
            # Pydantic's own are no dataclasses, but have the names in the instance's dict.
            names: Iterable[str] = getattr(meta, "__dataclass_fields__", None) or vars(meta)
            for name in names:
                value = getattr(meta, name)
                if value is not None and name not in _IDLE_CONSTRAINTS:
                    yield name, value
        elif isinstance(meta, at.Not) or hasattr(meta, "__get_pydantic_core_schema__"):
            raise Unfaithful(f"{type(meta).__name__} runs code or changes the type")


def _escape_or_class(part: str) -> str:
    """Write an escape or a class for Python: what is a digit or a space differs between the engines."""
    if part.startswith("["):
        return _ESCAPED.sub(lambda found: _in_class(found[0]), part)
    if part[1] not in "dDsS":
        return part
    inside = _in_class(part.lower())
    negated = part[1].isupper()
    return part if inside in {r"\d", r"\s"} else f"[{'^' * negated}{inside}]"


def _in_class(escape: str) -> str:
    """Write an escape for the inside of a class."""
    if escape[1] in "DS":
        raise Unfaithful(f"{escape} in a class of characters means something else in Python than in Rust")
    if escape[1] not in "ds":
        return escape
    found = digits.for_python(escape)
    if found is None:
        raise Unfaithful(f"{escape} means something else in Python than in Rust")
    return found


def _python_regex(pattern: str | re.Pattern[str], model: Model) -> str:
    """Write a pattern for Python's `re`, which msgspec searches with."""
    if isinstance(pattern, re.Pattern):
        if pattern.flags != re.UNICODE:
            raise Unfaithful("msgspec has no flags for a pattern")
        return pattern.pattern
    if model.model_config.get("regex_engine") == "python-re":
        return pattern
    if _FOREIGN_REGEX.search(pattern):
        raise Unfaithful(f"the pattern {pattern!r} means something else in Python than in Rust")
    # Python's `$` also matches before a newline at the end; Rust's does not. Every second part is an escape or a class.
    parts = _ESCAPE_OR_CLASS.split(pattern)
    written = "".join(_escape_or_class(part) if i % 2 else part.replace("$", r"\Z") for i, part in enumerate(parts))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # Python warns of nested classes, which Rust has
        try:
            re.compile(written)
        except (re.error, FutureWarning) as error:
            raise Unfaithful(f"the pattern {pattern!r} is not for Python: {error}") from error
    return written
