"""Everything that turns a pydantic model into a msgspec Struct lives here.

The law: a Struct reads and writes the JSON that its model reads and writes, or it is not made. What msgspec does
otherwise is a problem, and every problem is named. Two differences are meant: a Struct is strict, and does not read a
number from text; and methods are not carried over.
"""

from __future__ import annotations

import copy
import datetime as dt
import enum
import inspect
import re
import threading
import types
import uuid
import warnings
from collections import abc, defaultdict
from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
)
from weakref import WeakKeyDictionary

import annotated_types as at
import msgspec
import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import TypeAliasType

from headrace import models
from headrace.errors import StructifyError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Model: TypeAlias = type[pydantic.BaseModel]
_Struct: TypeAlias = type[models.BaseModel]

_TEMPORAL: Final = frozenset({dt.datetime, dt.date, dt.time, dt.timedelta})
#: Types that both libraries read and write the same way.
_SAME: Final = frozenset({Any, bool, int, float, str, None, type(None), uuid.UUID, Decimal}) | _TEMPORAL
_KEYS: Final = _SAME - {bool, None, type(None)}
_MAPPINGS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_CONTAINERS: Final = frozenset({list, set, frozenset, tuple, abc.Sequence, abc.Set}) | _MAPPINGS
#: What `Annotated` makes pydantic read base64, as msgspec does.
_BASE64: Final = get_args(pydantic.Base64Bytes)[1]
#: Defaults that instances may share.
_IMMUTABLE: Final = (type(None), bool, int, float, str, bytes, enum.Enum, uuid.UUID, Decimal, *_TEMPORAL)

#: Constraints that have the same name and meaning in `msgspec.Meta`.
_CONSTRAINTS: Final = frozenset({"gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern"})
#: Constraints that change nothing for a strict reader of JSON.
_IDLE_CONSTRAINTS: Final = frozenset({"strict", "allow_inf_nan", "fail_fast"})
#: Syntax of Rust's regular expressions that Python takes, but for something else.
_FOREIGN_REGEX: Final = re.compile(r"\\[<>]|\\[bB]\{|[*+?}]\+|\(\?[a-zA-Z]*[mx]")
_ESCAPE_OR_CLASS: Final = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])", re.DOTALL)

#: Words that set what pydantic does anyway.
_CONFIG_DEFAULTS: Final = frozenset({"never", "utf8", "null", "iso8601", "infer"})
#: Settings that do not change the JSON that is read or written, or that are dealt with below.
_IDLE_CONFIG: Final = frozenset(re.findall(r"\w+", """
    alias_generator allow_inf_nan arbitrary_types_allowed cache_strings defer_build extra field_title_generator
    from_attributes frozen hide_input_in_errors ignored_types json_schema_extra json_schema_mode_override
    json_schema_serialization_defaults_required loc_by_alias model_title_generator plugin_settings populate_by_name
    protected_namespaces regex_engine schema_generator serialize_by_alias strict title use_attribute_docstrings
    validate_by_alias validate_by_name validation_error_cause
"""))  # fmt: skip

_lock = threading.RLock()
_made: WeakKeyDictionary[_Model, _Struct] = WeakKeyDictionary()


class _Unfaithful(Exception):
    """Why something cannot be carried over."""


def structify(model: type[pydantic.BaseModel]) -> type[models.BaseModel]:
    """Derive the msgspec Struct of a pydantic v2 model; asked again, it gives the same class.

    Args:
        model: The model; the models that its fields name are derived with it.

    Returns:
        A Struct class with the model's name, module, docstring and fields, but without its methods.

    Raises:
        StructifyError: Something of the model has no faithful counterpart; it names every such field, with the reason.
        ValidationError: `model` is not a pydantic v2 model class.
    """
    given: Any = model
    if not (isinstance(given, type) and issubclass(given, pydantic.BaseModel)):
        raise ValidationError(f"model: got {model!r}, takes a pydantic v2 model class")
    with _lock:
        if model not in _made:
            workshop = _Workshop()
            workshop.build(model)
            workshop.finish()
            problems = dict(workshop.report(model))
            if problems:
                raise StructifyError(model.__name__, problems)
            _made.update(workshop.structs)
        return _made[model]


