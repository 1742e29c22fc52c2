"""The older framework's models, as pydantic models of version 2 that are told apart from it by no call."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

try:
    import pydantic

    from headrace.compat import pydantic as _models
except ImportError as missing:
    message = (
        "the models of headrace.compat.arya are pydantic models: pip install 'headrace[pydantic]', or take the Structs"
        " of headrace (from headrace import BaseModel, Response)"
    )
    raise ImportError(message) from missing

from headrace import models as structs
from headrace._models.pages import Pages
from headrace.compat.arya.utils import FrameworkEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BaseModel", "PaginatedResponse", "Response"]

_Members: TypeAlias = dict[str, Any]  # in the class below, `dict` is a method


class BaseModel(_models.BaseModel):
    """A pydantic model that refuses fields it does not know, as the older framework's did.

    The calls of pydantic v1 are there; those that pydantic itself still has warn of their successors.
    """

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(extra="forbid")

    def dict(
        self,
        *,
        include: Any = None,
        exclude: Any = None,
        by_alias: bool = False,
        skip_defaults: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
    ) -> _Members:
        """Do what `model_dump` does; `skip_defaults` is an older name of `exclude_unset`."""
        return self.model_dump(
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            exclude_unset=exclude_unset or bool(skip_defaults),
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
        )

    def json(
        self,
        *,
        include: Any = None,
        exclude: Any = None,
        by_alias: bool = False,
        skip_defaults: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        encoder: Any = None,
        models_as_dict: bool = True,
        **dumps_kwargs: Any,
    ) -> str:
        """Write the text that the older framework wrote; what is not named goes to `json.dumps`."""
        del models_as_dict  # a model inside is always dumped
        members = self.dict(
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            skip_defaults=skip_defaults,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
        )
        if encoder is not None:
            return json.dumps(members, default=encoder, **dumps_kwargs)
        return json.dumps(members, cls=FrameworkEncoder, **dumps_kwargs)

    @classmethod
    def update_forward_refs(cls, **localns: Any) -> None:
        """Do what `model_rebuild` does, with names that the module does not have."""
        known = {**vars(sys.modules[cls.__module__]), **localns}
        cls.model_rebuild(force=True, _types_namespace=known)

    def flatten(self, obj: Mapping[str, Any] | None = None, prefix: str | None = None) -> _Members:  # type: ignore[override]  # the older signature
        """Turn the model into one flat dict with dotted keys, of what was set.

        Args:
            obj: A mapping that is flattened instead of the model.
            prefix: What stands before every key.
        """
        flat = structs.flatten(obj or self.model_dump(exclude_unset=True))
        return flat if prefix is None else {f"{prefix}.{key}": value for key, value in flat.items()}


class Response(BaseModel, _models.Response):  # pyright: ignore[reportIncompatibleMethodOverride]  # the older `flatten`
    """A model that knows who answered (`base_uri`) and when (`time`)."""


class PaginatedResponse(Response, Pages):
    """One page of many; a subclass says how to get from one to the others."""

    __struct_base__ = _models.PaginatedResponse.__struct_base__
