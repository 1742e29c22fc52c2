"""What the head of a model's class may say: the options of msgspec and the settings of pydantic."""

from __future__ import annotations

import sys
from typing import Annotated, Any, ClassVar, NewType

import annotated_types
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel, to_pascal

from headrace.compat.pydantic import Checked
from headrace.errors import ValidationError
from headrace.models import BaseModel, PaginatedResponse, Response
from tests.kit.ids import same_everywhere


def made(**keywords: Any) -> Any:
    """Make a model with these keywords."""
    return type(BaseModel)(
        "Made", (BaseModel,), {"__annotations__": {"user_id": int}, "__module__": __name__}, **keywords
    )


def test_extra_is_forbidden_or_ignored_and_inherited() -> None:
    """`extra="forbid"` refuses fields that the model does not list, and a subclass may take that back."""

    class Strict(BaseModel, extra="forbid"):
        a: int

    class Same(Strict):
        b: int = 0

    class Loose(Strict, extra="ignore"):
        b: int = 0

    text = b'{"a": 1, "c": 2}'
    for model in (Strict, Same):
        with pytest.raises(ValidationError, match="unknown field `c`"):
            model.model_validate_json(text)
    assert Loose.model_validate_json(text) == Loose(1)


def test_frozen_models_cannot_be_changed_and_can_be_hashed() -> None:
    """`frozen=True` is what it is in pydantic, and so is v1's `allow_mutation=False`."""
    for model in (made(frozen=True), made(allow_mutation=False)):
        with pytest.raises(AttributeError):
            model(1).user_id = 2
        assert len({model(1), model(1)}) == 1


NAMES = st.from_regex(r"[a-z]{1,4}(_[a-z0-9]{1,4}){0,3}", fullmatch=True)


@given(name=NAMES)
@pytest.mark.parametrize("generator", [to_camel, to_pascal, str.upper, pydantic.AliasGenerator(to_camel)])
def test_alias_generators_make_the_aliases_of_pydantic(generator: Any, name: str) -> None:
    """A function of pydantic's gives a Struct the alias that it gives a pydantic model."""
    twin = pydantic.create_model("Twin", __config__=pydantic.ConfigDict(alias_generator=generator), **{name: (int, 1)})
    ours = type(BaseModel)("Ours", (BaseModel,), {"__annotations__": {name: int}, name: 1}, alias_generator=generator)
    assert ours().model_dump_json(by_alias=True) == twin().model_dump_json(by_alias=True)


def test_an_alias_of_ones_own_wins_over_the_generator() -> None:
    """`msgspec.field(name=…)` names a field, whatever the generator says; msgspec's own words are taken too."""

    class Named(BaseModel, alias_generator=to_camel):
        user_id: int
        zip_code: str = msgspec.field(name="zip")

    assert msgspec.json.encode(Named(1, "x")) == b'{"userId":1,"zip":"x"}'
    assert msgspec.json.encode(made(alias_generator="kebab")(1)) == b'{"user-id":1}'
    assert msgspec.json.encode(made(alias_generator=None)(1)) == b'{"user_id":1}'


def test_settings_in_the_body_are_read_and_keywords_win() -> None:
    """`model_config` and the `class Config` of v1 mean what the keywords mean."""

    class Modern(BaseModel, extra="ignore"):
        model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel)
        user_id: int

    assert Modern.__struct_encode_fields__ == ("userId",)
    assert Modern.model_validate_json(b'{"userId": 1, "more": 2}') == Modern(1)
    with pytest.warns(DeprecationWarning, match="Old.Config: use keywords of the class") as warned:

        class Old(BaseModel):
            user_id: int

            class Config:
                extra = "forbid"
                allow_mutation = False
                orm_mode = True

    assert warned[0].filename == __file__
    with pytest.raises(ValidationError, match="more"):
        Old.model_validate_json(b'{"user_id": 1, "more": 2}')
    assert Old.__struct_config__.frozen


def test_a_field_may_be_called_model_config_and_a_model_config() -> None:
    """What is annotated is a field, and a class that is a model is no setting."""

    class Machine(BaseModel):
        class Config(BaseModel):
            extra: str

        setup: Config
        model_config: dict[str, str] = msgspec.field(default_factory=dict)

    machine = Machine.model_validate_json(b'{"setup": {"extra": "allow"}, "model_config": {"extra": "allow"}}')
    assert (machine.setup.extra, machine.model_config) == ("allow", {"extra": "allow"})


