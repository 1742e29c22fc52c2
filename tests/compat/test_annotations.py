"""Annotations that Python has not evaluated: texts, and from Python 3.14 on functions (PEP 649), so not here."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import pydantic
import pytest
from pydantic import AfterValidator
from typing_extensions import TypedDict

from headrace import BaseModel
from headrace.compat.pydantic import structify
from headrace.errors import StructifyError


class Inner(pydantic.BaseModel):
    """A model."""

    number: int


@dataclasses.dataclass
class Outer:
    """A class that holds it."""

    inner: Inner


@dataclasses.dataclass
class Said:
    """The same, with an annotation that is a text."""

    inner: "Inner"


class Row(TypedDict):
    """A dict that holds it."""

    inner: Inner


def test_a_field_called_model_config_may_have_a_mapping_as_its_default() -> None:
    """What is annotated as anything but a `ClassVar` is a field, and no settings."""

    class Machine(BaseModel):
        model_config: Mapping[str, str] = MappingProxyType({"extra": "allow"})

    assert Machine().model_config == {"extra": "allow"}
    assert Machine.model_validate_json(b'{"model_config": {"a": "b"}}').model_config == {"a": "b"}


@pytest.mark.parametrize("kind", [Outer, Said, Row])
def test_the_reason_names_what_holds_a_model(kind: Any) -> None:
    """A class with a model inside is refused by its own name, however its fields are annotated."""
    model = pydantic.create_model("Model", value=kind)
    with pytest.raises(StructifyError) as caught:
        structify(model)
    assert f".{kind.__name__}'>" in caught.value.problems["value"]


@pytest.mark.parametrize("kind", [Outer, Said, Row])
def test_a_validator_that_would_see_structs_is_not_run(kind: Any) -> None:
    """A validator of a class with a model inside is refused for what it would see."""
    model = pydantic.create_model("Model", value=Annotated[kind, AfterValidator(lambda value: value)])
    with pytest.raises(StructifyError) as caught:
        structify(model, validators="run")
    assert "would see Structs" in caught.value.problems["value"]
