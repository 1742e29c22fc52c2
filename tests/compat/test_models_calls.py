"""What the calls of pydantic v2 and v1 do on a Struct, beside what they do on the same model of pydantic's."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import pydantic
import pytest
from pydantic.alias_generators import to_camel

from headrace.errors import ValidationError
from headrace.models import BaseModel, PaginatedResponse

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Address(BaseModel, rename="camel"):
    """A nested model."""

    city: str
    zip_code: str | None = None


class User(BaseModel, rename="camel", kw_only=True):
    """A model with an alias, a default and a nested model."""

    user_id: int
    address: Address
    tags: list[str] = msgspec.field(default_factory=list)
    born: dt.date | None = None


class Node(BaseModel):
    """A model that contains itself."""

    children: list[Node] = msgspec.field(default_factory=list)


class Box(BaseModel, Generic[T]):
    """A generic model."""

    item: T


class PydanticAddress(pydantic.BaseModel, alias_generator=to_camel):
    """The twin of `Address`."""

    city: str
    zip_code: str | None = None


class PydanticUser(pydantic.BaseModel, alias_generator=to_camel):
    """The twin of `User`."""

    user_id: int
    address: PydanticAddress
    tags: list[str] = []
    born: dt.date | None = None


JSON = b'{"userId": 1, "address": {"city": "Ulm", "zipCode": "89073"}, "born": "2000-01-02"}'


@pytest.fixture
def user() -> User:
    """Make a user."""
    return User.model_validate_json(JSON)


@pytest.fixture
def twin() -> PydanticUser:
    """Make the same user, of pydantic's."""
    return PydanticUser.model_validate_json(JSON)


def test_repr_and_equality_are_those_of_pydantic(user: User, twin: PydanticUser) -> None:
    """The repr names every field, and models are equal by class and fields."""
    assert repr(user) == repr(twin).replace("Pydantic", "")
    assert user == User.model_validate_json(JSON)
    assert user != user.model_copy(update={"user_id": 2})
    assert Address("Ulm") != Box("Ulm")


def test_arguments_that_say_what_a_struct_does_are_taken(user: User, twin: PydanticUser) -> None:
    """Code that spells out pydantic's own defaults goes on working."""
    dump: dict[str, Any] = {
        "context": None,
        "by_alias": None,
        "round_trip": False,
        "warnings": "none",
        "serialize_as_any": False,
        "fallback": None,
    }
    assert user.model_dump(**dump) == twin.model_dump(**dump)
    assert user.model_dump_json(**dump, ensure_ascii=False) == twin.model_dump_json(**dump, ensure_ascii=False)
    read: dict[str, Any] = {"strict": None, "context": None, "by_alias": True, "by_name": False, "extra": None}
    assert User.model_validate_json(JSON, **read) == user
    assert User.model_validate(msgspec.json.decode(JSON), **read, from_attributes=True) == user
    assert User.model_rebuild(_types_namespace=None) is None


REFUSED: list[tuple[str, str, Callable[[User], Any]]] = [
    ("context", "model_dump", lambda user: user.model_dump(context={})),
    ("round_trip", "model_dump", lambda user: user.model_dump(round_trip=True)),
    ("fallback", "model_dump_json", lambda user: user.model_dump_json(fallback=str)),
    ("ensure_ascii", "model_dump_json", lambda user: user.model_dump_json(ensure_ascii=True)),
    ("by_name", "model_validate", lambda _: User.model_validate({}, by_name=True)),
    ("by_alias", "model_validate", lambda _: User.model_validate({}, by_alias=False)),
    ("extra", "model_validate_json", lambda _: User.model_validate_json(JSON, extra="allow")),
    ("by_alias", "model_json_schema", lambda _: User.model_json_schema(by_alias=False)),
    ("schema_generator", "model_json_schema", lambda _: User.model_json_schema(schema_generator=object)),
    ("_types_namespace", "model_rebuild", lambda _: User.model_rebuild(_types_namespace={})),
]


