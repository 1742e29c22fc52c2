"""What type checkers must see of models: read by mypy and pyright, never run."""

from typing import Any, assert_type

import pydantic
from pydantic.alias_generators import to_camel

from headrace import AsyncClient, BaseModel, Dump, Response
from headrace.compat.pydantic import structify


class User(Response, extra="forbid", alias_generator=to_camel, frozen=True, kw_only=True):
    """A Struct with settings of both libraries."""

    user_id: int
    name: str = ""


class Point(BaseModel, frozen=True, extra="ignore"):
    """A Struct that cannot be changed."""

    x: int


class Old(pydantic.BaseModel):
    """A pydantic model."""

    id: int = 0


user = User(user_id=1)
assert_type(User.model_validate({}, strict=False, from_attributes=True, context=None), User)
assert_type(User.model_validate_json(b"", strict=None), User)
assert_type(User.model_construct(user_id=1), User)
assert_type(User.parse_obj({}), User)
assert_type(User.parse_raw(b""), User)
assert_type(user.copy(update={}), User)
assert_type(user.dict(), dict[str, Any])
assert_type(user.json(), str)
assert_type(user.model_copy(deep=True), User)
assert_type(user.model_fields_set, set[str])
assert_type(User.model_json_schema(), dict[str, Any])
assert_type(BaseModel.model_rebuild(force=True), bool | None)


FastOld = structify(Old, validators="drop", lossy={"extra", "names"})
assert_type(FastOld.model_validate_json(b"").id, int)
assert_type(FastOld(id=1).id, int)
assert_type(structify(Old), type[Old])


async def main(client: AsyncClient) -> None:
    """Send a part of a model."""
    assert_type(await client.patch("/x", body=Dump(Old(), exclude_none=True), response_format=Old), Old)
    await client.get("/x", parameters=Dump(user), headers=Dump(Old()))
    assert_type((await client.get("/x", response_format=FastOld)).id, int)
