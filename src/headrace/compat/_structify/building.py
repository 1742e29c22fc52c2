"""Models are made of the Structs that msgspec decoded, without validating again.

A model that pydantic makes has four slots: the dict of its fields, the set of the fields that were given, the fields
that came extra, and the private ones. The code that fills them is written out for each model, field by field, because
it runs once for every object of a document.
"""

from __future__ import annotations

from collections import abc
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, get_args, get_origin

import msgspec

from headrace.compat._structify import defaults
from headrace.compat._structify.reasons import UNIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.compat._structify.reasons import Model

#: How many models deep the statements of one function go.
_MOST_INSIDE: Final = 6
_LISTS: Final = {list: "[{}]", abc.Sequence: "[{}]", set: "{{{}}}", frozenset: "frozenset([{}])"}


class Builder:
    """Writes and compiles the code that makes models of Structs.

    Args:
        models: The model of each Struct.
    """

    def __init__(self, models: Mapping[type, Model]) -> None:
        self.models = models
        self.names: dict[str, Any] = {"UNSET": msgspec.UNSET}
        self.written: dict[type, str] = {}
        self._depth = 0
        self._locals = 0

    def build(self, kind: Any) -> Callable[[Any], Any] | None:
        """Make the function that turns a decoded value into what pydantic would have made; `None` if it is that."""
        args = get_args(kind)
        if get_origin(kind) is list and _is_struct(args[0]):
            lines = [
                "    made = []",
                "    for s in value:",
                *self.lines(args[0], "s", " " * 8),
                "        made.append(s_m)",
            ]
            lines += ["    return made"]
        else:
            expression = self.convert(kind, "value", None)
            if expression is None:
                return None
            lines = [f"    return {expression}"]
        return self.compiled("convert", "value", lines)

    def compiled(self, name: str, parameter: str, lines: list[str]) -> Callable[[Any], Any]:
        """Compile a function; its text is our own, and has nothing of a model but the names of fields."""
        exec("\n".join([f"def {name}({parameter}):", *lines]), self.names)  # noqa: S102 - as the docstring says
        made: Callable[[Any], Any] = self.names[name]
        return made

    def convert(self, kind: Any, value: str, owner: type | None) -> str | None:
        """Write the expression that turns a value into models, or `None` where there is none in it."""
        while get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if isinstance(kind, ForwardRef):
            kind = getattr(owner, kind.__forward_arg__)
        if _is_struct(kind):
            return f"{self.struct(kind)}({value})"
        origin, args = get_origin(kind), get_args(kind)
        if origin in UNIONS:
            return self._union(args, value, owner)
        if not args or origin not in {*_LISTS, tuple, dict, abc.Mapping, abc.MutableMapping}:
            return None
        self._depth += 1
        item = f"item{self._depth}"
        try:
            if origin is tuple and args[-1] is not ...:
                parts = [(self.convert(arg, f"{value}[{i}]", owner), f"{value}[{i}]") for i, arg in enumerate(args)]
                changed = any(part for part, _ in parts)
                return f"({''.join((part or same) + ', ' for part, same in parts)})" if changed else None
            if origin in _LISTS or origin is tuple:
                inner = self.convert(args[0], item, owner)
                form = _LISTS.get(origin, "tuple([{}])")
                return inner and form.format(f"{inner} for {item} in {value}")
            inner = self.convert(args[1], item, owner)
            return inner and f"{{key: {inner} for key, {item} in {value}.items()}}"
        finally:
            self._depth -= 1

    def _union(self, members: tuple[Any, ...], value: str, owner: type | None) -> str | None:
        """Write the choice between the members of a union, by what the value is."""
        expression = value
        for member in members:
            inner = self.convert(member, value, owner)
            if inner is None:
                continue
            bare = get_args(member)[0] if get_origin(member) is Annotated else member
            bare = getattr(owner, bare.__forward_arg__) if isinstance(bare, ForwardRef) else bare
            of = get_origin(bare) or bare
            name = self.name("Kind", {abc.Sequence: list, abc.Mapping: dict, abc.MutableMapping: dict}.get(of, of))
            expression = f"{inner} if {value}.__class__ is {name} else {expression}"
        return None if expression == value else f"({expression})"

    def name(self, stem: str, value: Any) -> str:
        """Give a value a name that the code can use."""
        name = f"{stem}_{len(self.names)}"
        self.names[name] = value
        return name

    def local(self) -> str:
        """Give a variable a name that no other has."""
        self._locals += 1
        return f"v{self._locals}"

    def struct(self, struct: type) -> str:
        """Write the function that makes a model of its Struct, and name it."""
        if struct not in self.written:
            function = self.written[struct] = self.name("build", None)
            self.compiled(function, "s", [*self.lines(struct, "s", "    "), "    return s_m"])
        return self.written[struct]

    def lines(self, struct: type, s: str, indent: str, outer: tuple[type, ...] = ()) -> list[str]:
        """Write the statements that make a model of its Struct.

        Args:
            struct: The Struct.
            s: The variable that holds it; the model will be in that name with `_m` behind it.
            indent: What stands before each line.
            outer: The Structs in whose statements these stand: a call for each would cost more than what it does.
        """
        model = self.models[struct]
        fields = {field.name: field for field in msgspec.structs.fields(struct)}
        every = self.name("given", set(model.model_fields).copy)
        optional = [name for name, field in fields.items() if field.default is msgspec.UNSET]
        lines = [f"{s}_given = {every}()"] if optional else []
        members = []
        for name in model.model_fields:
            if name not in fields:  # the tag
                members.append(f"{name!r}: {self.name('tag', vars(struct)[name])}")
                continue
            value, kind = f"{s}.{name}", fields[name].type
            if name in optional:
                value = self.local()
                lines += [f"{value} = {s}.{name}", f"if {value} is UNSET:", f"    {s}_given.discard({name!r})"]
                expression = self.convert(kind, value, struct) or value
                expression = f"{expression} if {value} is not UNSET else {self.missing(model, name)}"
            elif _is_struct(kind) and kind not in outer and len(outer) < _MOST_INSIDE:
                inner = self.local()
                lines += [f"{inner} = {value}", *self.lines(kind, inner, "", (*outer, struct, kind))]
                expression = f"{inner}_m"
            else:
                expression = self.convert(kind, value, struct) or value
            members.append(f"{name!r}: {expression}")
        m = f"{s}_m"
        lines += [f"{m} = {self.name('Blank', blank_of(model))}()", f"{m}.__dict__ = {{{', '.join(members)}}}"]
        lines += [f"{m}.__pydantic_fields_set__ = {f'{s}_given' if optional else every + '()'}"]
        lines += [f"{m}.__pydantic_extra__ = {m}.__pydantic_private__ = None"]
        lines += [f"{m}.__class__ = {self.name('Model', model)}"]
        if model.__pydantic_post_init__:
            lines += [f"{self.name('post_init', _post_init)}({m})"]
        return [indent + line for line in lines]

    def missing(self, model: Model, name: str) -> str:
        """Write what a field is that was not given."""
        info = model.model_fields[name]
        if info.default_factory is None and defaults.is_shared(info.default):
            return self.name("default", info.default)
        return f"{self.name('default', info.get_default)}(call_default_factory=True)"


def blank_of(model: Model) -> Any:
    """Make a class whose instances can become the model's, and whose slots can be set without pydantic looking on."""
    meta = type(model)
    plain: dict[str, Any] = {
        name: getattr(object, name) for name in ("__setattr__", "__delattr__", "__init__", "__new__")
    }
    blank = type.__new__(meta, model.__name__, (model,), {"__slots__": (), "__module__": model.__module__, **plain})
    blank().__class__ = model  # fails here, and not at the first document
    return blank


def _post_init(model: Any) -> None:
    """Let a model finish itself; what it refuses the document with is worded as pydantic words it."""
    try:
        model.model_post_init(None)
    except AssertionError as error:
        raise msgspec.ValidationError(f"Assertion failed, {error}") from error
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        raise msgspec.ValidationError(f"Value error, {error}") from error


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
