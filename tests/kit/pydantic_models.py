"""Models of pydantic, and what a response is stamped with."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from headrace.compat.pydantic import BaseModel, Response

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
URL = "https://api.example.com/users/1"


class Geo(BaseModel):
    """The innermost model."""

    lat: float


class Address(BaseModel):
    """A nested model."""

    city: str = Field(alias="cityName")
    geo: Geo | None = None


class Page(Response):
    """A response."""

    number: int
