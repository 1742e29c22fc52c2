"""The users as msgspec Structs live here."""

from pathlib import Path

from msgspec import Struct, field, json


class Geo(Struct):
    """Where an address is."""

    lat: str
    lng: str


class Address(Struct):
    """Where a user lives."""

    street: str
    suite: str
    city: str
    zipcode: str
    geo: Geo


class Company(Struct):
    """Where a user works."""

    name: str
    catch_phrase: str = field(name="catchPhrase")
    bs: str


class User(Struct):
    """A user."""

    id: int
    name: str
    username: str
    email: str
    address: Address
    phone: str
    website: str
    company: Company


class Line(Struct):
    """A line of an order."""

    sku: str
    title: str
    count: int
    price: float


class Order(Struct):
    """The body of the POST."""

    number: int
    customer: str
    note: str
    address: str
    paid: bool
    lines: list[Line]


def order(path: str) -> Order:
    """Read the body of the POST.

    Args:
        path: The file with its JSON.
    """
    return json.decode(Path(path).read_bytes(), type=Order)


class Created(Struct):
    """The answer to the POST."""

    id: int
    accepted: bool


ANSWERS = {"user": User, "users": list[User], "created": Created}
