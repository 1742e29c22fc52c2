"""What is carried over exactly, or else refused by the name of the field: enums, literals, settings, defaults."""

from __future__ import annotations

import datetime as dt
import enum
import json
import typing
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import annotated_types
import msgspec
import pydantic
import pydantic_core
import pytest
from pydantic import ConfigDict, Field

from headrace._core.request import encode
from headrace._core.values import decode
from headrace.compat.pydantic import Fast, structify
from headrace.compat.report import StructifyReport
from headrace.errors import ResponseValidationError, StructifyError, ValidationError
from tests.kit.differential_table import Twins, explain
from tests.kit.differential_values import Huge, Lenient, Level, Sized

_A: Final = pydantic.create_model("A", kind=(Literal[Sized.BIG], ...), a=(int, 1))
_B: Final = pydantic.create_model("B", kind=(Literal["other"], ...))
_MANY: Final = (
    *("0", "1", "2", "-1", "1.0", "1.5", "true", "false", "null", '""', '"a"', '"b"', '"s"', '"Big"', '"1"', '"A"'),
    *(
        '"known"',
        '"none"',
        "[]",
        "[1]",
        '["a"]',
        '["b"]',
        '["a",1]',
        "{}",
        '{"a":1}',
        '{"b":1}',
        '{"Big":1}',
        '{"1":1}',
    ),
    *('{"kind":"b"}', '{"kind":"Big"}', '{"kind":"other"}', '{"kind":1}', '{"kind":true}', '{"x":1}'),
    *(str(2**exponent + more) for exponent in (63, 64, 70) for more in (-1, 0, 1)),
    *(str(-(2**63) - more) for more in (0, 1)),
)


class Flag(enum.Flag):
    """A flag."""

    ONE = 1
    TWO = 2


class Told(str, enum.Enum):  # noqa: UP042 - as users write it
    """An enum that says of its members something else than what they are."""

    ONE = "a"

    def __str__(self) -> str:
        return "odd"


class Shown(enum.Enum):
    """An enum whose members have another value than they were given."""

    ONE = "a"
    value = property(lambda _: "b")  # type: ignore[assignment] # on purpose


class Number(int, enum.Enum):
    """An enum of numbers whose members are numbers, but others than their values."""

    def __new__(cls, value: int, number: int) -> typing.Self:
        """Make a member."""
        made = int.__new__(cls, number)
        made._value_ = value
        return made

    ONE = (1, 2)


KINDS = [
    *(Sized, Lenient, Huge, Level, Flag, Told, Shown, Number),
    *(
        list[Sized],
        dict[Sized, int],
        Sized | None,
        Sized | int,
        set[Lenient],
        Lenient | int,
        Number | bool,
        Level | bool,
    ),
    *(Literal[Sized.BIG], Literal[Huge.MOST], Literal[2**63], Literal[-(2**63) - 1, "a"], Literal[2**63 - 1, -(2**63)]),
    *(list[Literal[2**64]], Literal[2**63] | str, Literal[1] | bool, Literal[0, "a"] | bool, Literal[True] | int),
    *(Literal[True], Literal[1, True], Literal[b"a"], Literal[1] | None),
    *(Annotated[_A | _B, Field(discriminator="kind")], _A | _B),  # type: ignore[operator] # classes, made at run time
    *(list[Annotated[int, {"no": "hash"}]], dict[str, Annotated[int, []]], tuple[Annotated[int, {}], ...]),
    *(Annotated[int, annotated_types.Not(bool)], Annotated[int, annotated_types.Predicate(bool)]),
    *(pydantic.IPvAnyAddress | list[int], list[pydantic.ByteSize] | list[bool], pydantic.IPvAnyAddress | str | None),
    *(pydantic.OnErrorOmit[int], list[pydantic.OnErrorOmit[int]], dict[str, list[pydantic.OnErrorOmit[int]]]),
    *(Annotated[int, Field(ge=2**63)], Annotated[int, Field(le=2**64)], Annotated[str, Field(max_length=0)]),
]


