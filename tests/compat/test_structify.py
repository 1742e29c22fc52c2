"""What a user sees of `structify`: what is carried over, what is refused, and what may get lost."""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import msgspec
import pydantic
import pytest
from pydantic import Field
from typing_extensions import TypeAliasType

from headrace import models
from headrace.compat.pydantic import structify
from headrace.errors import StructifyError, ValidationError
from tests.kit.pydantic_models import NOON, URL, Address, Geo, Page

T = TypeVar("T")
UserId = NewType("UserId", int)
Color = enum.Enum("Color", {"RED": "red", "BLUE": "blue"})
Kind = enum.Enum("Kind", {"RED": "red", "NUMBER": 1})
Nullable = TypeAliasType("Nullable", T | None, type_params=(T,))


class Node(pydantic.BaseModel):
    """A model that contains itself, and one that contains it."""

    children: list[Node] = []
    parent: Optional[Node] = None  # noqa: UP045 - as users write it
    tree: Tree | None = None


class Leg(pydantic.BaseModel):
    """A model that contains an optional list of itself."""

    legs: Optional[list[Leg]] = None  # noqa: UP045 - as users write it


class Tree(pydantic.BaseModel):
    """A model that contains one that contains it."""

    roots: list[Node] = []


class Everything(pydantic.BaseModel, extra="forbid", frozen=True):
    """A model with all that can be carried over."""

    number: int = Field(gt=0, le=10, multiple_of=2)
    maybe: int | None = Field(default=None, ge=0)
    code: str = Field(default="ab", min_length=2, max_length=3, pattern="^[a-z$]+$")
    ids: list[Annotated[int, Field(gt=0)]] = [1, 2]
    names: Annotated[set[str], Field(max_length=2)] = set()
    pairs: dict[str, tuple[int, str]] = Field(default_factory=dict)
    either: int | list[str] = 0
    kind: Literal["a", "b"] = "a"
    color: Color = Color.RED
    when: dt.datetime | None = None
    day: dt.date = dt.date(2000, 1, 2)
    key: uuid.UUID | None = None
    price: Decimal = Decimal("1.5")
    blob: pydantic.Base64Bytes = b""
    user: UserId = Field(default=UserId(1), description="who")
    home: Address = Address(cityName="Ulm", geo=Geo(lat=1))
    many: Sequence[Address] = Field(default_factory=lambda: [Address(cityName="Bonn")])
    anything: Mapping[str, Any] = {}


def test_carries_everything_over() -> None:
    """The Struct has the name, docstring, module and fields, and reads and writes the same JSON."""
    struct = structify(Everything)
    assert issubclass(struct, models.BaseModel)
    assert (struct.__name__, struct.__module__, struct.__doc__) == ("Everything", __name__, Everything.__doc__)
    body = (
        b'{"number":4,"maybe":1,"code":"b$","ids":[3],"names":["x"],"pairs":{"k":[1,"v"]},"either":["s"],"kind":"b",'
        b'"color":"blue","when":"2024-05-01T12:00:00Z","day":"2024-05-01","key":"12345678-1234-5678-1234-567812345678",'
        b'"price":"2.50","blob":"//8=","user":2,"home":{"cityName":"Rom","geo":{"lat":2.0}},"many":[],"anything":{"z":1}}'
    )
    for text in (body, b'{"number":2}'):
        ours, theirs = struct.model_validate_json(text), Everything.model_validate_json(text)
        assert msgspec.json.encode(ours) == theirs.model_dump_json(by_alias=True).encode()
        assert ours.model_dump(exclude={"blob"}) == theirs.model_dump(exclude={"blob"})


NUMBERS = [{"number": 3}, {"number": 12}, {"number": 0}, {"maybe": -1}, {"ids": [0]}, {"either": [1]}, {"extra": 1}]
TEXTS = [{"code": "a"}, {"code": "abcd"}, {"code": "A."}, {"code": "ab\n"}, {"kind": "c"}, {"color": "green"}]
NESTED = [{"names": ["a", "b", "c"]}, {"home": {"city": "by name"}}, {"home": {"cityName": "x", "geo": {"lat": None}}}]


@pytest.mark.parametrize("change", NUMBERS + TEXTS + NESTED, ids=str)
def test_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    """Constraints hold in the Struct as in the model."""
    body = msgspec.json.encode({"number": 2, **change})
    with pytest.raises(pydantic.ValidationError):
        Everything.model_validate_json(body)
    with pytest.raises(ValidationError):
        structify(Everything).model_validate_json(body)


def test_defaults_are_not_shared() -> None:
    """Each Struct gets its own mutable default, with Structs in it."""
    struct: Any = structify(Everything)
    first, second = struct(number=2), struct(number=2)
    first.ids.append(9)
    assert second.ids == [1, 2] == Everything(number=2).ids
    assert type(first.home) is type(first.many[0]) is structify(Address)
    assert first.home is not second.home
    with pytest.raises(AttributeError):
        first.number = 4


def test_gives_the_same_class_again() -> None:
    """A model has one Struct, also as part of another model."""
    assert structify(Address) is structify(Address)
    assert structify(Address).model_fields["geo"].type == structify(Geo) | None


