"""The helpers, constants, errors and models of the older framework, by the names of its modules."""

import datetime as dt
import decimal
import enum
import http
import ipaddress
import json
import pickle
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, Optional
from uuid import UUID

import pydantic
import pytest
from yarl import URL

import headrace
from headrace import BaseModel as Struct
from headrace.compat import arya
from headrace.compat.arya import constants, errors, models, utils
from headrace.compat.arya.async_framework.utils import chunk_file_reader as read_async
from headrace.compat.arya.sync_framework.utils import chunk_file_reader as read_sync


class Geo(models.BaseModel):
    """A model in a model in a model."""

    lat: float = 0.0


class Address(models.BaseModel):
    """A model in a model."""

    city: str = "Ulm"
    geo: Geo = Geo()


class User(models.Response):
    """What a request is answered with."""

    id: int
    address: Address | None = None
    secret: pydantic.SecretStr | None = None


class Point(Struct):
    """A Struct, which does not know what was set."""

    x: int = 0
    y: int = 0


# -- utils
#


def test_flattening_keeps_what_was_set() -> None:
    """Of a pydantic model; of a Struct, what differs from its defaults; and a mapping is itself."""
    user = User(id=1, address=Address(geo=Geo(lat=1)))
    assert utils.flatten_obj(user) == {"id": 1, "address": {"geo": {"lat": 1.0}}}
    assert utils.flatten_params(user) == user.flatten() == {"id": 1, "address.geo.lat": 1.0}
    assert utils.flatten_obj(Point(y=2)) == utils.flatten_params(Point(y=2)) == {"y": 2}
    given = {"a": {"b": 1}}
    assert utils.flatten_obj(given) is utils.flatten_params(given) is given
    assert utils.flatten_obj(None) is None


def test_merging_dicts() -> None:
    """Later wins, `None` removes, and nothing that is given is changed."""
    base = {"a": 1, "b": 2}
    assert utils.merge_dicts(base, {"b": None, "c": 3}) == {"a": 1, "c": 3}
    assert base == {"a": 1, "b": 2}
    assert utils.merge_dicts(Address(city="x"), Point(x=1)) == {"city": "x", "x": 1}
    assert utils.merge_dicts(None, base) is utils.merge_dicts(base, None) is base
    assert utils.merge_dicts(base, 5) == 5


def test_types_are_told() -> None:
    """One or several; what is of none is an error, or `False`, and the error does not show the value."""
    assert utils.validate_type(True, int)
    assert utils.validate_type("x", [int, str])
    assert utils.validate_type(1, str, err=False) is False
    with pytest.raises(errors.ValidationError, match="obj: got str, takes int or float") as caught:
        utils.validate_type("s3cret", [int, float])
    assert "s3cret" not in str(caught.value)


class Colour(enum.Enum):
    """Has values."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"ab", "ab"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
        (dt.time(1, 2), "01:02:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (decimal.Decimal("1.50"), 1.5),
        (decimal.Decimal(3), 3),
        (Colour.RED, "red"),
        (frozenset({1}), [1]),
        (deque([1, 2]), [1, 2]),
        ((n for n in (1, 2)), [1, 2]),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (Path("/a/b"), "/a/b"),
        (re.compile("a+"), "a+"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (URL("https://a.example/x"), "https://a.example/x"),
        (pydantic.SecretStr("s3cret"), "**********"),
        (Geo(lat=2), {"lat": 2.0}),
        (Point(1), {"x": 1, "y": 0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_encoder_writes_what_json_does_not_know(value: Any, written: Any) -> None:
    """As the older framework did, by type; a secret stays one."""
    assert json.loads(json.dumps([value], cls=utils.FrameworkEncoder)) == [written]


def test_the_encoder_refuses_what_has_no_text() -> None:
    """As `json.dumps` does."""
    with pytest.raises(TypeError, match="object"):
        json.dumps(object(), cls=utils.FrameworkEncoder)


def test_a_url_is_a_type_of_a_field() -> None:
    """Read from text or a URL, and written as text; anything else does not fit."""

    class Page(models.BaseModel):
        url: utils.YarlURL

    page = Page.model_validate({"url": "/a/b?c=1"})
    assert page.url == URL("a/b?c=1")
    assert page.model_dump_json() == page.json(separators=(",", ":")) == '{"url":"a/b?c=1"}'
    assert Page.model_validate({"url": URL("https://a.example")}).url == URL("https://a.example")
    with pytest.raises(pydantic.ValidationError, match="got int"):
        Page.model_validate({"url": 5})


async def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    """Of 64 KiB, with a loop and without."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 300)
    pieces = list(read_sync(str(path)))
    assert [len(piece) for piece in pieces] == [65536, 76800 - 65536]
    assert [piece async for piece in read_async(path)] == pieces
    assert b"".join(pieces) == path.read_bytes()


# -- constants and errors
#


