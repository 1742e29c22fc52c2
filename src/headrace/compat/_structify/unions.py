"""The members of a union are told apart, or the union is refused.

Pydantic tries them, msgspec looks once: at what stands in the document, and in an object at its tag. So the members
must be of different kinds, and models must each have a tag: a field with one `Literal` value that no other member has.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections import abc
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, Literal, NamedTuple, get_args, get_origin

import msgspec
import pydantic
from pydantic.fields import FieldInfo

from headrace.compat._structify import values
from headrace.compat._structify.naming import json_name
from headrace.compat._structify.reasons import UNIONS, Unfaithful, decorated, rebuilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.compat._structify.reasons import Mode, Model

_TEXT: Final = frozenset({"text"})
_KINDS: Final[dict[Any, frozenset[str]]] = {
    **dict.fromkeys((str, dt.datetime, dt.date, dt.time, uuid.UUID, bytes), _TEXT),
    int: frozenset({"integer"}),
    float: frozenset({"float"}),  # an integer is the `int` of `int | float` for both libraries
    bool: frozenset({"bool"}),
    type(None): frozenset({"null"}),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), frozenset({"object"})),
    **dict.fromkeys((list, tuple, set, frozenset, abc.Sequence), frozenset({"array"})),
}


_CONTAINERS: Final = frozenset({"array", "object"})


class Tag(NamedTuple):
    """What tells a model from the others of its union."""

    field: str
    """The name of the field."""
    key: str
    """What the field is called in JSON."""
    value: Any
    """The one value of its `Literal`."""

    @property
    def text(self) -> str | int:
        """The value as it stands in JSON."""
        text: str | int = self.value.value if isinstance(self.value, enum.Enum) else self.value
        return text


def is_discriminator(meta: Any) -> bool:
    """Tell whether metadata names what tells the members of a union apart."""
    return isinstance(meta, pydantic.Discriminator) or (isinstance(meta, FieldInfo) and meta.discriminator is not None)


def discriminator(metadata: Sequence[Any]) -> str | None:
    """Find the field that tells the members of a union apart."""
    found = None
    for meta in metadata:
        if is_discriminator(meta):
            found = meta.discriminator
            found = found.discriminator if isinstance(found, pydantic.Discriminator) else found
            if not isinstance(found, str):
                raise Unfaithful("code tells the members of the union apart")
    return found


def flat(members: Sequence[Any]) -> list[Any]:
    """List the members of a union, also of unions in it that say nothing of their own."""
    found: list[Any] = []
    for member in members:
        if get_origin(member) in UNIONS:
            found += flat(get_args(member))
        elif member not in found:
            found.append(member)
    return found


def tags(models: Sequence[Model], field: str | None, mode: Mode) -> dict[Model, Tag]:
    """Find the tag of each model of a union.

    Args:
        models: The models.
        field: The field that tells them apart, where the union names one.
        mode: What is asked of the Structs.

    Returns:
        The tags.

    Raises:
        Unfaithful: They have none, so msgspec cannot tell them apart.
    """
    if field is not None:
        return _tags_by(models, field, mode)
    for name in rebuilt(models[0]).model_fields:
        try:
            found = _tags_by(models, name, mode)
        except Unfaithful:
            continue
        # Without the field, pydantic may take a model that has a default for it; msgspec would refuse.
        if all(model.model_fields[name].is_required() for model in models):
            return found
    names = ", ".join(model.__name__ for model in models)
    raise Unfaithful(f"no field that all must have tells {names} apart, and msgspec tries none of them out")


def _tags_by(models: Sequence[Model], field: str, mode: Mode) -> dict[Model, Tag]:
    found: dict[Model, Tag] = {}
    for model in models:
        info = rebuilt(model).model_fields.get(field)
        if info is None or get_origin(info.annotation) is not Literal or info.metadata:
            raise Unfaithful(f"the field {field!r} of {model.__name__} is no Literal")
        value, *more = get_args(info.annotation)
        if more:
            raise Unfaithful(f"{model.__name__} has several values of {field!r}, and a Struct has one tag")
        found[model] = Tag(field, json_name(model, field, info, mode) or field, value)
        if decorated(model, field) and mode.validators != "drop":
            raise Unfaithful(f"code runs on the field {field!r} of {model.__name__}")
        if isinstance(value, enum.Enum) and not (isinstance(value, (str, int)) and values.is_written_alike(value)):
            raise Unfaithful(f"pydantic's strict mode reads no text as {value}, or another than it writes")
    texts = [tag.text for tag in found.values()]
    one_type = len({type(text) for text in texts}) == 1
    if not one_type or not all(map(values.is_native, texts)) or len(set(texts)) < len(texts):
        raise Unfaithful(f"the values of {field!r} are no tags that msgspec can tell apart")
    if len({tag.key for tag in found.values()}) > 1:
        raise Unfaithful(f"{field!r} has more than one name in JSON")
    return found


def check_apart(written: Sequence[Any]) -> None:
    """Raise `Unfaithful` for members of a union that the document does not tell apart."""
    seen: set[str] = set()
    for kind in written:
        kinds = _json_kinds(kind)
        if not seen.isdisjoint(kinds) or (kind is Any and any(other not in {Any, type(None)} for other in written)):
            raise Unfaithful("msgspec cannot tell the members of the union apart as pydantic does")
        seen |= kinds
    # An integer that breaks its bounds is a float to pydantic, where there is one; msgspec refuses it.
    if "float" in seen and any(_is_constrained_scalar(kind) and "integer" in _json_kinds(kind) for kind in written):
        raise Unfaithful("pydantic reads an integer that breaks its bounds as a float, msgspec does not")


def checked(union: Any) -> Any:
    """Return a union that msgspec can hold, with its constraints on it."""
    members = get_args(union)
    containers = [kind for kind in members if _json_kinds(kind) & _CONTAINERS]
    # msgspec (0.22) frees memory that is not its own when such a decoder goes: the process may crash much later.
    if containers and any(_is_constrained_scalar(kind) for kind in members):
        raise Unfaithful("msgspec cannot hold a constrained text or number beside a list, tuple, set or dict")
    if not any(map(_is_forward, members)):
        try:
            msgspec.json.Decoder(union)
        except (TypeError, NotImplementedError) as error:
            raise Unfaithful(str(error)) from error
    return union


def _is_constrained_scalar(kind: Any) -> bool:
    return get_origin(kind) is Annotated and not _json_kinds(kind) & _CONTAINERS


def _is_forward(kind: Any) -> bool:
    """Tell whether a written type names, or has inside, a Struct, which may not be ready yet."""
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return is_struct or isinstance(kind, ForwardRef) or any(map(_is_forward, get_args(kind)))


def _json_kinds(kind: Any) -> frozenset[str]:
    """Name what a member of a union may be in JSON; Structs are told apart by their tags."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _of_values([each.value for each in kind])
    if get_origin(kind) is Literal:
        return _of_values(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return frozenset()
    kind = get_origin(kind) or kind
    return _KINDS.get(kind, frozenset())


def _of_values(given: Sequence[Any]) -> frozenset[str]:
    found = {"text" if isinstance(value, str) else "null" if value is None else "integer" for value in given}
    # Pydantic also finds an integer by the float that is equal to it, and 0 and 1 by the bools.
    found |= {"float"} if "integer" in found else set()
    return frozenset(found | {"bool"} if {0, 1} & {*given} else found)
