"""Every call of pydantic v1 does what its successor does, and says so."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import msgspec

from headrace._models.arguments import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace._models.dumping import Filter

_Members: TypeAlias = dict[str, Any]  # in the class below, `dict` is a method


def _tell(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated; use {new}", DeprecationWarning, stacklevel=3)


class DeprecatedCalls:
    """What pydantic v1 called the calls of a model; a field of the same name takes the place of the call."""

    __slots__ = ()

    if TYPE_CHECKING:

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
        refuse("dict", unsupported, "skip_defaults")
        return self.model_dump(
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            exclude_unset=exclude_unset,
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
        """Do what `model_dump_json` does, which is its name since pydantic v2."""
        _tell("json()", "model_dump_json()")
        refuse("json", unsupported, "skip_defaults", "encoder", "models_as_dict", "ensure_ascii")
        return self.model_dump_json(
            indent=indent,
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
        )

    def copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False, **unsupported: Any) -> Self:
        """Do what `model_copy` does, which is its name since pydantic v2."""
        _tell("copy()", "model_copy()")
        refuse("copy", unsupported, "include", "exclude")
        return self.model_copy(update=update, deep=deep)

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
        refuse("parse_raw", unsupported, "content_type", "proto", "allow_pickle")
        return cls.model_validate_json(b.decode(encoding) if isinstance(b, bytes) and encoding != "utf8" else b)

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
        refuse("schema_json", unsupported, "ensure_ascii")
        text = msgspec.json.encode(cls.model_json_schema(by_alias, ref_template))
        return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()

    @classmethod
    def update_forward_refs(cls) -> None:
        """Do what `model_rebuild` does, which is its name since pydantic v2."""
        _tell("update_forward_refs()", "model_rebuild()")
        cls.model_rebuild(force=True)
