"""Models that do not convert, and some that do and cannot be written."""

import collections.abc

from pydantic import BaseModel, Field, field_validator


class Checked(BaseModel):
    """Runs code."""

    name: str

    @field_validator("name")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()


class Holder(BaseModel):
    """Names one that runs code."""

    inner: Checked


class Called(BaseModel):
    """Has a type that no JSON has."""

    call: collections.abc.Callable[[], int]


class Random(BaseModel):
    """Converts, but its default has no name."""

    number: int = Field(default_factory=lambda: 4)


class HasRandom(BaseModel):
    """Converts, but names one that cannot be written."""

    random: Random