def check(model: type[pydantic.BaseModel], documents: typing.Iterable[str]) -> dict[str, bool]:
    """Check that what is derived of a model agrees with it, or is refused with a reason; tell which is carried over."""
    carried = {}
    for name, derive in (("structify", structify), ("Fast", Fast.__class_getitem__)):
        try:
            derived = derive(model)
        except StructifyError:
            carried[name] = False
            continue
        carried[name] = True
        twins = Twins(model, derived)
        for document in documents:
            for case in twins.cases(document.encode()):
                assert explain(case) is not None, (name, case)
    return carried


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_type_agrees_or_is_refused(kind: Any) -> None:
    """There is nothing in between: no other value, no other JSON, and no foreign error, in models in models too."""
    model = pydantic.create_model("One", x=(kind, ...))
    check(model, [f'{{"x":{text}}}' for text in (*_MANY, "[[1]]", '{"a":[1]}')])
    check(pydantic.create_model("Outer", one=(model, ...)), [f'{{"one":{{"x":{text}}}}}' for text in _MANY])


@pytest.mark.parametrize(
    ("kind", "text", "carried"),
    [
        (Sized, '"b"', {"structify": False, "Fast": True}),
        (Lenient, "[]", {"structify": True, "Fast": True}),
        (Literal[2**63], str(2**63), {"structify": True, "Fast": True}),
        (Literal[1] | bool, "true", {"structify": True, "Fast": True}),
        (Told, '"a"', {"structify": True, "Fast": True}),
        (list[Annotated[int, {"no": "hash"}]], "[1]", {"structify": True, "Fast": True}),
        (Annotated[int, annotated_types.Not(bool)], "0", {"structify": True, "Fast": True}),
        (pydantic.IPvAnyAddress | str | None, '"a"', {"structify": True, "Fast": True}),
        (pydantic.IPvAnyAddress | list[int], "[1]", {"structify": False, "Fast": True}),
        (list[pydantic.OnErrorOmit[int]], '["a",1]', {"structify": False, "Fast": True}),
        (Annotated[_A | _B, Field(discriminator="kind")], '{"kind":"Big"}', {"structify": False, "Fast": True}),  # type: ignore[operator] # the same
    ],
    ids=str,
)
def test_what_can_be_carried_over_is(kind: Any, text: str, carried: dict[str, bool]) -> None:
    """A type is refused only where msgspec would write it otherwise."""
    model = pydantic.create_model("One", x=(kind, ...))
    document = f'{{"x":{text}}}'
    assert model.model_validate_json(document, strict=True)
    assert check(model, [document]) == carried


SETTINGS: list[tuple[ConfigDict, bool, bool]] = [
    (ConfigDict(json_encoders={int: str}), False, True),
    (ConfigDict(json_encoders={}), True, True),
    (ConfigDict(ser_json_timedelta="float"), False, True),
    (ConfigDict(ser_json_timedelta="iso8601"), True, True),
    (ConfigDict(ser_json_bytes="base64"), False, True),
    (ConfigDict(val_json_bytes="hex"), False, False),
    (ConfigDict(val_json_bytes="utf8"), True, True),
    (ConfigDict(ser_json_inf_nan="strings"), False, True),
    (ConfigDict(ser_json_inf_nan="null"), True, True),
    (ConfigDict(str_strip_whitespace=True), False, False),
    (ConfigDict(str_strip_whitespace=False), True, True),
    (ConfigDict(str_to_lower=True), False, False),
    (ConfigDict(str_to_upper=True), False, False),
    (ConfigDict(str_min_length=1), False, False),
    (ConfigDict(str_min_length=0), True, True),
    (ConfigDict(str_max_length=0), False, False),
    (ConfigDict(str_max_length=None), True, True),
    (ConfigDict(use_enum_values=True), False, False),
    (ConfigDict(validate_default=True), False, False),
    (ConfigDict(coerce_numbers_to_str=True), True, True),  # not in strict mode
    (ConfigDict(json_schema_extra={"a": {}}, title="t", frozen=True, hide_input_in_errors=True), True, True),
]


