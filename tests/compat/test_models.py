"""What a user sees of `headrace.models`."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import inspect
import pickle
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ValidationError
from headrace.models import BaseModel, PaginatedResponse, Response, flatten, stamp

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
URL = "https://api.example.com/users/1"


class Color(enum.Enum):
    """An enum in a model."""

    RED = "red"


@dataclass
class Point:
    """A dataclass in a model."""

    x: int
    y: int = 0


class Address(BaseModel, rename="camel"):
    """A nested model."""

    city: str
    zip_code: str | None = None


class User(BaseModel, rename="camel"):
    """A model with most kinds of fields."""

    user_id: int
    address: Address
    friends: list[Address] = msgspec.field(default_factory=list)
    labels: dict[str, Address] = msgspec.field(default_factory=dict)
    born: dt.date | None = None
    color: Color = Color.RED


class Page(Response):
    """A response with one field."""

    number: int


class FrozenPage(Response, frozen=True, kw_only=True):
    """A response that cannot be changed."""

    number: int


class Clock(Response):
    """A response whose own fields have the names of the properties."""

    time: str
    base_uri: str = "mine"


class Numbers(PaginatedResponse):
    """A complete page."""

    number: int

    def is_paginating(self) -> bool:
        """Tell whether there are more."""
        return self.number < 3

    def next(self) -> dict[str, int]:
        """Return the parameters of the next page."""
        return {"page": self.number + 1}

    previous = start = end = next  # noqa: A003 - the method above is meant


class Cat(BaseModel, tag=True):
    """One member of a tagged union."""

    name: str


class Dog(BaseModel, tag=True):
    """The other member."""

    name: str


class Home(BaseModel):
    """Holds a tagged union."""

    pet: Cat | Dog


@pytest.fixture
def user() -> User:
    """Make a user with something in every field."""
    ulm, bonn = Address("Ulm", "89073"), Address("Bonn")
    return User(1, ulm, friends=[ulm, bonn], labels={"home": bonn}, born=dt.date(2000, 1, 2))


@pytest.mark.parametrize(
    "values",
    [
        {"userId": 1, "address": {"city": "Ulm"}},
        MappingProxyType({"userId": 1, "address": Address("Ulm")}),
        SimpleNamespace(user_id=1, address=SimpleNamespace(city="Ulm", zip_code=None)),
    ],
    ids=["dict", "mapping", "attributes"],
)
def test_model_validate_takes_mappings_and_objects(values: Any) -> None:
    """A model is made from a mapping by alias, or from attributes; what is one already is returned."""
    user = User.model_validate(values)
    assert user == User(1, Address("Ulm"))
    assert User.model_validate(user) is user


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"userId": 1, "address": {"city": 5}}, "$.address.city"),
        ({"userId": 1, "address": {"city": "x"}, "friends": [{}]}, "$.friends[0]"),
        ([], "$"),
    ],
)
def test_model_validate_names_the_path(values: Any, path: str) -> None:
    """A misfit says where it is, also when it is the whole document."""
    with pytest.raises(ValidationError, match="User: ") as caught:
        User.model_validate(values)
    assert str(caught.value).endswith(f"`{path}`")
    assert isinstance(caught.value.__cause__, msgspec.ValidationError)


def test_model_validate_is_strict_unless_told_otherwise() -> None:
    """Text is a number only with `strict=False`."""
    assert Page.model_validate({"number": "7"}, strict=False).number == 7
    for strict in (None, True):
        with pytest.raises(ValidationError, match="number"):
            Page.model_validate({"number": "7"}, strict=strict)


@pytest.mark.parametrize("text", ['{"number": 1}', b'{"number": 1}', bytearray(b'{"number": 1}')])
def test_model_validate_json_decodes_text_and_bytes(text: Any) -> None:
    """JSON text may be bytes or str."""
    assert Page.model_validate_json(text) == Page(1)


@pytest.mark.parametrize("text", ["{", b"\xff", b'{"number": "x"}', '{"number": "\ud800"}', b"[" * 100_000, 5, None])
def test_model_validate_json_has_one_error(text: Any) -> None:
    """Whatever is wrong with the text, the error is ours."""
    with pytest.raises(ValidationError):
        Page.model_validate_json(text)


def test_model_dump_makes_dicts_of_all_models(user: User) -> None:
    """Nested models become dicts wherever they are; other values stay, or become those of JSON."""
    assert user.model_dump() == {
        "user_id": 1,
        "address": {"city": "Ulm", "zip_code": "89073"},
        "friends": [{"city": "Ulm", "zip_code": "89073"}, {"city": "Bonn", "zip_code": None}],
        "labels": {"home": {"city": "Bonn", "zip_code": None}},
        "born": dt.date(2000, 1, 2),
        "color": Color.RED,
    }
    assert user.model_dump(mode="json", include={"born", "color"}) == {"born": "2000-01-02", "color": "red"}


def test_model_dump_by_alias_can_be_validated_again(user: User) -> None:
    """Dumped by alias, a model comes back equal."""
    dumped = user.model_dump(by_alias=True)
    assert dumped["address"] == {"city": "Ulm", "zipCode": "89073"}
    assert User.model_validate(dumped) == user
    assert User.model_validate_json(user.model_dump_json(by_alias=True)) == user


class PydanticAddress(pydantic.BaseModel):
    """The twin of `Address`."""

    city: str
    zip_code: str | None = None


class PydanticUser(pydantic.BaseModel):
    """The twin of `User`."""

    user_id: int
    address: PydanticAddress
    friends: list[PydanticAddress] = []
    labels: dict[str, PydanticAddress] = {}
    born: dt.date | None = None
    color: Color = Color.RED


MEMBERS = st.sampled_from(["city", "zip_code"])
INNER = st.one_of(st.sets(MEMBERS, min_size=1), st.dictionaries(MEMBERS, st.just(True), min_size=1))
ITEMS = st.dictionaries(st.sampled_from([0, 1, "__all__"]), st.one_of(st.just(True), INNER), min_size=1)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.just(True),
        "address": st.one_of(st.just(True), INNER),
        "friends": st.one_of(st.just(True), ITEMS, st.sets(st.sampled_from([0, -1]), min_size=1)),
        "labels": st.fixed_dictionaries({"home": INNER}),
    },
)
FILTERS = st.one_of(st.none(), FIELDS, st.sets(st.sampled_from(["user_id", "address", "friends"])))


@given(include=FILTERS, exclude=FILTERS, none=st.booleans(), defaults=st.booleans())
def test_filters_do_what_pydantic_does(include: Any, exclude: Any, none: bool, defaults: bool) -> None:
    """Every filter keeps what pydantic keeps, in Python and in JSON."""
    ulm, bonn = Address("Ulm", "89073"), Address("Bonn")
    ours = User(1, ulm, friends=[bonn, ulm, bonn], labels={"home": bonn, "work": ulm})
    theirs = PydanticUser.model_validate(ours.model_dump())
    options: Any = {"include": include, "exclude": exclude, "exclude_none": none, "exclude_defaults": defaults}
    assert ours.model_dump(**options) == theirs.model_dump(**options)
    assert ours.model_dump_json(**options) == theirs.model_dump_json(**options)


def test_exclude_unset_means_exclude_defaults() -> None:
    """What was set is unknown, so a field that equals its default is left out."""
    ulm = Address("Ulm")
    dumped = User(1, ulm, friends=[], born=None).model_dump(exclude_unset=True)
    assert dumped == {"user_id": 1, "address": {"city": "Ulm"}}
    assert ulm.model_dump_json(exclude_unset=True, indent=2) == '{\n  "city": "Ulm"\n}'


@pytest.mark.parametrize("argument", [{"mode": "xml"}, {"include": ["city"]}, {"exclude": "city"}])
def test_model_dump_refuses_wrong_arguments(argument: dict[str, Any]) -> None:
    """A wrong argument is named."""
    with pytest.raises(ValidationError, match=next(iter(argument))):
        Address("Ulm").model_dump(**argument)


def test_model_dump_keeps_the_kind_of_containers() -> None:
    """Tuples and sets stay, dataclasses become dicts, unset fields are left out."""

    class Mixed(BaseModel):
        pair: tuple[Address, int]
        tags: set[int]
        point: Point
        keys: dict[dt.date, Any]
        gone: int | msgspec.UnsetType = msgspec.UNSET

    mixed = Mixed((Address("Ulm"), 1), {3}, Point(1), {dt.date(2000, 1, 2): Decimal("1.5")})
    ulm, point = {"city": "Ulm", "zip_code": None}, {"x": 1, "y": 0}
    keys = {dt.date(2000, 1, 2): Decimal("1.5")}
    assert mixed.model_dump() == {"pair": (ulm, 1), "tags": {3}, "point": point, "keys": keys}
    plain = {"pair": [ulm, 1], "tags": [3], "point": point, "keys": {"2000-01-02": "1.5"}}
    assert mixed.model_dump(mode="json") == plain
    assert mixed.model_dump(exclude_defaults=True)["point"] == {"x": 1}


def test_tagged_union_survives_a_dump() -> None:
    """The tag is dumped, so that the right member comes back."""
    home = Home(Dog("Rex"))
    assert Home.model_validate(home.model_dump()) == home
    assert Home.model_validate_json(home.model_dump_json()) == home
    assert home.pet.model_dump(include={"name"}) == {"name": "Rex"}


def test_model_copy_updates_and_shares() -> None:
    """A copy has what the update says, shares the rest, and leaves the original alone."""
    user = User(1, Address("Ulm"))
    copied = user.model_copy(update={"user_id": 2})
    assert (copied.user_id, user.user_id) == (2, 1)
    assert copied.address is user.address
    assert user.model_copy(deep=True).address is not user.address
    assert FrozenPage(number=1).model_copy(update={"number": 2}) == FrozenPage(number=2)
    with pytest.raises(ValidationError, match="no field 'nmae'"):
        user.model_copy(update={"nmae": 1})


def test_model_fields_is_read_from_the_class() -> None:
    """`Model.model_fields` maps names to msgspec's FieldInfo."""
    assert list(User.model_fields) == ["user_id", "address", "friends", "labels", "born", "color"]
    assert User.model_fields["user_id"].encode_name == "userId"
    assert Page(1).model_fields["number"].type is int


