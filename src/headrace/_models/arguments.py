"""An argument of pydantic's that a Struct has no use for is refused, unless it says what holds anyway.

A call that was written for pydantic goes on working where the argument says what a Struct does anyway. Where it asks
for something else, nobody is left to believe that it was heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY: Final = None

#: The values that change nothing, `_ANY` for all of them, and why no other can be taken.
_ARGUMENTS: Final[Mapping[str, tuple[tuple[Any, ...] | None, str]]] = {
    "_parent_namespace_depth": (_ANY, ""),
    "_types_namespace": ((None,), "names are looked up in the module of the class"),
    "allow_pickle": ((False,), "only JSON is read"),
    "by_alias": ((None, True), "a Struct has one name for a field, its alias"),
    "by_name": ((None, False), "a Struct has one name for a field, its alias"),
    "content_type": ((None, "json", "application/json"), "only JSON is read"),
    "context": ((None,), "a Struct runs no validator or serializer that could read it"),
    "encoder": ((None,), "values are written as msgspec writes them"),
    "ensure_ascii": ((None, False), "the text is UTF-8"),
    "exclude_computed_fields": (_ANY, ""),
    "extra": ((None,), 'it is a keyword of the class: extra="forbid" or extra="ignore"'),
    "fallback": ((None,), "values are written as msgspec writes them"),
    "mode": (("validation", "serialization"), "a Struct has one schema"),
    "models_as_dict": ((None, True), "a model inside is always dumped"),
    "polymorphic_serialization": ((None, True), "a value is dumped as what it is"),
    "proto": ((None, "json"), "only JSON is read"),
    "round_trip": ((None, False), "dump with by_alias=True what shall be read again"),
    "schema_generator": ((None,), "msgspec writes the schema"),
    "serialize_as_any": (_ANY, ""),
    "union_format": ((None, "any_of"), "msgspec writes the schema"),
    "warnings": (_ANY, ""),
}


def refuse(call: str, given: Mapping[str, Any], *known: str) -> None:
    """Raise for an argument that asks for what a Struct cannot do.

    Args:
        call: The name of the call.
        given: The arguments that it does not know itself.
        known: Those that pydantic knows.

    Raises:
        ValidationError: An argument has a value that would change something.
        TypeError: Pydantic does not know the argument either.
    """
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
        harmless, reason = _ARGUMENTS[name]
        if harmless is not None and not any(value is each or value == each for each in harmless):
            raise ValidationError(f"{name}: {call}() of a Struct cannot take it: {reason}")