@pytest.mark.parametrize(("argument", "call", "act"), REFUSED, ids=[f"{call} {name}" for name, call, _ in REFUSED])
def test_arguments_that_a_struct_cannot_follow_are_refused(
    user: User, argument: str, call: str, act: Callable[[User], Any]
) -> None:
    """An argument that would change something is named, with the call and the reason."""
    with pytest.raises(ValidationError, match=rf"^{argument}: {call}\(\) of a Struct cannot take it: \w"):
        act(user)


def test_arguments_that_nobody_knows_are_a_type_error(user: User) -> None:
    """A misspelt argument does not pass in silence."""
    for act in (lambda: user.model_dump(exclude_nones=True), lambda: User.model_validate({}, scrict=True)):
        with pytest.raises(TypeError, match=r"unexpected keyword argument '(exclude_nones|scrict)'"):
            act()


def test_strict_and_from_attributes(user: User) -> None:
    """`strict=False` reads numbers from text, and `from_attributes=False` takes mappings only."""
    loose = User.model_validate_json(JSON.replace(b"1,", b'"1",'), strict=False)
    assert loose == user
    with pytest.raises(ValidationError, match="userId"):
        User.model_validate_json(JSON.replace(b"1,", b'"1",'))
    with pytest.raises(ValidationError, match=r"Expected `object`"):
        Address.model_validate(PydanticAddress(city="Ulm"), from_attributes=False)
    assert Address.model_validate(PydanticAddress(city="Ulm")) == Address("Ulm")


def test_model_construct_validates_nothing() -> None:
    """Values are taken by name or alias, defaults are filled in, and what is not known is dropped."""
    assert User.model_construct(user_id="x", address=None) == User(user_id="x", address=None)  # type: ignore[arg-type]
    assert User.model_construct({"userId"}, userId=1, address=2, more=3).model_dump() == {
        "user_id": 1,
        "address": 2,
        "tags": [],
        "born": None,
    }
    first, second = User.model_construct(), User.model_construct()
    assert first.tags is not second.tags
    assert first.model_dump() == PydanticUser.model_construct().model_dump() == {"tags": [], "born": None}
    assert msgspec.json.encode(first) == b'{"tags":[],"born":null}'


def test_model_fields_set_is_what_exclude_unset_keeps(user: User, twin: PydanticUser) -> None:
    """The fields that do not equal their default are those that were set, as far as anybody can tell."""
    assert user.model_fields_set == twin.model_fields_set == {"user_id", "address", "born"}
    assert user.model_dump(exclude_unset=True) == twin.model_dump(exclude_unset=True)
    assert User.model_construct().model_fields_set == set()
    assert user.model_extra is twin.model_extra is None


def test_json_schema_has_the_properties_where_pydantic_has_them() -> None:
    """The schema describes the model itself, and refers to others in its `$defs`, by the template that is given."""
    schema, twin = User.model_json_schema(), PydanticUser.model_json_schema()
    assert schema["properties"].keys() == twin["properties"].keys()
    assert schema["required"] == twin["required"]
    assert (schema["title"], schema["type"]) == ("User", "object")
    assert schema["properties"]["address"] == {"$ref": "#/$defs/Address"}
    assert set(schema["$defs"]) == {"User", "Address"}
    moved = User.model_json_schema(ref_template="#/components/{model}")
    assert moved["properties"]["address"] == {"$ref": "#/components/Address"}
    assert Node.model_json_schema()["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_model_rebuild_looks_up_names() -> None:
    """Nothing is to be done where all names are known, and a name that is not known is told."""
    lost = msgspec.defstruct("Lost", [("field", "Nowhere")], bases=(BaseModel,), module=__name__)
    assert Node.model_rebuild() is None
    assert Node.model_rebuild(force=True) is True
    assert lost.model_rebuild(raise_errors=False) is False
    with pytest.raises(ValidationError, match="Lost: name 'Nowhere' is not defined"):
        lost.model_rebuild()


CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("model_dump", lambda user: user.dict(exclude={"born"}, by_alias=True)),
    ("model_dump", lambda user: user.dict(include={"address": {"city"}}, exclude_none=True)),
    ("model_dump_json", lambda user: user.json(by_alias=True, exclude_unset=True)),
    ("model_copy", lambda user: user.copy(update={"user_id": 2}, deep=True).user_id),
    ("model_copy", lambda user: user.copy(include={"born", "user_id"}, exclude={"user_id"}).model_dump()),
    ("model_copy", lambda user: user.copy(exclude={"address": True}, update={"born": None}).model_dump()),
    ("model_validate", lambda user: type(user).parse_obj(msgspec.json.decode(JSON)).address.city),
    ("model_validate", lambda user: type(user).validate(user) is user),
    ("model_validate_json", lambda user: type(user).parse_raw(JSON).user_id),
    ("model_validate_json", lambda user: type(user).parse_raw(JSON.decode().encode("utf-16"), encoding="utf-16").born),
    ("model_construct", lambda user: type(user).construct(user_id=1, address=2, born=3).born),
    ("model_json_schema", lambda user: type(user).schema()["properties"].keys()),
    ("model_rebuild", lambda user: type(user).update_forward_refs()),
]


