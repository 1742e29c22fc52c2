"""What the fields of a derived Struct cost: read by msgspec, converted behind it, or checked by pydantic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, ForwardRef, Literal, NamedTuple, TypeAlias, get_args, get_origin

import msgspec

from headrace.compat._structify.checked import is_checked

if TYPE_CHECKING:
    from collections.abc import Iterator

#: `"native"`: msgspec reads it. `"converted"`: one call more makes the value of what msgspec has read. `"checked"`:
#: what was read is written as JSON again, and validated.
Cost: TypeAlias = Literal["native", "converted", "checked"]

#: What `Fast` loses with a field that msgspec does not read, in fields that it does; `benchmarks.fields` measures it.
_LOST: Final[dict[Cost, int]] = {"native": -1, "converted": 5, "checked": 25}


#: A word, and the dot behind the name of a module.
_WORD: Final = re.compile(r"\w++\.?+")


class Field(NamedTuple):
    """What one field costs."""

    path: str
    """Its name, behind those of the fields that lead to it, with dots between."""
    kind: str
    """The type that is not msgspec's, as one would write it; empty where there is none."""
    cost: Cost


def fields(struct: Any, prefix: str = "", seen: set[Any] | None = None) -> Iterator[Field]:
    """Say what each field of a Struct costs, and those of the Structs in it, each where it is first."""
    seen = set() if seen is None else seen
    seen.add(struct)
    for field in msgspec.structs.fields(struct):
        slow, inner = _parts(field.type, struct)
        path = f"{prefix}{field.name}"
        yield Field(path, " | ".join(dict.fromkeys(map(_told, slow))), _cost(slow))
        for each in inner:
            if each not in seen:
                yield from fields(each, f"{path}.", seen)


def is_slower(struct: Any) -> bool:
    """Tell whether pydantic alone is quicker than models that are made of a Struct."""
    return sum(_LOST[field.cost] for field in fields(struct)) > 0


def of(kind: Any) -> Cost:
    """Say what a type costs that was written for msgspec."""
    slow, _ = _parts(kind, None)
    return _cost(slow)


def _cost(slow: list[Any]) -> Cost:
    if not slow:
        return "native"
    return "converted" if all(isinstance(kind, msgspec.Meta) or kind.is_quick for kind in slow) else "checked"


def _parts(kind: Any, owner: Any) -> tuple[list[Any], list[Any]]:
    """Find the types in a type that msgspec does not read, the patterns, for which it calls Python, and the Structs."""
    slow, structs = [], []
    pending = [kind]
    while pending:
        part = pending.pop()
        if isinstance(part, ForwardRef):
            part = getattr(owner, part.__forward_arg__)
        if is_checked(part) or (isinstance(part, msgspec.Meta) and part.pattern is not None):
            slow.append(part)
        elif isinstance(part, type) and issubclass(part, msgspec.Struct) and get_origin(part) is None:
            structs.append(part)
        else:
            pending.extend(reversed(get_args(part)))
    return slow, structs


def _told(kind: Any) -> str:
    if isinstance(kind, msgspec.Meta):
        return "str with a pattern"
    annotation = kind.annotation
    metadata: tuple[Any, ...] = getattr(annotation, "__metadata__", ())
    bare = get_args(annotation)[0] if metadata else annotation
    name = bare.__name__ if isinstance(bare, type) and not get_args(bare) else _WORD.sub(_bare_word, str(bare))
    return f"{name} with constraints" if metadata else name


def _bare_word(found: re.Match[str]) -> str:
    """Leave out a word that is the name of a module, and not a number with a point."""
    word = found[0]
    return "" if word.endswith(".") and not word[0].isdigit() else word
