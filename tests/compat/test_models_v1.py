"""What pydantic v1's models had beside their calls: files, `__fields__`, iteration, names in annotations."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - msgspec reads the annotations
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from headrace import BaseModel, Response
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from pathlib import Path


class Address(BaseModel):
    """A nested model."""

    city: str
    zip: str = "0"


class User(Response):
    """A model with an alias, a default and a model in it."""

    name: str
    user_id: int = msgspec.field(name="userId")
    address: Address | None = None
    born: dt.date | None = None


@pytest.fixture
def user() -> User:
    """A user that has everything but a birthday."""
    return User(name="Zoë", user_id=7, address=Address("Ulm"))


def test_dict_of_a_model_is_its_own_level(user: User) -> None:
    """Names and values as they are: a model inside stays one, and what a copy has left out is not there."""
    assert dict(user) == {"name": "Zoë", "user_id": 7, "address": Address("Ulm"), "born": None}
    assert list(Address("Ulm")) == [("city", "Ulm"), ("zip", "0")]
    with pytest.warns(DeprecationWarning, match="copy"):
        assert dict(user.copy(include={"born"})) == {"born": None}


def test_a_model_is_encoded_as_before_although_it_can_be_iterated_over(user: User) -> None:
    """Nobody takes it for a list of pairs."""
    assert msgspec.to_builtins([Address("Ulm")]) == [{"city": "Ulm", "zip": "0"}]
    assert user.model_dump()["address"] == {"city": "Ulm", "zip": "0"}


def test_fields_have_their_old_names(user: User) -> None:
    """`__fields__` of class and instance, and `__fields_set__`, are what `model_fields` and its set are."""
    assert list(User.__fields__) == ["name", "user_id", "address", "born"]
    assert User.__fields__ == user.__fields__ == User.model_fields
    assert User.__fields__["user_id"].encode_name == "userId"
    assert user.__fields_set__ == user.model_fields_set == {"name", "user_id", "address"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_is_read(user: User, tmp_path: Path) -> None:
    """As text or a path, in any encoding; what is missing is the error of opening it."""
    path = tmp_path / "user.json"
    path.write_text(user.json(by_alias=True), encoding="utf-16")
    assert User.parse_file(path, encoding="utf-16") == user
    path.write_text(user.json(by_alias=True), encoding="utf-8")
    assert User.parse_file(str(path), content_type="application/json") == user
    with pytest.raises(FileNotFoundError):
        User.parse_file(tmp_path / "missing")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "arguments",
    [{"sort_keys": True}, {"sort_keys": True, "indent": 2}, {"ensure_ascii": True}, {"separators": (", ", ": ")}],
)
def test_json_takes_what_json_dumps_takes(user: User, arguments: dict[str, Any]) -> None:
    """The text is that of `json.dumps` for the same values; without `separators` it is compact, as ever."""
    plain = user.model_dump(mode="json", exclude_none=True)
    compact = {} if "indent" in arguments else {"separators": (",", ":")}
    expected = json.dumps(plain, **{**compact, "ensure_ascii": False, **arguments})
    assert user.json(exclude_none=True, **arguments) == expected
    assert json.loads(User.schema_json(**arguments)) == User.model_json_schema()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_skip_defaults_is_exclude_unset(user: User) -> None:
    """It was its name before pydantic 1.0."""
    assert user.dict(skip_defaults=True) == user.model_dump(exclude_unset=True)
    assert user.json(skip_defaults=True) == user.model_dump_json(exclude_unset=True)
    assert user.json(skip_defaults=False) == user.model_dump_json()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_names_in_annotations_are_given() -> None:
    """A name that no module has is looked up among those that are given, deep in the annotation too."""

    class Inside(BaseModel):
        n: int

    class Late(Address, kw_only=True):
        one: Elsewhere  # type: ignore[name-defined]  # noqa: F821 - the point
        more: list[Elsewhere]  # type: ignore[name-defined]  # noqa: F821 - the same

    with pytest.raises(ValidationError, match="Late: name 'Elsewhere' is not defined"):
        Late.update_forward_refs(Other=Inside)
    Late.update_forward_refs(Elsewhere=Inside)
    late = Late.model_validate_json(b'{"city": "Ulm", "one": {"n": 1}, "more": [{"n": 2}]}')
    assert (late.one, late.more) == (Inside(1), [Inside(2)])
    with pytest.raises(ValidationError, match=r"\$\.more\[0\]\.n"):
        Late.model_validate_json(b'{"city": "Ulm", "one": {"n": 1}, "more": [{"n": "2"}]}')
