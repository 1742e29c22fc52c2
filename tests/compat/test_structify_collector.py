"""What structify makes is left alone by the garbage collector where no cycle can be, and collected where one can."""

import gc
import weakref
from typing import Any, Literal

import msgspec
import pydantic
import pytest

from headrace.compat.structify import structify


class Leaf(pydantic.BaseModel):
    """Texts and numbers."""

    id: int
    kind: Literal["a", "b"] = "a"
    tags: list[str] = []
    scores: dict[str, float | None] = {}


class Tree(pydantic.BaseModel):
    """It holds others of its kind."""

    name: str
    children: list["Tree"] = []


class Branch(pydantic.BaseModel):
    """It holds leaves."""

    leaf: Leaf
    more: list[Leaf] = []


class Open(pydantic.BaseModel):
    """It holds anything."""

    anything: Any


@pytest.mark.parametrize(("model", "tracked"), [(Leaf, False), (Branch, False), (Tree, True), (Open, True)])
def test_only_what_can_be_in_a_cycle_is_tracked(model: type[pydantic.BaseModel], tracked: bool) -> None:
    """A Struct of texts, numbers and the like is no business of the collector's."""
    document = {"id": 1, "leaf": {"id": 2, "tags": ["x"]}, "more": [{"id": 3}], "name": "n", "anything": [1]}
    document = {name: document[name] for name in document if name in model.model_fields}
    made = msgspec.convert(document, structify(model))
    assert gc.is_tracked(made) is tracked


def test_a_cycle_is_collected() -> None:
    """A tree that was made to hold itself is gone when nobody else holds it."""

    class Held:
        """Something that can be watched."""

    made: Any = msgspec.json.decode(b'{"anything": []}', type=structify(Open))
    held = Held()
    made.anything += [made, held]
    watch = weakref.ref(held)
    del made, held
    gc.collect()
    assert watch() is None
