"""What stands beside a type in an `Annotated` and means nothing to msgspec is refused, not passed over in silence."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any, Final, NewType, get_args

import msgspec

from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Whose objects constrain or change a type only where pydantic reads it.
_FOREIGN: Final = frozenset({"annotated_types", "pydantic", "pydantic_core"})


def check(owner: str, namespace: Mapping[str, Any]) -> None:
    """Refuse what pydantic would have obeyed in the annotations of a class, and msgspec would not see.

    Args:
        owner: The name of the class.
        namespace: Its body.

    Raises:
        ValidationError: It names the field, and what to write instead.
    """
    if sys.modules.keys().isdisjoint(_FOREIGN):
        return  # no object of a library that nobody has imported
    scope = _Scope(namespace)
    for name, annotation in _annotations(namespace).items():
        for meta in _foreign(_evaluated(annotation, scope)):
            raise ValidationError(
                f"{owner}.{name}: {_shown(meta)} in its Annotated means nothing to a Struct: write {_instead(meta)}, or"
                " let pydantic read the field with Checked[…] of headrace.compat.pydantic"
            )


def _annotations(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    given: Mapping[str, Any] = namespace.get("__annotations__", {})
    if sys.version_info >= (3, 14):  # where the body only has a function that tells (PEP 649)
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            given = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    return given


class _Scope(dict[str, Any]):
    """The names that an annotation may use; what is not known yet may be anything."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        module = sys.modules.get(str(namespace.get("__module__")))
        super().__init__({**vars(builtins), **(vars(module) if module else {}), **namespace})

    def __missing__(self, name: str) -> Any:
        return Any


def _evaluated(annotation: Any, scope: _Scope) -> Any:
    """Find what an annotation says, which may be text; msgspec will say what is wrong with one that says nothing."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {}, scope)  # noqa: S307 - the user's own class
    except Exception:  # noqa: BLE001 - whatever the text of an annotation does
        return None


def _foreign(annotation: Any) -> Iterator[Any]:
    """Name what is pydantic's in the `Annotated`s of a type, however deep."""
    pending, seen = [annotation], set[int]()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        for meta in getattr(part, "__metadata__", ()):
            is_strict = type(meta).__name__ == "Strict" and meta.strict  # as a Struct is anyway
            if type(meta).__module__.partition(".")[0] in _FOREIGN and not is_strict:
                yield meta
        pending.extend(get_args(part))
        if isinstance(part, NewType):
            pending.append(part.__supertype__)
        elif type(part).__name__ == "TypeAliasType":
            pending.append(part.__value__)


def _shown(meta: Any) -> str:
    kind = type(meta).__name__
    return "pydantic.Field()" if kind == "FieldInfo" else f"{kind}()"


def _instead(meta: Any) -> str:
    """Write the constraint for msgspec, where it has the same."""
    notes = ((name, getattr(meta, name, None)) for name in ("title", "description"))
    found: dict[str, Any] = {name: value for name, value in notes if value is not None}
    for part in meta.metadata if type(meta).__name__ == "FieldInfo" else [meta]:
        names = getattr(part, "__dataclass_fields__", None) or getattr(part, "__dict__", {})
        found |= {name: value for name in names if (value := getattr(part, name, None)) is not None}
    try:
        msgspec.Meta(**found)
    except (TypeError, ValueError):
        found = {}
    return f"msgspec.Meta({', '.join(f'{name}={value!r}' for name, value in found.items()) or '…'})"