IDLE = {"arbitrary_types_allowed": True, "from_attributes": True, "strict": True, "populate_by_name": False}


@pytest.mark.parametrize("keywords", [IDLE, {"title": None, "validate_assignment": False}])
def test_settings_that_change_nothing_are_taken(keywords: dict[str, Any]) -> None:
    """What a Struct does anyway may be said."""
    assert made(**keywords)(1).user_id == 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"extra": "allow"}, 'Made: extra="allow" cannot be'),
        ({"extra": "maybe"}, "Made: extra: got 'maybe', takes"),
        ({"populate_by_name": True}, "Made: populate_by_name=True cannot be: a Struct reads a field by one name"),
        ({"validate_by_name": True}, "Made: validate_by_name=True cannot be"),
        ({"allow_population_by_field_name": True}, "Made: allow_population_by_field_name=True cannot be"),
        ({"validate_by_alias": False}, "Made: validate_by_alias=False cannot be"),
        ({"serialize_by_alias": True}, "Made: serialize_by_alias=True cannot be"),
        ({"strict": False}, "Made: strict=False cannot be: decoding is strict"),
        ({"str_strip_whitespace": True}, "Made: str_strip_whitespace: a Struct has no such setting"),
        ({"validate_assignment": True}, "Made: validate_assignment: a Struct has no such setting"),
        ({"json_encoders": {int: str}}, "Made: json_encoders: a Struct has no such setting"),
        ({"alias_generator": 1}, "Made: alias_generator: got 1, takes a function"),
        ({"alias_generator": to_camel, "rename": "camel"}, "Made: takes rename or alias_generator, not both"),
        (
            {"alias_generator": pydantic.AliasGenerator(validation_alias=to_camel, alias=to_camel)},
            "Made: alias_generator: a Struct reads and writes a field by one name",
        ),
    ],
    ids=same_everywhere,
)
def test_settings_that_a_struct_cannot_have_are_refused(keywords: dict[str, Any], message: str) -> None:
    """A setting that would be passed over in silence is named when the class is made."""
    with pytest.raises(ValidationError) as caught:
        made(**keywords)
    assert str(caught.value).startswith(message)


def test_a_keyword_that_nobody_knows_is_a_type_error() -> None:
    """A misspelt keyword does not pass in silence."""
    with pytest.raises(TypeError, match="extras"):
        made(extras="forbid")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (pydantic.Field(gt=1), "pydantic.Field"),
        (pydantic.PrivateAttr(1), "private attributes"),
        (pydantic.field_validator("user_id")(lambda value: value), "__post_init__"),
        (pydantic.model_validator(mode="after")(lambda self: self), "__post_init__"),
        (pydantic.field_serializer("user_id")(lambda value: value), "validators, serializers"),
        (pydantic.computed_field(property(lambda _: 1)), "computed fields"),
    ],
    ids=lambda member: type(member).__name__,
)
def test_members_that_only_pydantic_reads_are_refused(member: Any, reason: str) -> None:
    """A constraint or validator of pydantic's is not lost in silence when only the base class is changed."""
    with pytest.raises(ValidationError, match=rf"^Half\.user_id: .*{reason}"):
        type(BaseModel)("Half", (BaseModel,), {"__annotations__": {"user_id": int}, "user_id": member})


Grown = NewType("Grown", Annotated[int, pydantic.Field(ge=18)])  # type: ignore[valid-newtype] # a type at run time


