"""Single values are judged: members of enums, and what a `Literal` or a tag may be."""

from __future__ import annotations

import enum
from typing import Any, Final

#: The integers that msgspec can look for; more would need more than 64 bits, with a sign.
INTEGERS: Final = range(-(2**63), 2**63)


def is_native(value: Any) -> bool:
    """Tell whether msgspec can look for a value in the way that pydantic does: as the text or integer that it is."""
    return type(value) is str or (type(value) is int and value in INTEGERS)


def is_enum(kind: Any) -> bool:
    """Tell whether a type is an enum of texts or integers whose members both libraries write as their values."""
    is_plain = isinstance(kind, type) and issubclass(kind, enum.Enum) and not issubclass(kind, enum.Flag)
    members: Any = kind
    return is_plain and all(map(is_written_alike, members))


def is_read_alike(kind: type[enum.Enum]) -> bool:
    """Tell whether both libraries find the members of an enum by the same values, and no other has a member."""
    values = [each.value for each in kind]
    native = all(map(is_native, values)) and len(set(map(type, values))) == 1
    missing: Any = kind._missing_  # pydantic hands it whatever the document has, msgspec only what could be a value
    own_code = hasattr(kind, "__get_pydantic_core_schema__")
    return not own_code and is_enum(kind) and native and missing.__func__ is vars(enum.Enum)["_missing_"].__func__


def is_written_alike(member: enum.Enum) -> bool:
    """Tell whether both libraries write a member as its value: pydantic asks for it, msgspec may look at the member."""
    value: Any = member.value
    if type(value) not in {str, int} or value is not member._value_:
        return False
    if isinstance(member, str):
        return bool(str.__str__(member) == value)
    return not isinstance(member, int) or bool(int.__index__(member) == value)