@pytest.mark.parametrize(("successor", "act"), CALLS)
def test_calls_of_v1_do_what_pydantic_does_and_say_so(
    user: User, twin: PydanticUser, successor: str, act: Callable[[Any], Any]
) -> None:
    """The result is pydantic's, and the warning names the new call, at the line that used the old one."""
    with pytest.warns(DeprecationWarning, match=rf"is deprecated; use {successor}\(\)") as warned:
        ours = act(user)
    assert {warning.filename for warning in warned} == {__file__}
    with pytest.warns(DeprecationWarning, match="Pydantic V2"):
        assert ours == act(twin)


def test_other_calls_of_v1(user: User) -> None:
    """`json()` is indented, `schema_json()` is text, `from_orm()` reads attributes."""
    with pytest.warns(DeprecationWarning, match=r"^json"):
        assert Address("Ulm").json(indent=2, exclude_none=True) == '{\n  "city": "Ulm"\n}'
    with pytest.warns(DeprecationWarning, match=r"^schema_json"):
        assert msgspec.json.decode(User.schema_json(indent=1)) == User.model_json_schema()
    with pytest.warns(DeprecationWarning, match=r"^from_orm"):
        assert Address.from_orm(user.address.model_copy()) == user.address


@pytest.mark.parametrize(
    ("argument", "act"),
    [
        ("include", lambda user: user.copy(include={"address": {"city"}})),
        ("exclude", lambda user: user.copy(exclude=["born"])),
        ("encoder", lambda user: user.json(encoder=str)),
        ("models_as_dict", lambda user: user.json(models_as_dict=False)),
        ("content_type", lambda user: type(user).parse_file(__file__, content_type="pickle")),
        ("allow_pickle", lambda user: type(user).parse_raw(b"", allow_pickle=True)),
        ("content_type", lambda user: type(user).parse_raw(b"", content_type="pickle")),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_arguments_of_v1_that_a_struct_cannot_follow_are_refused(
    user: User, argument: str, act: Callable[[User], Any]
) -> None:
    """An argument of an old call is taken, or named."""
    with pytest.raises(ValidationError, match=rf"^{argument}: "):
        act(user)


def test_fields_take_the_place_of_old_calls() -> None:
    """A model may have fields called `json`, `copy`, `schema` and so on."""

    class Document(BaseModel):
        json: str
        schema: list[int]
        copy: int = 1
        dict: bool = True

    document = Document.model_validate_json(b'{"json": "{}", "schema": [1]}')
    assert (document.json, document.schema, document.copy, document.dict) == ("{}", [1], 1, True)
    assert document.model_copy(update={"copy": 2}).model_dump()["copy"] == 2
    assert document.model_json_schema()["required"] == ["json", "schema"]


def test_a_page_of_a_struct_and_of_pydantic_have_the_same_methods() -> None:
    """Both kinds of `PaginatedResponse` ask for the same five methods."""
    from headrace.compat import pydantic as compat

    assert PaginatedResponse.__abstractmethods__ == compat.PaginatedResponse.__abstractmethods__
    assert len(PaginatedResponse.__abstractmethods__) == 5
