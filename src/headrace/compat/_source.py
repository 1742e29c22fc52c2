"""Derived Structs are written as source that a person would be glad to own.

What is written is what a person would write: real imports, class keywords, docstrings, defaults. A model for which that
cannot be done faithfully is left out, with the reason, and so is every model that names it.
"""

from __future__ import annotations

import builtins
import collections
import datetime as dt
import enum
import inspect
import math
import re
import types
import typing
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin
from uuid import UUID

import msgspec
import pydantic
from pydantic_core import PydanticUndefined

from headrace import models
from headrace.compat import _code, _layout
from headrace.compat._imports import Imports
from headrace.compat._layout import Group, Node, Prefixed, Union
from headrace.compat._structify import defaults
from headrace.compat._writable import UnwritableError, constraints, is_shared, reached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

_RENAMES: Final = ("camel", "pascal", "kebab")
_META: Final = (
    *("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz"),
    *("title", "description", "examples", "extra_json_schema", "extra"),
)
#: Words that mean something else in the file than the name of a model.
_TAKEN: Final = frozenset(dir(builtins)) | {
    *("Annotated", "Any", "BaseModel", "Checked", "Decimal", "Literal", "Response", "UUID", "annotations", "dt"),
    "msgspec",
}
#: The class of the types that pydantic reads inside a Struct; it is private to where it is.
_CHECKED: Final = "_CheckedMeta"
#: Settings of a model that change how pydantic reads such a type.
_READING: Final = ("allow_inf_nan", "regex_engine", "strict")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Structs as Python source.

    Attributes:
        text: The source of a module; it is formatted as `ruff format` does at 120 columns.
        written: What each model is called in it; models that others name are in it too.
        left_out: The models that are not in it, and why.
    """

    text: str
    written: dict[str, str]
    left_out: dict[str, str]


def write(derived: Iterable[tuple[type[pydantic.BaseModel], type[msgspec.Struct]]], title: str) -> Source:
    """Write Structs, and those that they name, as the source of one module.

    Args:
        derived: Each model, and the Struct that was derived from it.
        title: What the module's docstring says; one sentence.

    Returns:
        The source.
    """
    work = _File()
    left_out: dict[str, str] = {}
    written: dict[str, str] = {}
    asked = list(derived)
    work.models.update({struct: model for model, struct in asked})
    for model, struct in asked:
        name = f"{model.__module__}.{model.__qualname__}"
        try:
            work.add(struct)
        except UnwritableError as reason:
            left_out[name] = str(reason)
        else:
            written[name] = work.names[struct]
    return Source(text=work.text(title), written=written, left_out=left_out)


class _File:
    """The classes of the module that is written."""

    def __init__(self) -> None:
        self.models: dict[type[msgspec.Struct], type[pydantic.BaseModel]] = {}
        self.names: dict[type[msgspec.Struct], str] = {}
        #: The lines of each class, in the order in which they are written.
        self.classes: dict[type[msgspec.Struct], list[str]] = {}
        self.imports = Imports()
        self._known: dict[tuple[str, str], type[pydantic.BaseModel]] = {}
        self._pending: set[type[msgspec.Struct]] = set()
        self._refused: dict[type[msgspec.Struct], str] = {}
        #: Whether the model at hand reads its fields as any model does.
        self._settled = True

    def add(self, struct: type[msgspec.Struct]) -> None:
        """Write a Struct and all that it names; nothing, where one of them cannot be written."""
        before = dict(self.classes), dict(self.names), self.imports.copy()
        try:
            self._add(struct)
        except UnwritableError:
            self.classes, self.names, self.imports = before
            raise
        finally:
            self._pending.clear()

    def _add(self, struct: type[msgspec.Struct]) -> None:
        if struct in self.classes or struct in self._pending:
            return
        if struct in self._refused:
            raise UnwritableError(self._refused[struct])
        self._pending.add(struct)
        self._named(struct)
        try:
            outer = self._settled
            lines = self._class(struct)
            self._settled = outer
        except UnwritableError as reason:
            self._refused[struct] = str(reason)
            raise
        self.classes[struct] = lines

    def _named(self, struct: type[msgspec.Struct]) -> str:
        """Find the name of a Struct in the file."""
        if struct not in self.names:
            wanted = "".join(part[:1].upper() + part[1:] for part in re.findall(r"\w+", struct.__name__))
            called = wanted
            number = 2
            while called in _TAKEN or called in self.names.values() or called in self.imports.names.values():
                called = f"{wanted}{number}"
                number += 1
            self.names[struct] = called
        return self.names[struct]

    def text(self, title: str) -> str:
        """Write the module."""
        lines = [*_layout.docstring(title, 0), "", "from __future__ import annotations"]
        lines += self.imports.lines()
        for body in self.classes.values():
            lines += ["", "", *body]
        return "\n".join(lines) + "\n"

    # -- a class

    def _class(self, struct: type[msgspec.Struct]) -> list[str]:
        model = self._model(struct)
        fields = msgspec.structs.fields(struct)
        config = struct.__struct_config__
        self._settled = not any(model.model_config.get(name) for name in _READING)
        base = "Response" if issubclass(struct, models.Response) else "BaseModel"
        words: list[Node] = [self.imports.name("headrace", base, ())]
        if hasattr(struct, "__post_init__"):
            raise UnwritableError(f"{model.__qualname__}: it runs code after decoding")
        if config.tag_field is not None:
            words.append(Prefixed("tag_field=", _layout.text(config.tag_field)))
            words.append(Prefixed("tag=", self._value(config.tag)))
        rename = _rename(struct)
        words += [f'rename="{rename}"'] * bool(rename)
        words += ["kw_only=True"] * bool(fields)
        words += [f"{word}=True" for word in ("frozen", "forbid_unknown_fields") if getattr(config, word)]
        head = Group(f"class {self.names[struct]}(", tuple(words), "):", one_line=True)
        lines = _layout.statement(head)
        said = inspect.cleandoc(model.__doc__ or "").strip()
        if said:
            lines += _layout.docstring(said, 4)
        body = [
            line
            for name in model.model_fields
            if name not in struct.__struct_fields__
            for line in self._tag(struct, name)
        ]
        for field in fields:
            try:
                body += self._field(model, field, named=not rename)
            except UnwritableError as reason:
                raise UnwritableError(f"{model.__qualname__}.{field.name}: {reason}") from None
        lines += [""] * bool(said and body)
        return [*lines, *body] if said or body else [*lines, "    pass"]

    def _tag(self, struct: type[msgspec.Struct], name: str) -> list[str]:
        """Write the attribute of the class that says what its tag is."""
        value = self._value(getattr(struct, name))
        kind = Group(f"{self._from('typing', 'ClassVar')}[", (type(getattr(struct, name)).__name__,), "]")
        return _layout.assignment(4, name, kind, value)

    def _model(self, struct: type[msgspec.Struct]) -> type[pydantic.BaseModel]:
        """Find the model that a Struct was derived from."""
        if struct not in self.models:
            if not self._known:
                found_all = _named_by(self.models.values())
                self._known = {(model.__module__, model.__name__): model for model in found_all}
            found = self._known.get((struct.__module__, struct.__name__))
            if found is None:
                raise UnwritableError(f"the model of {struct.__qualname__} is not known")
            self.models[struct] = found
        return self.models[struct]

    def _field(self, model: type[pydantic.BaseModel], field: msgspec.structs.FieldInfo, *, named: bool) -> list[str]:
        info = model.model_fields[field.name]
        kind = self._kind(field.type)  # first, for a default may be an object of the Struct that it names
        words: dict[str, Node] = {}
        plain = True
        if info.default_factory is not None:
            words["default_factory"] = self._factory(info)
            plain = False
        elif info.default is not PydanticUndefined:
            node = self._value(defaults.fitted(info.annotation, info.default))
            plain = is_shared(info.default)
            words["default" if plain else "default_factory"] = node if plain else Prefixed("lambda: ", node)
            if info.default in ([], {}) and type(info.default) in {list, dict}:
                words = {"default_factory": "list" if type(info.default) is list else "dict"}
        if named and field.encode_name != field.name:
            words["name"] = _layout.text(field.encode_name)
        value: Node | None = None
        if words.keys() == {"default"} and plain:
            value = words["default"]
        elif words:
            items = tuple(Prefixed(f"{word}=", node) for word, node in words.items())
            value = Group(f"{self.imports.module('msgspec')}.field(", items, ")", one_line=True)
        return _layout.assignment(4, field.name, kind, value)

    # -- types

    def _kind(self, kind: Any) -> Node:
        """Write a type."""
        origin, args = get_origin(kind), get_args(kind)
        if kind is None or kind is type(None):
            return "None"
        if origin is Annotated:
            said = self._meta(args[1:]) if isinstance(args[1], msgspec.Meta) else self._field_of_pydantic(args[1:])
            return Group(f"{self._from('typing', 'Annotated')}[", (self._kind(args[0]), said), "]")
        if origin is Literal:
            return Group(f"{self._from('typing', 'Literal')}[", tuple(map(self._value, args)), "]")
        if origin in {typing.Union, types.UnionType}:
            return Union(tuple(map(self._kind, args)))
        if origin is not None:
            if args == ((),):
                return f"{self._class_name(origin)}[()]"
            items = tuple("..." if arg is ... else self._kind(arg) for arg in args)
            return Group(f"{self._class_name(origin)}[", items, "]")
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            self._add(kind)
            return self.names[kind]
        if isinstance(type(kind), type) and type(kind).__name__ == _CHECKED and hasattr(kind, "annotation"):
            return self._checked(kind.annotation)
        return self._class_name(kind)

    def _checked(self, annotation: Any) -> Node:
        """Write a type that pydantic reads inside a Struct."""
        if not self._settled:
            raise UnwritableError("pydantic reads it, and by settings of its model that a Struct does not have")
        if annotation is bytes or (get_origin(annotation) is Annotated and get_args(annotation)[0] is bytes):
            raise UnwritableError("bytes that are read by pydantic, and written as text, have no source")
        called = self._from("headrace.compat.pydantic", "Checked")
        return Group(f"{called}[", (self._kind(annotation),), "]")

    def _field_of_pydantic(self, metas: Iterable[Any]) -> Node:
        """Write what pydantic is told of a type that it reads."""
        words = tuple(Prefixed(f"{name}=", self._value(value)) for name, value in constraints(metas))
        return Group(f"{self._from('pydantic', 'Field')}(", words, ")", one_line=True)

    def _meta(self, metas: Iterable[Any]) -> Node:
        """Write all that is said of a type as one `Meta`."""
        given: dict[str, Any] = {}
        for meta in metas:
            if not isinstance(meta, msgspec.Meta):
                raise UnwritableError(f"{type(meta).__name__} in an Annotated has no source")
            given |= {name: getattr(meta, name) for name in _META if getattr(meta, name) is not None}
        words = tuple(Prefixed(f"{name}=", self._value(value)) for name, value in given.items())
        return Group(f"{self.imports.module('msgspec')}.Meta(", words, ")", one_line=True)

    def _class_name(self, kind: Any) -> str:
        """Import a class, a function or a special form, and say what it is called."""
        if kind is Any:
            return self._from("typing", "Any")
        module, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", "")
        if module == "builtins":
            return str(name)
        if not isinstance(kind, type | types.FunctionType | types.BuiltinFunctionType) or not name:
            raise UnwritableError(f"{kind!r} has no name to import")
        for shorter in (module.partition(".")[0], module):
            if reached(shorter, name) is kind:
                module = shorter
                break
        else:
            raise UnwritableError(f"{module}.{name} cannot be imported by its name")
        if module == "datetime":
            return f"{self.imports.module('datetime', 'dt')}.{name}"
        top, dot, rest = name.partition(".")
        return self._from(module, top) + dot + rest

    def _from(self, module: str, name: str) -> str:
        return self.imports.name(module, name, self.names.values())

    # -- values

    def _factory(self, info: FieldInfo) -> Node:
        factory: Any = info.default_factory
        if factory in {list, dict, set, frozenset, tuple}:
            return str(factory.__name__)
        if isinstance(factory, type) and issubclass(factory, pydantic.BaseModel):
            return Prefixed("lambda: ", self._value(factory()))
        if getattr(factory, "__name__", "") == "<lambda>":
            raise UnwritableError("its default is made by a lambda, which has no name to import")
        made = factory()
        if type(defaults.fitted(info.annotation, made)) is not type(made):
            raise UnwritableError(f"its default is made by a function that returns a {type(made).__name__} for it")
        if not is_shared(made):
            raise UnwritableError(f"its default is made by a function that returns a {type(made).__name__}")
        return self._class_name(factory)

    def _value(self, value: Any) -> Node:
        """Write a value as an expression."""
        if value is None or isinstance(value, bool):
            return repr(value)
        if isinstance(value, enum.Enum):
            return f"{self._class_name(type(value))}.{value.name}"
        kind = type(value)
        if kind is str:
            return _layout.text(value)
        if kind is float and not math.isfinite(value):
            return f'float("{value}")'
        if kind in {int, float, bytes}:
            return repr(value)
        if kind is Decimal or kind is UUID:
            return f'{self._class_name(kind)}("{value}")'
        if kind in {dt.date, dt.time, dt.datetime, dt.timedelta}:
            return (
                repr(value)
                .replace("datetime.", f"{self.imports.module('datetime', 'dt')}.")
                .replace("dt.timezone.utc", "dt.UTC")
            )
        if kind in {list, tuple, set, frozenset, collections.OrderedDict, dict}:
            return self._container(kind, value)
        if isinstance(value, pydantic.BaseModel):
            return self._object(value)
        raise UnwritableError(f"a {kind.__name__} has no source")  # nor does a secret: it would stand in a file

    def _container(self, kind: Any, value: Any) -> Node:
        if kind in {dict, collections.OrderedDict}:
            return Group("{", tuple(self._pair(key, item) for key, item in value.items()), "}")
        items = tuple(map(self._value, sorted(value, key=repr) if kind in {set, frozenset} else value))
        if kind is list:
            return Group("[", items, "]")
        if kind is tuple:
            return Group("(", items, ",)" if len(items) == 1 else ")")
        if kind is set and items:
            return Group("{", items, "}")
        return Group(f"{kind.__name__}(", (Group("{", items, "}"),) if items else (), ")", one_line=True)

    def _pair(self, key: Any, item: Any) -> Node:
        return Prefixed(f"{_layout.flat(self._value(key))}: ", self._value(item))

    def _object(self, value: pydantic.BaseModel) -> Node:
        """Write a model that is a default as the call that makes its Struct."""
        struct = next((struct for struct, model in self.models.items() if model is type(value)), None)
        if struct is None:
            raise UnwritableError(f"its default is a {type(value).__name__}, which is not among the models")
        self._add(struct)
        given = {name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set}
        words = tuple(Prefixed(f"{name}=", self._value(item)) for name, item in given.items())
        return Group(f"{self.names[struct]}(", words, ")", one_line=True)


def _rename(struct: type[msgspec.Struct]) -> str | None:
    """Find the one rule that renames every field, if that is shorter than to name each."""
    renamed = sum(a != b for a, b in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    if renamed < 2:
        return None
    for rule in _RENAMES:
        probe = msgspec.defstruct("Probe", list(struct.__struct_fields__), rename=rule)
        if probe.__struct_encode_fields__ == struct.__struct_encode_fields__:
            return rule
    return None


def _named_by(given: Iterable[type[pydantic.BaseModel]]) -> set[type[pydantic.BaseModel]]:
    """Find the models, and all that their fields name."""
    pending, seen = list(given), set(given)
    while pending:
        for model in _code.own(pending.pop())[1] - seen:
            seen.add(model)
            pending.append(model)
    return seen
