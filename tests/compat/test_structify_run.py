"""What becomes of the code of a model: it is refused, left out, or run on the Struct as pydantic runs it."""

from __future__ import annotations

import copy
import pickle
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WrapValidator

from headrace._core.values import decode
from headrace.compat.pydantic import structify
from headrace.errors import ResponseValidationError, StructifyError


def even(value: int) -> int:
    """Take even numbers only."""
    if value % 2:
        message = "must be even"
        raise ValueError(message)
    return value


class Order(pydantic.BaseModel):
    """A model whose fields have validators of every kind."""

    count: Annotated[int, AfterValidator(even), BeforeValidator(lambda value: value + 2)]
    limit: int = 100
    price: float = 1.0
    code: Annotated[str, WrapValidator(lambda value, handler: handler(value).strip().upper())] = "none"
    tags: list[Annotated[str, AfterValidator(str.lower)]] = Field(default=["A"])
    anything: Annotated[Any, PlainValidator(repr)] = None
    total: float = 0

    @pydantic.field_validator("limit", mode="before")
    @classmethod
    def read_limit(cls, value: Any) -> Any:
        """Take a number with a sign."""
        return int(value.removesuffix("!")) if isinstance(value, str) else value

    @pydantic.field_validator("limit", "price")
    @classmethod
    def check_limit(cls, value: float, info: pydantic.ValidationInfo) -> float:
        """Look at the fields before."""
        if value < info.data["count"]:
            message = f"{info.field_name} is less than the count"
            raise ValueError(message)
        return value + 1

    @pydantic.model_validator(mode="after")
    def add_up(self) -> Order:
        """Look at all of them, and change one."""
        assert self.price < 50, "too dear"
        self.total += self.count * self.price
        return self


GOOD = [
    {"count": 2},
    {"count": 0, "limit": "7!", "price": 2.5, "code": " ab ", "tags": ["X", "y"], "anything": {"a": 1}},
]
BAD = {
    "$.count": {"count": 1},
    "$.code": {"count": 2, "code": 5},
    "$.tags": {"count": 2, "tags": [1]},
    "$": {"count": 8, "price": 3.0},
}


@pytest.mark.parametrize("document", GOOD, ids=str)
def test_validators_run_as_in_pydantic(document: dict[str, Any]) -> None:
    """The values are those that pydantic ends with; defaults are left alone, as pydantic leaves them."""
    body = msgspec.json.encode(document)
    ours = structify(Order, validators="run").model_validate_json(body)
    assert ours.model_dump() == Order.model_validate_json(body, strict=True).model_dump()


@pytest.mark.parametrize("path", BAD)
def test_what_validators_refuse_is_refused(path: str) -> None:
    """Code that raises is a misfit of the body, with the path and the words that pydantic uses."""
    body = msgspec.json.encode(BAD[path])
    with pytest.raises(pydantic.ValidationError) as theirs:
        Order.model_validate_json(body, strict=True)
    with pytest.raises(ResponseValidationError) as ours:
        decode.decode(body, decode.decoder_for(structify(Order, validators="run")))
    assert ours.value.path == path
    assert ours.value.message.startswith(theirs.value.errors()[0]["msg"])


def test_an_assertion_of_the_whole_model_is_a_misfit() -> None:
    """An `assert` that fails in a validator of the model refuses the document."""
    with pytest.raises(ResponseValidationError, match=r"(?s)Assertion failed, too dear.* at `\$`"):
        decode.decode(b'{"count":2,"price":60.0}', decode.decoder_for(structify(Order, validators="run")))


Order_ = structify(Order, validators="run")
Order_.__qualname__ = "Order_"


def test_copies_are_not_validated_again() -> None:
    """A copy has the values of the first, however it was made."""
    first = Order_.model_validate_json(b'{"count":2,"limit":9}')
    assert [copy.copy(first), copy.deepcopy(first), first.model_copy(deep=True)] == [first] * 3


def test_code_is_left_out_when_asked() -> None:
    """With "drop", the fields are what stands in the document."""

    class Shown(Order):
        _cache: int = 0

        @pydantic.field_serializer("count")
        def write(self, value: int) -> str:
            return str(value)

        @pydantic.computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
        @property
        def double(self) -> int:
            return self.count * 2

        def model_post_init(self, _context: Any, /) -> None:
            self.total = 7

    document = {"count": 1, "limit": 0, "price": 99.0, "code": " x ", "tags": ["Y"], "anything": [1], "total": 3.0}
    assert structify(Shown, validators="drop").model_validate(document).model_dump() == document
    with pytest.raises(StructifyError) as caught:
        structify(Shown)
    assert {
        "limit",
        "price",
        "count",
        "code",
        "tags",
        "anything",
        "add_up",
        "double",
        "_cache",
        "model_post_init",
    } == set(caught.value.problems)


class Inner(pydantic.BaseModel):
    """A model."""


class Hard(pydantic.BaseModel):
    """A model with code that cannot be run on a Struct."""

    inner: Annotated[Inner, AfterValidator(lambda value: value)]

    @pydantic.model_validator(mode="before")
    @classmethod
    def early(cls, data: Any) -> Any:
        """See the whole document."""
        return data

    @pydantic.computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def size(self) -> int:
        """Be written only."""
        return 1


class Asking(pydantic.BaseModel):
    """A model whose validator calls a method."""

    count: int

    def double(self) -> int:
        """Double."""
        return self.count * 2

    @pydantic.model_validator(mode="after")
    def check(self) -> Asking:
        """Call it."""
        assert self.double()
        return self


def test_what_cannot_be_run_is_named() -> None:
    """Code that would see what a Struct has not is a problem, with the reason."""
    with pytest.raises(StructifyError) as caught:
        structify(Hard, validators="run")
    assert set(caught.value.problems) == {"inner", "early", "size"}
    with pytest.raises(StructifyError, match="check asks for double"):
        structify(Asking, validators="run")


def test_a_model_post_init_is_run() -> None:
    """What a model does when its fields are there, its Struct does too, before the validators of the whole."""

    class Named(pydantic.BaseModel):
        first: str
        whole: str = ""

        def model_post_init(self, _context: Any, /) -> None:
            self.whole = self.first + "!"

        @pydantic.model_validator(mode="after")
        def ask(self) -> Named:
            self.whole += "?"
            return self

    ours = structify(Named, validators="run").model_validate({"first": "a"})
    assert ours.model_dump() == Named(first="a").model_dump() == {"first": "a", "whole": "a!?"}


def test_a_run_struct_survives_pickling() -> None:
    """A pickle has the values as they are."""
    first = Order_.model_validate_json(b'{"count":2,"limit":9}')
    make, args = first.__reduce__()[:2]
    assert make(*args) == first
    assert pickle.loads(pickle.dumps(make)) is make
