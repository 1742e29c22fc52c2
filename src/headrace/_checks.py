"""What settings are checked with lives here: validators for attrs, and the error that names a wrong argument."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.errors import ValidationError

if TYPE_CHECKING:
    import attrs

Validator = Callable[[Any, Any, Any], None]


def wrong(argument: str, got: object, takes: str) -> ValidationError:
    """Make the error for a wrong argument: its name, the type it got (the value may be secret), and what it takes."""
    return ValidationError(f"{argument}: got {type(got).__name__}, takes {takes}")


def wrong_number(argument: str, got: Any, takes: str) -> ValidationError:
    """Make the error for a wrong number, which is no secret and may be shown."""
    shown = f" ({got!r})" if isinstance(got, (int, float)) else ""
    return ValidationError(f"{argument}: got {type(got).__name__}{shown}, takes {takes}")


def is_number(value: object, *, integer: bool = False, zero: bool = False) -> bool:
    """Tell whether a value is a finite number above 0, or at least 0 (`zero`), and a whole one (`integer`)."""
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        return False
    try:
        return (value >= 0 if zero else value > 0) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def positive(takes: str, *, integer: bool = False, optional: bool = False, zero: bool = False) -> Validator:
    """Make a validator for a number above zero, or at least zero (`zero`)."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and optional) and not is_number(value, integer=integer, zero=zero):
            raise wrong_number(attribute.name, value, takes)

    return check


def share(takes: str) -> Validator:
    """Make a validator for a share of a whole: a number above 0 that is at most 1."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not is_number(value) or value > 1:
            raise wrong_number(attribute.name, value, takes)

    return check


def checked(check: Callable[[Any], bool], takes: str, *, optional: bool = False) -> Validator:
    """Make a validator out of a predicate."""

    def validate(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and optional) and not check(value):
            raise wrong(attribute.name, value, takes)

    return validate


def all_of(kind: type, takes: str) -> Validator:
    """Make a validator for a frozenset whose items all are of one type."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, frozenset) or not all(type(item) is kind for item in value):
            raise wrong(attribute.name, value, takes)

    return check