class _Workshop:
    """The Structs of one model and of all that it names, while they are made."""

    def __init__(self) -> None:
        self.structs: dict[_Model, _Struct] = {}
        self.problems: dict[_Model, dict[str, str]] = {}
        #: Which models the fields of a model name.
        self.nested: dict[_Model, dict[str, list[_Model]]] = {}
        #: Models that were named while they were being made, and the names that stand for their Structs.
        self.forward: dict[_Model, str] = {}
        self.aliases: list[Any] = []

    def build(self, model: _Model) -> None:
        """Make the Struct of a model; what cannot be carried over is left out, and a problem."""
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)
        problems = self.problems[model] = dict(_model_problems(model))
        base = getattr(model, "__struct_base__", models.BaseModel)
        self.nested[model] = defaultdict(list)
        fields: list[tuple[str, Any, Any]] = []
        for name, info in model.model_fields.items():
            try:
                settings = {"name": _alias(model, name, info), **_default(info)}
                fields.append((name, self.annotation(model, name, info), msgspec.field(**settings)))
            except _Unfaithful as reason:
                problems.setdefault(name, str(reason))
        try:
            struct = msgspec.defstruct(
                model.__name__,
                fields,
                bases=(models.Response if inspect.isabstract(base) else base,),
                module=model.__module__,
                namespace={"__doc__": model.__doc__},
                kw_only=True,
                frozen=bool(model.model_config.get("frozen")),
                forbid_unknown_fields=model.model_config.get("extra") == "forbid",
            )
        except (TypeError, ValueError) as error:  # such as two fields with one alias
            problems["model_config"] = str(error)
            struct = msgspec.defstruct(model.__name__, [])
        self.structs[model] = cast("_Struct", struct)

    def finish(self) -> None:
        """Make the Structs usable, and find what msgspec refuses; a field whose model has a problem is passed over."""
        for struct in self.structs.values():
            for target, name in self.forward.items():
                setattr(struct, name, self.structs[target])  # msgspec looks for names in the class first
        tainted = {model for model, problems in self.problems.items() if problems}
        for model, struct in self.structs.items():
            for field in msgspec.structs.fields(struct):
                if not tainted.isdisjoint(self.nested[model][field.name]):
                    tainted.add(model)
                    continue
                try:
                    msgspec.json.Decoder(field.type)
                except (TypeError, ValueError) as error:
                    self.problems[model].setdefault(field.name, str(error))
                    tainted.add(model)

    def report(
        self, model: _Model, prefix: str = "", seen: frozenset[_Model] = frozenset()
    ) -> Iterator[tuple[str, str]]:
        """Name every problem by the dotted path of its field."""
        for name, reason in self.problems[model].items():
            yield prefix + name, reason
        for name, inner in self.nested[model].items():
            for target in inner:
                if target is not model and target not in seen:
                    yield from self.report(target, f"{prefix}{name}.", seen | {model})

    def annotation(self, model: _Model, name: str, info: FieldInfo) -> Any:
        """Write the whole annotation of a field for msgspec."""
        if info.discriminator is not None:
            raise _Unfaithful("a discriminated union needs tagged Structs")
        if info.frozen and not model.model_config.get("frozen"):
            raise _Unfaithful("a Struct is frozen as a whole")
        kind = self.annotated(model, name, info.annotation, info.metadata)
        notes = ((note, getattr(info, note)) for note in ("title", "description", "examples"))
        given = {note: value for note, value in notes if value is not None}
        return Annotated[kind, msgspec.Meta(**given)] if given else kind

    def annotated(self, model: _Model, name: str, kind: Any, metadata: Sequence[Any]) -> Any:
        """Write a type with its constraints for msgspec."""
        if kind is bytes and _BASE64 in metadata:
            return _constrained(bytes, [meta for meta in metadata if meta != _BASE64], model)
        return _constrained(self.kind(model, name, kind), metadata, model)

    def kind(self, model: _Model, name: str, kind: Any) -> Any:
        """Write a type for msgspec."""
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self.annotated(model, name, args[0], args[1:])
        if origin is Literal or kind in _SAME or kind in _CONTAINERS:
            return kind
        if origin in {Union, types.UnionType}:
            return Union[tuple(self.kind(model, name, arg) for arg in args)]  # noqa: UP007 - made at run time
        if origin in _CONTAINERS:
            inner = tuple(arg if arg is ... else self.kind(model, name, arg) for arg in args)
            if origin in _MAPPINGS and args and not _is_key(inner[0]):
                raise _Unfaithful(f"{args[0]} is no key that both libraries read and write the same way")
            return cast("Any", origin)[inner] if inner else kind
        return self.named(model, name, kind)

    def named(self, model: _Model, name: str, kind: Any) -> Any:
        """Write a type that someone gave a name."""
        if kind is bytes:
            raise _Unfaithful(
                "pydantic reads the text itself, msgspec reads base64: declare it as pydantic.Base64Bytes"
            )
        if isinstance(kind, TypeAliasType) and kind not in self.aliases:
            self.aliases.append(kind)
            written = self.kind(model, name, kind.__value__)
            self.aliases.remove(kind)
            return written
        if isinstance(kind, NewType):
            return self.kind(model, name, kind.__supertype__)
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            return self.struct(model, name, kind)
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and not issubclass(kind, enum.Flag):
            return kind
        raise _Unfaithful(f"{kind} is no type that both libraries read and write the same way")

    def struct(self, model: _Model, name: str, target: _Model) -> Any:
        """Find or make the Struct of a nested model."""
        if target in _made:
            return _made[target]
        self.nested[model][name].append(target)
        if target not in self.problems:
            self.build(target)
        if target in self.structs:
            return self.structs[target]
        return ForwardRef(self.forward.setdefault(target, f"_forward_{len(self.forward)}"))