def test_constants() -> None:
    """A method is found in any case; every status of the standard library from 300 on is there under its name."""
    assert constants.HTTPMethod("get") is constants.HTTPMethod.GET
    assert constants.HTTPMethod("ANY").value == "ANY"
    with pytest.raises(ValueError, match="FETCH"):
        constants.HTTPMethod("FETCH")
    assert constants.ClientBranch("async") is constants.ClientBranch.async_
    assert constants.HTTPStatus.HTTP_404_NOT_FOUND == http.HTTPStatus.NOT_FOUND == 404
    assert constants.HTTPStatus.HTTP_306_RESERVED == 306
    assert "HTTP_418_IM_A_TEAPOT" in dir(constants.HTTPStatus)
    with pytest.raises(AttributeError, match="HTTP_404_NOT_FOUND"):
        constants.HTTPStatus.NOT_FOUND  # noqa: B018 - it is looked up


def test_errors_are_those_of_headrace() -> None:
    """Whoever catches one catches the other; what was renamed has both names."""
    assert errors.HTTPNotFound is headrace.errors.HTTPNotFound
    assert errors.FrameworkException is headrace.errors.FrameworkException
    assert errors.HTTPHttpServerVersionNotSupported is headrace.errors.HTTPHttpVersionNotSupported
    assert errors.ERROR_RESPONSE_MAPPING[306] is errors.HTTPReserved
    assert issubclass(errors.SubClientNoParent, headrace.errors.ClientError)
    assert issubclass(errors.ExtensionFailed, headrace.errors.FrameworkException)


@pytest.mark.parametrize(
    "error",
    [
        errors.ExtensionFailed("a.b", ValueError("no")),
        errors.ExtensionNotFound("a.b"),
        errors.SubClientParentSet("a.b"),
        errors.SubClientError(name="a.b"),
        errors.ExtensionError("text", name="a.b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_about_a_name_survive_pickling(error: Any) -> None:
    """With the name, and what else they carry."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.name) == (str(error), "a.b")
    assert "a.b" in str(error) or str(error) == "text"
    assert repr(getattr(again, "original", None)) == repr(getattr(error, "original", None))


# -- models
#


def test_models_refuse_what_they_do_not_know() -> None:
    """As they did, until a class says otherwise."""
    with pytest.raises(pydantic.ValidationError, match="extra"):
        User.model_validate({"id": 1, "more": 2})

    class Open(models.Response):
        model_config = pydantic.ConfigDict(extra="ignore")
        id: int

    assert Open.model_validate({"id": 1, "more": 2}).id == 1


def test_models_write_what_they_wrote() -> None:
    """`json()` is the text of `json.dumps` with its arguments, `dict()` takes `skip_defaults`."""
    user = User(id=1, secret=pydantic.SecretStr("s3cret"))
    assert user.json(sort_keys=True, exclude_none=True) == '{"id": 1, "secret": "**********"}'
    assert user.json(skip_defaults=True, indent=1, exclude={"secret"}) == '{\n "id": 1\n}'
    assert user.json(include={"secret"}, encoder=lambda secret: secret.get_secret_value()) == '{"secret": "s3cret"}'
    assert user.dict(skip_defaults=True, exclude={"secret"}) == {"id": 1}
    assert user.flatten({"a": {"b": 1}}, "p") == {"p.a.b": 1}
    assert Address().flatten() == {}


def test_names_in_annotations_are_given_to_a_pydantic_model_too() -> None:
    """As in pydantic v1, which pydantic v2 refuses."""

    class Late(models.BaseModel):
        geo: Optional["Elsewhere"] = None  # type: ignore[name-defined]  # noqa: F821 - the point

    Late.update_forward_refs(Elsewhere=Geo)
    assert Late.model_validate({"geo": {"lat": 3}}).geo == Geo(lat=3)


def test_a_page_has_to_know_its_way() -> None:
    """The five methods are abstract, and headrace's own `PaginatedResponse` of pydantic is a base."""

    class Page(models.PaginatedResponse):
        number: int

    with pytest.raises(TypeError, match="is_paginating"):
        Page(number=1)  # type: ignore[abstract] # the point


# -- its import
#


def test_the_package_imports_models_when_they_are_asked_for() -> None:
    """Neither `import headrace` nor a client of the older framework imports pydantic, and headrace not this package."""
    code = (
        "import sys, headrace; print('headrace.compat.arya' in sys.modules);"
        "import headrace.compat.arya as a; print('pydantic' in sys.modules);"
        "a.Response; print('pydantic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "True"]
    assert arya.Response is models.Response
    with pytest.raises(AttributeError, match="Responze"):
        arya.Responze  # type: ignore[attr-defined] # noqa: B018 - it is looked up


def test_without_pydantic_the_models_say_what_to_do() -> None:
    """The client works, and the error names the extra and the Structs."""
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from headrace.compat.arya import AsyncClient; AsyncClient('https://a.example')\n"
        "from headrace.compat.arya import Response"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'headrace[pydantic]', or take the Structs of headrace" in ran.stderr
