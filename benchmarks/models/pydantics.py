"""The users as pydantic models live here; the same text serves pydantic 2 and, for the older framework, pydantic 1."""

from typing import Any

from pydantic import BaseModel, Field


def users_on(base: Any, nested: Any) -> Any:
    """Make the user model on the base classes that a framework asks for.

    Args:
        base: The base class of what a request returns.
        nested: The base class of what is inside.
    """

    class Geo(nested):
        lat: str
        lng: str

    class Address(nested):
        street: str
        suite: str
        city: str
        zipcode: str
        geo: Geo

    class Company(nested):
        name: str
        catch_phrase: str = Field(alias="catchPhrase")
        bs: str

    class User(base):
        id: int
        name: str
        username: str
        email: str
        address: Address
        phone: str
        website: str
        company: Company

    return User


User = users_on(BaseModel, BaseModel)
