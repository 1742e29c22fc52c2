"""Every call of pydantic v1 does what its successor does, and says so."""

from __future__ import annotations

import json
import typing
import warnings
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias

import msgspec

from headrace._models.arguments import refuse
from headrace._models.dumping import fields_of
from headrace.errors import ValidationError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from headrace._models.dumping import Filter

_Members: TypeAlias = dict[str, Any]  # in the class below, `dict` is a method
#: What `json.dumps` takes beside `indent`, and pydantic v1 handed on to it.
_DUMPS: Final = frozenset({"allow_nan", "check_circular", "ensure_ascii", "separators", "skipkeys", "sort_keys"})
_PICKLES: Final = ("content_type", "proto", "allow_pickle")


def _tell(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated; use {new}", DeprecationWarning, stacklevel=3)


def _text(value: Any, indent: int | None, dumps: Mapping[str, Any]) -> str:
    """Write what JSON knows as `json.dumps` does where it is asked for by its arguments, else as msgspec does."""
    if dumps:
        compact = (",", ":") if indent is None else None
        return json.dumps(value, **{"indent": indent, "ensure_ascii": False, "separators": compact, **dumps})
    text = msgspec.json.encode(value)
    return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()


def _dumps(call: str, given: Mapping[str, Any], *known: str) -> _Members:
    """Part what `json.dumps` takes from what is refused."""
    refuse(call, {name: value for name, value in given.items() if name not in _DUMPS}, *known)
    return {name: value for name, value in given.items() if name in _DUMPS}


def _names(argument: str, given: Filter) -> set[Any]:
    """Read which whole fields are meant; raises `ValidationError` where it is a part of one."""
    if isinstance(given, Mapping):
        if any(inner is not True and inner is not ... for inner in given.values()):
            raise ValidationError(f"{argument}: copy() takes names of whole fields; for parts, copy the model inside")
        return set(given)
    if not isinstance(given, AbstractSet):
        raise ValidationError(f"{argument}: got {type(given).__name__}, takes a set of names")
    return set(given)


class _Fields:
    """The mapping of field names to msgspec's `FieldInfo`, read from the class or from an instance."""

    def __get__(self, instance: object, owner: type[msgspec.Struct]) -> _Members:
        return {**fields_of(owner)}


class DeprecatedCalls:
    """What pydantic v1 called the calls of a model; a field of the same name takes the place of the call."""

    __slots__ = ()

    #: What `model_fields` has. It gives no warning: whoever lists the members of a class would meet it.
    __fields__ = _Fields()

    @property
    def __fields_set__(self) -> set[str]:
        """What `model_fields_set` has."""
        return self.model_fields_set

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Give name and value of each field, so that ``dict(model)`` is the model's own level as a dict."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not msgspec.UNSET:
                yield name, value

    if TYPE_CHECKING:
        __struct_fields__: ClassVar[tuple[str, ...]]

        @property
        def model_fields_set(self) -> set[str]: ...

        @classmethod
        def model_validate(cls, obj: Any, *, strict: bool | None = None) -> Self: ...

        @classmethod
        def model_validate_json(cls, data: Any) -> Self: ...

        @classmethod
        def model_construct(cls, _fields_set: Any = None, **values: Any) -> Self: ...

        @classmethod
        def model_json_schema(cls, by_alias: bool = ..., ref_template: str = ...) -> _Members: ...  # noqa: FBT001 - pydantic's signature

        @classmethod
        def model_rebuild(cls, *, force: bool = False, raise_errors: bool = True) -> bool | None: ...

        def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self: ...

        def model_dump(
            self,
            *,
            mode: Literal["python", "json"] = "python",
            include: Filter = None,
            exclude: Filter = None,
            by_alias: bool | None = None,
            exclude_unset: bool = False,
            exclude_defaults: bool = False,
            exclude_none: bool = False,
        ) -> _Members: ...

        def model_dump_json(
            self,
            *,
            indent: int | None = None,
            include: Filter = None,
            exclude: Filter = None,
            by_alias: bool | None = None,
            exclude_unset: bool = False,
            exclude_defaults: bool = False,
            exclude_none: bool = False,
        ) -> str: ...

    def dict(
        self,
        *,
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **unsupported: Any,
    ) -> _Members:
        """Do what `model_dump` does, which is its name since pydantic v2."""
        _tell("dict()", "model_dump()")
        skip_defaults = bool(unsupported.pop("skip_defaults", False))  # what `exclude_unset` was called before
        refuse("dict", unsupported)
        return self.model_dump(
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            exclude_unset=exclude_unset or skip_defaults,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
        )

    def json(
        self,
        *,
        indent: int | None = None,
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **unsupported: Any,
    ) -> str:
        """Do what `model_dump_json` does, which is its name since pydantic v2; it also takes `sort_keys` and the like.

        Args:
            indent: As in `model_dump_json`, and so are the others.
            include: Names to keep.
            exclude: Names to drop.
            by_alias: Use the names that the fields are encoded with.
            exclude_unset: The same as `exclude_defaults`.
            exclude_defaults: Leave out fields that equal their default.
            exclude_none: Leave out fields that are `None`.
            unsupported: Arguments of `json.dumps`, which then writes the text; others where they change nothing.
        """
        _tell("json()", "model_dump_json()")
        skip_defaults = bool(unsupported.pop("skip_defaults", False))
        dumps = _dumps("json", unsupported, "encoder", "models_as_dict")
        options: Any = {
            "include": include,
            "exclude": exclude,
            "by_alias": by_alias,
            "exclude_unset": exclude_unset or skip_defaults,
            "exclude_defaults": exclude_defaults,
            "exclude_none": exclude_none,
        }
        if dumps:
            return _text(self.model_dump(mode="json", **options), indent, dumps)
        return self.model_dump_json(indent=indent, **options)

    def copy(
        self,
        *,
        include: Filter = None,
        exclude: Filter = None,
        update: Mapping[str, Any] | None = None,
        deep: bool = False,
    ) -> Self:
        """Do what `model_copy` does, which is its name since pydantic v2.

        Args:
            include: Names of the fields that the copy has; the others are `msgspec.UNSET`, which no dump shows.
            exclude: Names of the fields that it has not; it wins over `include`.
            update: As in `model_copy`; it wins over both.
            deep: As in `model_copy`.
        """
        _tell("copy()", "model_copy()")
        names = set(self.__struct_fields__)
        dropped = set() if include is None else names - _names("include", include)
        dropped |= set() if exclude is None else names & _names("exclude", exclude)
        return self.model_copy(update={**dict.fromkeys(dropped, msgspec.UNSET), **(update or {})}, deep=deep)

    @classmethod
    def parse_obj(cls, obj: Any) -> Self:
        """Do what `model_validate` does, which is its name since pydantic v2."""
        _tell("parse_obj()", "model_validate()")
        return cls.model_validate(obj)

    @classmethod
    def from_orm(cls, obj: Any) -> Self:
        """Do what `model_validate` does, which is its name since pydantic v2."""
        _tell("from_orm()", "model_validate()")
        return cls.model_validate(obj)

    @classmethod
    def validate(cls, value: Any) -> Self:
        """Do what `model_validate` does, which is its name since pydantic v2."""
        _tell("validate()", "model_validate()")
        return cls.model_validate(value)

    @classmethod
    def parse_raw(cls, b: bytes | str, *, encoding: str = "utf8", **unsupported: Any) -> Self:
        """Do what `model_validate_json` does, which is its name since pydantic v2."""
        _tell("parse_raw()", "model_validate_json()")
        refuse("parse_raw", unsupported, *_PICKLES)
        return cls.model_validate_json(b.decode(encoding) if isinstance(b, bytes) and encoding != "utf8" else b)

    @classmethod
    def parse_file(cls, path: str | os.PathLike[str], *, encoding: str = "utf8", **unsupported: Any) -> Self:
        """Read a file of JSON text, and do what `model_validate_json` does.

        Args:
            path: The file.
            encoding: Of its text.
            unsupported: Other arguments of pydantic, where they change nothing.

        Raises:
            OSError: The file cannot be read.
        """
        _tell("parse_file()", "model_validate_json()")
        refuse("parse_file", unsupported, *_PICKLES)
        data = Path(path).read_bytes()
        return cls.model_validate_json(data if encoding == "utf8" else data.decode(encoding))

    @classmethod
    def construct(cls, _fields_set: Any = None, **values: Any) -> Self:
        """Do what `model_construct` does, which is its name since pydantic v2."""
        _tell("construct()", "model_construct()")
        return cls.model_construct(_fields_set, **values)

    @classmethod
    def schema(cls, by_alias: bool = True, ref_template: str = "#/$defs/{model}") -> _Members:  # noqa: FBT001, FBT002 - as in pydantic
        """Do what `model_json_schema` does, which is its name since pydantic v2."""
        _tell("schema()", "model_json_schema()")
        return cls.model_json_schema(by_alias, ref_template)

    @classmethod
    def schema_json(
        cls,
        *,
        by_alias: bool = True,
        ref_template: str = "#/$defs/{model}",
        indent: int | None = None,
        **unsupported: Any,
    ) -> str:
        """Write what `model_json_schema` gives, as JSON text."""
        _tell("schema_json()", "json.dumps(model_json_schema())")
        return _text(cls.model_json_schema(by_alias, ref_template), indent, _dumps("schema_json", unsupported))

    @classmethod
    def update_forward_refs(cls, **localns: Any) -> None:
        """Do what `model_rebuild` does, which is its name since pydantic v2.

        Args:
            localns: What names in the annotations stand for, beside those of the module.

        Raises:
            ValidationError: A name is not known.
        """
        _tell("update_forward_refs()", "model_rebuild()")
        if localns:
            try:
                known = typing.get_type_hints(cls, localns=localns, include_extras=True)
            except NameError as error:
                raise ValidationError(f"{cls.__name__}: {error}") from error
            own = vars(cls).get("__annotations__", {})
            cls.__annotations__ = {name: known[name] for name in own}  # where msgspec reads them
        cls.model_rebuild(force=True)
