"""The demo's models once more, as pydantic's: made from the Structs, field by field, where they are asked for."""

from __future__ import annotations

import functools
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pydantic

from headrace.cli import _models
from headrace.compat.pydantic import PaginatedResponse, Response
from headrace.models import BaseModel

_BASES: dict[type, tuple[type, ...]] = {
    _models.SubdivisionPage: (_models.Numbered, PaginatedResponse),
    _models.LanguagePage: (_models.Numbered, PaginatedResponse),
}


@functools.cache
def _twin(struct: type[msgspec.Struct]) -> type[pydantic.BaseModel]:
    """Make the pydantic model of a Struct."""
    hints = get_type_hints(struct)
    fields: dict[str, Any] = {
        field.name: (_twinned(hints[field.name]), ... if field.required else field.default)
        for field in msgspec.structs.fields(struct)
        if field.name not in Response.model_fields
    }
    made: type[pydantic.BaseModel] = pydantic.create_model(
        struct.__name__, __base__=_BASES.get(struct, (Response,)), __doc__=struct.__doc__, **fields
    )
    return made


def _twinned(hint: Any) -> Any:
    """Put the twins of Structs into a type."""
    if get_origin(hint) is list:
        return list[_twinned(get_args(hint)[0])]  # type: ignore[misc] # made at run time
    return _twin(hint) if isinstance(hint, type) and issubclass(hint, BaseModel) else hint


#: Kind of record -> its models.
KIT = {
    kind: _models.Formats(_twinned(formats.listing), _twin(formats.listed), _twin(formats.single))
    for kind, formats in _models.KIT.items()
}