@pytest.mark.parametrize(
    ("annotation", "instead"),
    [
        (Annotated[int, pydantic.Field(ge=100)], r"pydantic.Field\(\) .* write msgspec.Meta\(ge=100\)"),
        (Annotated[str, pydantic.Field(title="a", max_length=3)], r"msgspec.Meta\(title='a', max_length=3\)"),
        (pydantic.PositiveInt, r"Gt\(\) .* msgspec.Meta\(gt=0\)"),
        (pydantic.constr(pattern="a"), r"StringConstraints\(\) .* msgspec.Meta\(pattern='a'\)"),
        (Annotated[str, annotated_types.Len(1, 3)], r"msgspec.Meta\(min_length=1, max_length=3\)"),
        (list[dict[str, pydantic.NonNegativeFloat]] | None, r"Ge\(\)"),
        (Grown, "ge=18"),
        (Annotated[int, pydantic.AfterValidator(abs)], r"AfterValidator\(\) .* msgspec.Meta\(…\)"),
        ("Annotated[int, pydantic.Field(ge=100)]", r"msgspec.Meta\(ge=100\)"),
        ("list[Annotated[NobodyKnowsYet, pydantic.Field(min_length=1)]] | None", r"msgspec.Meta\(min_length=1\)"),
    ],
    ids=same_everywhere,
)
def test_a_constraint_that_only_pydantic_reads_is_refused(annotation: Any, instead: str) -> None:
    """It is named with its field and with what to write instead, also as text and deep in a type."""
    with pytest.raises(ValidationError, match=rf"^Made\.age: .*{instead}.* or let pydantic read the field with C"):
        type(BaseModel)("Made", (BaseModel,), {"__annotations__": {"age": annotation}, "__module__": __name__})


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, msgspec.Meta(ge=1), "a note"],
        pydantic.StrictInt,
        "Annotated[int, msgspec.Meta(ge=1)]",
        "list[NobodyKnowsYet]",
        "no annotation at all",
        Checked[Annotated[int, pydantic.Field(ge=100)]],
    ],
    ids=same_everywhere,
)
def test_what_a_struct_does_anyway_is_taken(annotation: Any) -> None:
    """Constraints of msgspec's, strictness, notes, and what pydantic reads itself are no mistakes."""
    assert type(BaseModel)("Made", (BaseModel,), {"__annotations__": {"age": annotation}, "__module__": __name__})


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 does not work there")
def test_members_of_pydantic_v1_are_refused_too() -> None:
    """A v1 `Field` or validator is named like a v2 one, and the `Extra` of v1 is a word like any other."""
    from pydantic import v1

    validator: Any = v1.validator("user_id", allow_reuse=True)(lambda value: value)
    for member, reason in ((v1.Field(gt=1), "pydantic.Field"), (validator, "__post_init__")):
        with pytest.raises(ValidationError, match=rf"^Half\.user_id: .*{reason}"):
            type(BaseModel)("Half", (BaseModel,), {"__annotations__": {"user_id": int}, "user_id": member})
    assert made(extra=v1.Extra.forbid).__struct_config__.forbid_unknown_fields


def test_model_post_init_is_named_otherwise() -> None:
    """A hook that nobody would call is refused, with the name that a Struct calls."""
    with pytest.raises(ValidationError, match=r"^Half\.model_post_init: a Struct calls it __post_init__"):

        class Half(BaseModel):
            def model_post_init(self, context: Any) -> None:
                """Never run."""

    assert made()(1).user_id == 1


@pytest.mark.parametrize("base", [BaseModel, Response, PaginatedResponse])
def test_a_struct_can_be_defined_at_run_time(base: type[BaseModel]) -> None:
    """`msgspec.defstruct` takes the models as bases, with all of its options."""
    methods = dict.fromkeys(getattr(base, "__abstractmethods__", ()), lambda self: self.number)
    fields = [
        ("number", int),
        ("items", list[int], msgspec.field(default_factory=list, name="rows")),
        ("text", str, "q"),
    ]
    row: Any = msgspec.defstruct(
        "Row", fields, bases=(base,), namespace=methods, module=__name__, frozen=True, weakref=True
    )
    found = row.model_validate_json(b'{"number": 1, "rows": [2]}')
    assert found == row(number=1, items=[2])
    assert (row.__module__, row.__name__, repr(found)) == (__name__, "Row", "Row(number=1, items=[2], text='q')")
    assert found.model_dump(by_alias=True) == {"number": 1, "rows": [2], "text": "q"}
    with pytest.raises(AttributeError, match="immutable"):
        found.number = 2
    last: Any = msgspec.defstruct("Last", [("more", int)], bases=(row,), kw_only=True, forbid_unknown_fields=True)
    assert last.model_validate({"number": 1, "more": 2}).more == 2


def test_slots_of_ones_own_are_refused() -> None:
    """A class statement may not have `__slots__`, as in every Struct."""
    with pytest.raises(TypeError, match="__slots__"):

        class Slotted(BaseModel):
            __slots__ = ("a",)