@pytest.mark.filterwarnings("ignore:`json_encoders` is deprecated")
@pytest.mark.parametrize(("config", "struct", "fast"), SETTINGS, ids=str)
def test_a_setting_agrees_or_is_refused(config: ConfigDict, struct: bool, fast: bool) -> None:
    """A setting that changes what is read is refused; one that changes what is written only by `structify`."""
    model = pydantic.create_model(
        "One",
        __config__=config,
        text=(str, " A "),
        raw=(bytes, b"\xc3\xa9"),
        span=(dt.timedelta, dt.timedelta(1)),
        number=(float, 1.5),
        level=(Level, Level.LOW),
    )
    texts = [f'{{"text":{text}}}' for text in ('""', '"a"', '" B "', "1")]
    texts += ["{}", '{"raw":"aGk="}', '{"raw":"00ff"}', '{"number":NaN}', '{"level":2}', '{"span":"PT1S"}']
    assert check(model, texts) == {"structify": struct, "Fast": fast}
    if not struct:
        with pytest.raises(StructifyError) as caught:
            structify(model)
        assert f"model_config.{next(iter(config))}" in caught.value.problems


class Dependent(pydantic.BaseModel):
    """A model with a default that is made from another field."""

    first: str = "a"
    full: str = Field(default_factory=lambda data: data["first"] + "!")


def test_a_default_from_other_fields_is_refused_by_name() -> None:
    """No Struct knows the other fields; as part of another model, pydantic reads it for `Fast`."""
    for derive in (structify, Fast.__class_getitem__):
        with pytest.raises(StructifyError) as caught:
            derive(Dependent)
        assert caught.value.problems == {"full": "its default is made from other fields"}
    outer = pydantic.create_model("Outer", inner=(Dependent, ...))
    read: Any = decode.decode(b'{"inner":{"first":"x"}}', decode.decoder_for(Fast[outer]))  # type: ignore[valid-type] # made at run time
    assert read.inner == Dependent(first="x", full="x!")


class Text(str):
    """A text that says of itself something else than what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return "odd"


class Moment(dt.datetime):
    """A moment of another library's class."""


