"""How the Structs of models in a union are told apart."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from pydantic import Field

from headrace.compat.pydantic import structify
from headrace.errors import StructifyError, ValidationError

Species = enum.StrEnum("Species", {"COW": "cow", "HEN": "hen"})
Plain = enum.Enum("Plain", {"A": "a", "B": "b"})


class Cat(pydantic.BaseModel):
    """A member whose tag must be given."""

    kind: Literal["cat"]
    lives: int = 9


class Dog(pydantic.BaseModel):
    """A member whose tag has a default."""

    kind: Literal["dog"] = "dog"
    name: str
    friends: list[Pet] = []


class Cow(pydantic.BaseModel):
    """A member with an enum's member, and an alias, for a tag."""

    species: Literal[Species.COW] = Field(alias="speciesName")


class Hen(pydantic.BaseModel):
    """Another."""

    species: Literal[Species.HEN] = Field(alias="speciesName")
    eggs: int = 0


class One(pydantic.BaseModel):
    """A member with a number for a tag."""

    version: Literal[1]


class Two(pydantic.BaseModel):
    """Another."""

    version: Literal[2]
    more: str = ""


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
UNIONS: dict[Any, list[Any]] = {
    Pet: [{"kind": "cat"}, {"kind": "dog", "name": "x", "friends": [{"kind": "cat", "lives": 1}]}, {"name": "x"}, {}],
    list[Pet] | None: [[{"kind": "dog", "name": "x"}], None, [{"kind": "cow"}], [{"kind": 1}]],
    Cow | Hen: [{"speciesName": "cow"}, {"speciesName": "hen", "eggs": 2}, {"species": "cow"}, {"speciesName": "dog"}],
    One | Two | str: [{"version": 1}, {"version": 2, "more": "x"}, "x", {"version": "1"}, {"version": 3}, 1],
    Cat | None | list[Cat]: [{"kind": "cat"}, None, [{"kind": "cat"}], {"lives": 1}, {"kind": "dog"}],
    dict[str, One | int]: [{"a": {"version": 1}, "b": 2}, {"a": "x"}],
}


@pytest.mark.parametrize("kind", UNIONS, ids=str)
def test_members_are_told_apart_as_pydantic_does(kind: Any) -> None:
    """Each document is the same member for both, or is refused by both, and is written with its tag."""
    model = pydantic.create_model("Holder", value=(kind, ...))
    struct = structify(model)
    for value in UNIONS[kind]:
        body = msgspec.json.encode({"value": value})
        try:
            theirs = model.model_validate_json(body, strict=True)
        except pydantic.ValidationError:
            with pytest.raises(ValidationError, match=r"\$\.value"):
                struct.model_validate_json(body)
        else:
            ours = struct.model_validate_json(body)
            assert type(ours.value).__name__ == type(theirs.value).__name__
            expected = msgspec.json.decode(theirs.model_dump_json(by_alias=True))
            assert msgspec.json.decode(ours.model_dump_json(by_alias=True)) == expected
            assert msgspec.json.decode(msgspec.json.encode(ours)) == expected
            assert ours.model_dump() == theirs.model_dump()


def test_the_tag_is_an_attribute_and_a_default_keeps_it() -> None:
    """A member shows its tag under the field's name, and a model that is a default becomes the tagged Struct."""

    class Owner(pydantic.BaseModel):
        pet: Pet = Dog(name="Rex", friends=[Cat(kind="cat")])
        cow: Cow | Hen = Cow(speciesName=Species.COW)

    owner: Any = structify(Owner)()
    assert (owner.pet.kind, owner.pet.friends[0].kind, owner.cow.species) == ("dog", "cat", Species.COW)
    assert owner == structify(Owner).model_validate_json(Owner().model_dump_json(by_alias=True))


class Small(pydantic.BaseModel):
    """A model without a tag."""

    size: int = 0


class A(pydantic.BaseModel):
    """A model with a member of a plain enum for a tag."""

    kind: Literal[Plain.A]


class B(pydantic.BaseModel):
    """Another."""

    kind: Literal[Plain.B]


class Many(pydantic.BaseModel):
    """A model with two values for a tag."""

    kind: Literal["cow", "hen"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Cat | Small, "no field that all must have tells Cat, Small apart"),
        (Cat | Dog, "no field that all must have tells Cat, Dog apart"),
        (Annotated[Cat | Many, Field(discriminator="kind")], "Many has several values of 'kind'"),
        (Annotated[Annotated[Cat, pydantic.Tag("a")] | Annotated[Small, pydantic.Tag("b")], pydantic.Discriminator(len)]
         , "code tells the members of the union apart"),
        (A | B, "no field that all must have"),
        (Cat | dict[str, int], "more than one dict-like type"),
        (Cat | pydantic.HttpUrl, "custom type"),
    ],
)  # fmt: skip
def test_members_that_msgspec_cannot_tell_apart_are_refused(kind: Any, reason: str) -> None:
    """A union whose members pydantic would try out is a problem, with the reason."""
    with pytest.raises(StructifyError, match=reason):
        structify(pydantic.create_model("Holder", value=(kind, ...)))
