"""Models that convert."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from headrace.compat.pydantic import Response
from tests.models_to_structify.kinds import Color, Size, today

T = TypeVar("T")


class Geo(BaseModel, frozen=True):
    r"""Where it is.

    In degrees, with a "quoted" word and a back\slash.
    """

    lat: Annotated[float, Field(ge=-90, le=90)]
    lng: float = 0.5


class Node(BaseModel):  # noqa: D101 - there are such
    children: list[Node] = []
    parent: Node | None = None


class Product(BaseModel):
    """A product."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    product_id: UUID
    display_name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Z]", description='What the "customer" reads.')
    color: Color = Color.RED
    size: Size | None = None
    kind: Literal["book", "toy"] = "book"
    unit_price: Decimal = Decimal("9.90")
    sold_out: bool = False


class Order(Response):
    """An order, with names that need one rule each."""

    number: int = Field(alias="no", gt=0)
    made: dt.datetime
    due: dt.date = Field(default_factory=today)
    date: dt.date | None = None
    within: dt.timedelta = dt.timedelta(days=1)
    products: list[Product] = Field(default_factory=list)
    tags: set[str] = Field(default_factory=set, alias="labels")
    prices: dict[str, Decimal] = {}  # noqa: RUF012 - pydantic copies it
    weights: list[int] = [1, 2]  # noqa: RUF012 - the same
    place: Geo = Geo(lat=48.4, lng=10.0)
    pair: tuple[int, str] = (1, "a")
    anything: Any = None
    very_long_name_of_a_field: Literal["a value that is long", "another one that is long", "a third one"] | None = (
        Field(
            default=None,
            alias="veryLong",
            description="A sentence that is long enough to need a line of its own, or two.",
        )
    )
    another_long_one: Annotated[
        str, Field(description="A text that is so long that it can be on no line with others.")
    ] = ""


class Page(BaseModel, Generic[T]):
    """A page."""

    items: list[T]


class Orders(Page[Order]):
    """Some orders."""

    total: int = 0


class Shelf(BaseModel):
    """
    Attributes:
        page: Is of a generic model.
    """  # noqa: D205, D212 - as some write it

    page: Page[Product]
