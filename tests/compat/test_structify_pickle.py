"""Derived Structs survive pickles and copies, in this process and in another, however they were derived."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Annotated, Any, Generic, Literal, TypeVar

import cloudpickle
import pydantic
import pytest
from pydantic import Field

from headrace import AsyncClient, BaseModel
from headrace.compat.pydantic import Response, structify
from tests.kit import ROOT

T = TypeVar("T")


class Spot(pydantic.BaseModel):
    """A nested model with a secret."""

    lat: float = 0.0
    code: pydantic.SecretStr | None = None


class Cat(pydantic.BaseModel):
    """A member of a union."""

    kind: Literal["cat"]
    spot: Spot = Spot()


class Dog(pydantic.BaseModel):
    """Another."""

    kind: Literal["dog"]
    legs: int = 4


class Parcel(pydantic.BaseModel, Generic[T]):
    """A generic model."""

    item: T


class Town(Response, extra="allow"):
    """A response with everything in it."""

    spot: Spot
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []  # noqa: RUF012 - a field
    parcel: Parcel[int | None]
    deep: Parcel[list[Parcel[str]]] | None = None
    inner: Town | None = None
    raw: bytes = b"x"


class Even(pydantic.BaseModel):
    """A model with a validator."""

    number: int

    @pydantic.field_validator("number")
    @classmethod
    def check(cls, value: int) -> int:
        """Take even numbers."""
        assert value % 2 == 0
        return value


TOWN = structify(Town, lossy={"extra"})
BODY = (
    b'{"spot":{"lat":1,"code":"x"},"pets":[{"kind":"cat"},{"kind":"dog"}],"parcel":{"item":3},"raw":"\\u00fc",'
    b'"deep":{"item":[{"item":"a"}]},"inner":{"spot":{},"parcel":{"item":null}}}'
)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_struct_and_its_class_survive_pickling(protocol: int) -> None:
    """The values are equal, and the classes are the ones that there are."""
    town: Any = TOWN.model_validate_json(BODY)
    for value in (town, town.pets, town.parcel, town.deep, [town, town.inner]):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    kinds = [TOWN, type(town.pets[0]), type(town.pets[1]), type(town.parcel), type(town.deep.item[0])]
    assert pickle.loads(pickle.dumps(kinds, protocol)) == kinds
    assert structify(Even, validators="drop") is not structify(Even, validators="run")
    for mode in ("drop", "run"):
        even = structify(Even, validators=mode).model_validate({"number": 2})  # type: ignore[arg-type] # the words
        assert type(pickle.loads(pickle.dumps(even, protocol))) is type(even)


def test_what_the_client_stamped_is_kept() -> None:
    """A pickle and a copy of a response know who answered."""
    town: Any = TOWN.model_validate_json(BODY)
    vars(town)["_headrace_base_uri"] = "https://a.example/x"
    for same in (pickle.loads(pickle.dumps(town)), copy.copy(town), copy.deepcopy(town)):
        assert (same, same.base_uri) == (town, "https://a.example/x")
        assert same is not town
    assert copy.deepcopy({"kind": TOWN})["kind"] is copy.copy(TOWN) is TOWN


def test_another_process_derives_it_again() -> None:
    """A pickle needs nothing but the module of the model: values, tagged classes and parametrised models come back."""
    town: Any = TOWN.model_validate_json(BODY)
    code = (
        "import pickle, sys\n"
        "town, pet, kind = pickle.loads(sys.stdin.buffer.read())\n"
        "from headrace.compat.pydantic import structify\n"
        f"from {__name__} import Town\n"
        "assert type(town) is kind is structify(Town, lossy={'extra'}), kind\n"
        "assert type(pet) is type(town.pets[0])\n"
        "print(town.parcel.item, town.spot.code.get_secret_value(), pet.spot.lat, town.inner.parcel.item)\n"
    )
    given = pickle.dumps((town, town.pets[0], TOWN))
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [b"3", b"x", b"0.0", b"None"]), done.stderr.decode()


def test_a_config_may_name_one() -> None:
    """A client's settings are pickled with the Structs that its errors become."""
    config = AsyncClient("https://a.example", error_responses={404: TOWN}).config
    assert pickle.loads(pickle.dumps(config)).error_responses == {404: TOWN}


def test_a_class_by_hand_is_pickled_by_its_name() -> None:
    """Nothing changes for a Struct that was not derived; one without a name that can be found is refused as ever."""
    assert pickle.loads(pickle.dumps(BaseModel)) is BaseModel

    class Local(BaseModel):
        a: int

    with pytest.raises((pickle.PicklingError, AttributeError), match="Local"):
        pickle.dumps(Local(1))


def test_what_copies_classes_is_refused() -> None:
    """Cloudpickle would copy the class into one that cannot be used: the error says what can be sent instead."""
    town: Any = TOWN.model_validate_json(BODY)
    for value in (TOWN, town, [town.parcel], town.pets[0]):
        with pytest.raises(
            pickle.PicklingError, match=r"from a model \(\w+.*\) .*: send the model, and call structify"
        ):
            cloudpickle.dumps(value)
    assert pickle.loads(cloudpickle.dumps(Town)) is Town