def test_model_json_schema_describes_the_model() -> None:
    """The schema names the model's fields by alias."""
    assert set(User.model_json_schema()["$defs"]["User"]["properties"]) >= {"userId", "address"}


def test_flatten_joins_names(user: User) -> None:
    """Nested models and mappings become dotted keys; lists stay lists."""
    flat = user.flatten()
    assert flat["address.city"] == "Ulm"
    assert flat["labels.home.city"] == "Bonn"
    assert flat["friends"] == [{"city": "Ulm", "zip_code": "89073"}, {"city": "Bonn", "zip_code": None}]
    assert "address" not in flat
    assert user.flatten("__")["address__city"] == "Ulm"
    assert flatten({1: {Color.RED: 2}, "empty": {}}) == {"1.red": 2}


@pytest.mark.parametrize("page", [Page(1), FrozenPage(number=1), Numbers(1)], ids=lambda page: type(page).__name__)
def test_stamp_is_read_but_is_no_field(page: Response) -> None:
    """URL and time can be read, and appear nowhere else."""
    twin = copy.copy(page)
    stamp(page, URL, NOON)
    assert (page.base_uri, page.time) == (URL, NOON)
    assert page == twin
    assert msgspec.json.encode(page) == b'{"number":1}' == page.model_dump_json().encode()
    assert page.model_dump() == {"number": 1} == page.flatten()
    assert set(page.model_fields) == {"number"}
    assert repr(page) == repr(twin)