def _model_problems(model: _Model) -> Iterator[tuple[str, str]]:
    """Name what a model does beside its fields."""
    config = model.model_config
    if config.get("extra") == "allow":
        yield "model_config.extra", "a Struct has no place for extra fields"
    for key, value in config.items():
        if key not in _IDLE_CONFIG and value and value not in _CONFIG_DEFAULTS:
            yield f"model_config.{key}", "msgspec has no such setting"
    if issubclass(model, pydantic.RootModel):
        yield "root", "a root model is its value, a Struct is an object"
    for name in model.__private_attributes__:
        if not name.startswith("_headrace_"):
            yield name, "a Struct has no private attributes"
    for name in sorted(getattr(getattr(model, "__struct_base__", None), "__abstractmethods__", ())):
        yield name, "methods are not carried over, and a page is nothing without them"
    yield from _code_problems(model)


def _code_problems(model: _Model) -> Iterator[tuple[str, str]]:
    """Name the code that runs when a model is read or written, by the field that it is for."""
    found = model.__pydantic_decorators__
    of_fields: tuple[dict[str, Any], ...] = (found.validators, found.field_validators, found.field_serializers)
    for decorator in (each for group in of_fields for each in group.values()):
        for name in model.model_fields if "*" in decorator.info.fields else decorator.info.fields:
            yield name, f"{decorator.cls_var_name} runs code"
    for name in (*found.root_validators, *found.model_validators, *found.model_serializers):
        yield name, "runs code on the whole model"
    for name in found.computed_fields:
        yield name, "a computed field is written but never read"
    if model.__pydantic_custom_init__:
        yield "__init__", "runs code"
    # Pydantic wraps the method when there are private attributes, and makes one itself when there is none.
    if not inspect.unwrap(model.model_post_init).__module__.startswith("pydantic."):
        yield "model_post_init", "runs code"
    hook = "__get_pydantic_core_schema__"
    if getattr(model, hook).__func__ is not getattr(pydantic.BaseModel, hook).__func__:
        yield hook, "runs code"


def _alias(model: _Model, name: str, info: FieldInfo) -> str | None:
    """Find the one name that a field has in JSON, or `None` when it is its own."""
    config = model.model_config
    read = info.validation_alias or info.alias or name
    written = info.serialization_alias or info.alias or name
    if not isinstance(read, str):
        raise _Unfaithful(f"a Struct reads a field by one name, not by {read!r}")
    if read != name and config.get("validate_by_alias") is False:
        read = name
    if read != written:
        raise _Unfaithful(f"it is read as {read!r} but written as {written!r}")
    if read != name and (config.get("populate_by_name") or config.get("validate_by_name")):
        raise _Unfaithful(f"a Struct reads a field by one name, not both as {name!r} and as {read!r}")
    return None if read == name else read