def test_takes_recursive_models() -> None:
    """Models that contain themselves, or each other, are carried over."""
    node: Any = structify(Node).model_validate_json(b'{"children":[{}],"parent":{},"tree":{"roots":[{"tree":{}}]}}')
    assert type(node) is type(node.children[0]) is type(node.parent) is type(node.tree.roots[0]) is structify(Node)
    assert type(node.tree) is type(node.tree.roots[0].tree) is structify(Tree)
    leg: Any = structify(Leg).model_validate_json(b'{"legs":[{"legs":null},{"legs":[]}]}')
    assert [type(each) for each in leg.legs] == [structify(Leg)] * 2
    with pytest.raises(ValidationError, match=re.escape("$.tree.roots[0]")):
        structify(Node).model_validate_json(b'{"tree":{"roots":[1]}}')


def test_of_a_response_is_a_response() -> None:
    """The Struct of a `Response` has `base_uri` and `time`."""
    page = structify(Page).model_validate({"number": 1})
    models.stamp(page, URL, NOON)
    assert isinstance(page, models.Response)
    assert (page.base_uri, page.time) == (URL, NOON)


def test_takes_generic_models() -> None:
    """A parametrised generic model is a model like any other; a bare one takes anything."""

    class Box(pydantic.BaseModel, Generic[T]):
        item: T

    assert structify(Box[int]).model_validate({"item": 1}).model_dump() == {"item": 1}
    assert structify(Box).model_validate({"item": [1]}).model_dump() == {"item": [1]}
    assert structify(Box[Nullable[int]]).model_validate({"item": None}).model_dump() == {"item": None}  # type: ignore[valid-type] # made at run time


Inner = pydantic.create_model("Inner", size=(range, ...), fine=(int, 0), __config__={"arbitrary_types_allowed": True})
Bound = TypeVar("Bound", bound=Geo)


class Odd(pydantic.BaseModel, Generic[Bound], extra="allow", str_strip_whitespace=True):
    """A model in which nothing is fine but `fine`."""

    fine: int
    inner: list[Inner]
    many_aliases: int = Field(validation_alias=pydantic.AliasChoices("a", "b"))
    two_names: int = Field(validation_alias="in", serialization_alias="out")
    either_name: int = Field(alias="eitherName")
    hidden: int = Field(exclude=True)
    icy: int = Field(frozen=True)
    flags: dict[bool, int]
    checked_default: int = Field(default=1, validate_default=True)
    from_others: int = Field(default_factory=len)
    pets: list[Address | Geo]
    kind: Kind | Geo
    bound: Bound
    _private: int = 0

    model_config = pydantic.ConfigDict(validate_by_name=True)
    written: int
    write = pydantic.field_serializer("written")(lambda value: value)
    double = pydantic.computed_field(property(lambda self: self.fine), return_type=int)


def test_every_problem_is_named() -> None:
    """Every field that cannot be carried over faithfully is named with a reason, nested ones by their path."""
    with pytest.raises(StructifyError) as caught:
        structify(Odd)
    assert (caught.value.model_name, all(caught.value.problems.values())) == ("Odd", True)
    assert set(caught.value.problems) == {
        *(set(Odd.model_fields) - {"fine", "inner"}),
        *("inner.size", "model_config.extra", "model_config.str_strip_whitespace", "_private", "double"),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": dict}, "model: got"),
        ({"model": Geo, "validators": "skip"}, 'validators: got .*"drop"'),
        ({"model": Geo, "lossy": "extra"}, 'lossy: got .*"names"'),
        ({"model": Geo, "lossy": {"types"}}, "lossy: got"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    """What is no model, or no word that it knows, is refused by the argument's name."""
    with pytest.raises(ValidationError, match=message):
        structify(**arguments)


class Loose(pydantic.BaseModel, extra="allow", populate_by_name=True):
    """A model that keeps what it does not know, and reads a field by two names."""

    first: int = Field(alias="theFirst")


def test_losses_are_taken_when_named() -> None:
    """Extra fields and second names are refused, unless the caller lets them get lost; each is another class."""
    with pytest.raises(StructifyError) as caught:
        structify(Loose, lossy={"extra"})
    assert set(caught.value.problems) == {"first"}
    loose = structify(Loose, lossy=["extra", "names"])
    assert loose.model_validate_json(b'{"theFirst":1,"more":2}').model_dump(by_alias=True) == {"theFirst": 1}
    with pytest.raises(ValidationError, match="theFirst"):
        loose.model_validate_json(b'{"first":1}')
    assert structify(Loose, lossy=("names", "extra")) is loose


def test_many_recursive_problems_are_told_once() -> None:
    """A model that is named in many places is reported where it is named first, in no time."""
    last = pydantic.create_model("M", size=(Inner, ...))
    for _ in range(60):
        last = pydantic.create_model("M", left=(last, ...), right=(last, ...))
    with pytest.raises(StructifyError) as caught:
        structify(last)
    assert [path.count("left") for path in caught.value.problems] == [60]