def test_response_without_a_client_has_a_steady_time() -> None:
    """The time is that of the first question, aware and the same ever after."""
    page = Page(1)
    assert page.base_uri == ""
    assert page.time is page.time
    assert page.time.tzinfo is dt.UTC


def test_json_does_not_set_the_stamp() -> None:
    """Keys of the document with the names of the properties are not taken for them."""
    page = Page.model_validate_json(b'{"number": 1, "base_uri": "http://evil", "time": "2000-01-01T00:00:00Z"}')
    assert page.base_uri == ""
    assert page.time.year > 2000


def test_stamp_reaches_every_item_of_a_list() -> None:
    """A list of responses is stamped one by one; what is no response is left alone."""
    pages = [Page(1), Page(2)]
    stamp([*pages, Address("Ulm"), 3], URL, NOON)
    stamp({"number": 1}, URL, NOON)
    assert [page.base_uri for page in pages] == [URL, URL]


def test_own_fields_win_over_the_stamp() -> None:
    """A model's own `time` and `base_uri` are fields like any other."""
    clock = Clock.model_validate_json(b'{"time": "noon"}')
    stamp(clock, URL, NOON)
    assert (clock.time, clock.base_uri) == ("noon", "mine")
    assert clock.model_dump() == {"time": "noon", "base_uri": "mine"}


@pytest.mark.parametrize("page", [Page(1), FrozenPage(number=1), Numbers(1)], ids=lambda page: type(page).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_the_stamp(page: Response, protocol: int) -> None:
    """A pickled response comes back equal and knows who answered."""
    stamp(page, URL, NOON)
    back = pickle.loads(pickle.dumps(page, protocol))
    assert back == page
    assert (back.base_uri, back.time) == (URL, NOON)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, Page.model_copy])
def test_copies_keep_the_stamp_and_are_apart(duplicate: Any) -> None:
    """A copy knows who answered, and a new stamp on it does not reach the original."""
    page = Page(1)
    stamp(page, URL, NOON)
    copied = duplicate(page)
    assert (copied, copied.base_uri, copied.time) == (page, URL, NOON)
    stamp(copied, "other", NOON)
    assert page.base_uri == URL


def test_plain_models_pickle_and_compare(user: User) -> None:
    """A model with nested models survives pickling, and differs from one with another value."""
    assert pickle.loads(pickle.dumps(user)) == user
    assert user != user.model_copy(update={"user_id": 9})


def test_paginated_response_is_abstract() -> None:
    """Only a subclass with all five methods can be made."""

    class Half(PaginatedResponse):
        def next(self) -> None:
            """Go nowhere."""

    assert inspect.isabstract(PaginatedResponse)
    with pytest.raises(TypeError, match="abstract"):
        PaginatedResponse()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="is_paginating"):
        Half()  # type: ignore[abstract]
    page = msgspec.json.decode(b'{"number": 2}', type=Numbers)
    assert isinstance(page, PaginatedResponse)
    assert (page.is_paginating(), page.next()) == (True, {"page": 3})