#: A type, a default that need be no value of it, and whether a Struct can have it.
DEFAULTS: list[tuple[Any, Any, bool]] = [
    (int, True, True),
    (float, 0, True),
    (float, False, True),
    (float, 10**400, True),
    (float | None, 1, True),
    (Annotated[float, Field(multiple_of=0.5)], 1, True),
    (list[float], [1, 2.5], True),
    (dict[str, float], {"a": 1}, True),
    (tuple[int, float], (True, 1), True),
    (tuple[float, ...], (), True),
    (tuple[int, int], (1,), True),
    (int | float, True, False),
    (int, None, True),
    (int, "a", True),
    (str, 1, True),
    (Decimal, 0, True),
    (Decimal, 1.5, True),
    (float, Decimal("1.50"), False),
    (Level, 1, True),
    (str, Text("a"), True),
    (str, Level.LOW, True),
    (str, Sized.BIG, False),
    (Any, Number.ONE, False),
    (Any, [Sized.BIG], False),
    (Any, {True: 1}, False),
    (Any, bytearray(b"a"), False),
    (dt.datetime, Moment(2024, 5, 1), False),
    (dt.timedelta, dt.timedelta(hours=1), True),
    (list[dt.timedelta], [dt.timedelta(hours=1)], True),
    (set[int], {3, 1, 2}, True),
    (pydantic.HttpUrl, "http://a.b", True),
    (Any, 2**70, True),
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # it says the same of them
@pytest.mark.parametrize(("kind", "default", "carried"), DEFAULTS, ids=str)
def test_a_default_is_written_as_the_model_writes_it(kind: Any, default: Any, carried: bool) -> None:
    """Pydantic validates no default: one that msgspec would write otherwise is refused, or is the equal number."""
    model = pydantic.create_model("One", x=(kind, default))
    assert check(model, ["{}"]) == {"structify": carried, "Fast": True}
    if carried:
        ours: Any = structify(model)()
        assert ours.x == default
        theirs = json.loads(model().model_dump_json(), parse_float=str)
        if kind is not dt.timedelta and kind != list[dt.timedelta]:  # one duration has many texts
            assert json.loads(ours.model_dump_json(), parse_float=str) == theirs
            assert json.loads(encode.json(ours), parse_float=str) == theirs


def test_a_default_that_is_made_is_fitted_too() -> None:
    """The numbers of a factory are those of the type, and the source says the same."""
    model = pydantic.create_model("One", x=(float, Field(default_factory=int)), y=(float, 1), __module__=__name__)
    assert structify(model)().model_dump_json() == model().model_dump_json() == '{"x":0.0,"y":1.0}'
    assert "made by a function that returns a int" in str(StructifyReport([model]).source().left_out)
    only = pydantic.create_model("Only", y=(float, 1), z=(int, True), __module__=__name__)
    text = StructifyReport([only]).source().text
    assert "y: float = 1.0" in text
    assert "z: int = 1" in text


class Finished(pydantic.BaseModel):
    """A model that has the last word on a document."""

    x: int

    def model_post_init(self, _: Any) -> None:
        """Refuse some numbers."""
        if self.x == 1:
            raise ValueError("no one")
        assert self.x != 2, "no two"


@pytest.mark.parametrize(("number", "message"), [(1, "Value error, no one"), (2, "Assertion failed, no two")])
def test_what_a_model_refuses_in_the_end_is_a_misfit(number: int, message: str) -> None:
    """`Fast` lets `model_post_init` run, and what it raises to refuse is no foreign error."""
    body = msgspec.json.encode({"x": number})
    with pytest.raises(pydantic.ValidationError, match=message):
        Finished.model_validate_json(body)
    with pytest.raises(ResponseValidationError, match=message):
        decode.decode(body, decode.decoder_for(Fast[Finished]))
    assert decode.decode(b'{"x":3}', decode.decoder_for(Fast[Finished])) == Finished(x=3)


class Unlike:
    """A value that is equal to itself only, and that cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("no copies")


def test_a_default_that_pydantic_shares_is_shared() -> None:
    """Pydantic copies only a default that has no hash: an object that stands for nothing stays the one it is."""
    only = Unlike()
    model = pydantic.create_model("One", x=(Any, only), y=(list[int], [1]))
    first: Any
    second: Any
    first, second = (decode.decode(b"{}", decode.decoder_for(Fast[model])) for _ in range(2))  # type: ignore[valid-type] # made at run time
    assert first.x is second.x is only
    assert first.y is not second.y


def test_a_literal_beyond_64_bits_is_no_foreign_error() -> None:
    """A type that msgspec cannot hold is a wrong argument, as any other that it does not know."""
    with pytest.raises(ValidationError, match="response_format: "):
        decode.decoder_for(Literal[2**63])


def test_metadata_without_a_hash_does_not_keep_a_model_from_being_sent() -> None:
    """What stands beside a type inside another may be a dict."""
    model = pydantic.create_model("One", x=(list[Annotated[int, {"no": "hash"}]], ...))
    assert encode.json(model(x=[1])) == b'{"x":[1]}'


class Folded(enum.StrEnum):
    """An enum that reads in its own way."""

    A = "a"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Read texts in any case."""
        return pydantic_core.core_schema.no_info_plain_validator_function(lambda text: cls(text.lower()))


@pytest.mark.parametrize(
    ("kind", "good", "mended"),
    [
        (Folded, '"A"', Folded.A),
        (dict[Folded, int], '{"A":1}', {Folded.A: 1}),
        (Annotated[int, Field(le=2**63)], "1", 1),
        (Annotated[int, Field(gt=-(2**70))], "1", 1),
        (tuple[()], "[]", ()),
    ],
    ids=str,
)
def test_what_only_pydantic_reads_is_read_by_it(kind: Any, good: str, mended: Any) -> None:
    """Enums with code of their own, bounds beyond 64 bits and the empty tuple are read as pydantic reads them."""
    default: Any = () if kind == tuple[()] else ...
    model = pydantic.create_model("M", x=(kind, default))
    document = f'{{"x":{good}}}'.encode()
    assert model.model_validate_json(document).x == mended  # type: ignore[attr-defined] # made just now
    for read_as in (Fast[model], structify(model)):  # type: ignore[valid-type] # made at run time
        read: Any = decode.decode(document, decode.decoder_for(read_as))
        assert read.x == mended