def _default(info: FieldInfo) -> dict[str, Any]:
    """Find the arguments of `msgspec.field` for what a field is when it is missing."""
    if info.exclude or getattr(info, "exclude_if", None) is not None:
        raise _Unfaithful("it is read but not written")
    if info.validate_default:
        raise _Unfaithful("its default is validated")
    if info.default_factory_takes_validated_data:
        raise _Unfaithful("its default is made from other fields")
    factory = cast("Any", info.default_factory)
    if factory is not None:
        return {"default_factory": factory if factory in {list, dict, set} else lambda: _carried(factory())}
    if info.default is PydanticUndefined:
        return {}
    if isinstance(info.default, _IMMUTABLE):
        return {"default": info.default}
    return {"default_factory": lambda: _carried(info.default)}


def _carried(value: Any) -> Any:
    """Copy a default, with Structs in place of models."""
    if isinstance(value, pydantic.BaseModel):
        names = type(value).model_fields
        return structify(type(value))(**{name: _carried(getattr(value, name)) for name in names})
    if isinstance(value, dict):
        return {key: _carried(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_carried(item) for item in value])
    return copy.deepcopy(value)


def _is_key(kind: Any) -> bool:
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(kind) is Literal:
        return all(isinstance(value, str) for value in get_args(kind))
    return kind in _KEYS or (isinstance(kind, type) and issubclass(kind, enum.Enum))


def _constrained(kind: Any, metadata: Iterable[Any], model: _Model) -> Any:
    """Put constraints on a type; of a union, on each member but `None`, as msgspec wants them."""
    kept: dict[str, Any] = {}
    for name, value in _constraints(metadata):
        if name not in _CONSTRAINTS:
            raise _Unfaithful(f"msgspec has no constraint {name!r}")
        kept[name] = _python_regex(value, model) if name == "pattern" else value
    if not kept:
        return kind
    try:
        meta = msgspec.Meta(**kept)
    except (TypeError, ValueError) as error:
        raise _Unfaithful(str(error)) from error
    if get_origin(kind) is Union:
        return Union[tuple(arg if arg is type(None) else Annotated[arg, meta] for arg in get_args(kind))]  # noqa: UP007
    return Annotated[kind, meta]


def _constraints(metadata: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Name the single constraints in the metadata of an `Annotated`."""
    for meta in metadata:
        if isinstance(meta, FieldInfo):
            if meta.discriminator is not None:
                raise _Unfaithful("a discriminated union needs tagged Structs")
            yield from _constraints(meta.metadata)
        elif isinstance(meta, at.GroupedMetadata):
            yield from _constraints(meta)
        elif isinstance(meta, at.BaseMetadata):
            # Pydantic's own are no dataclasses, but have the names in the instance's dict.
            names: Iterable[str] = getattr(meta, "__dataclass_fields__", None) or vars(meta)
            found = ((name, getattr(meta, name)) for name in names if name not in _IDLE_CONSTRAINTS)
            yield from (constraint for constraint in found if constraint[1] is not None)
        elif hasattr(meta, "__get_pydantic_core_schema__"):
            raise _Unfaithful(f"{type(meta).__name__} runs code or changes the type")


def _python_regex(pattern: str | re.Pattern[str], model: _Model) -> str:
    """Write a pattern for Python's `re`, which msgspec searches with."""
    if isinstance(pattern, re.Pattern):
        if pattern.flags != re.UNICODE:
            raise _Unfaithful("msgspec has no flags for a pattern")
        return pattern.pattern
    if model.model_config.get("regex_engine") == "python-re":
        return pattern
    if _FOREIGN_REGEX.search(pattern):
        raise _Unfaithful(f"the pattern {pattern!r} means something else in Python than in Rust")
    # Python's `$` also matches before a newline at the end; Rust's does not. Every second part is an escape or a class.
    parts = _ESCAPE_OR_CLASS.split(pattern)
    written = "".join(part if i % 2 else part.replace("$", r"\Z") for i, part in enumerate(parts))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # Python warns of nested classes, which Rust has
        try:
            re.compile(written)
        except (re.error, FutureWarning) as error:
            raise _Unfaithful(f"the pattern {pattern!r} is not for Python: {error}") from error
    return written
