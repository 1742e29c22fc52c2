"""The types that pydantic reads inside a Struct: each takes, refuses, means and writes what it does in the model."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import ipaddress
import pathlib
import re
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import msgspec
import pydantic
import pytest
from pydantic import Field
from typing_extensions import TypedDict

from headrace import models
from headrace._core.request import encode
from headrace._core.values import decode
from headrace.compat.pydantic import Checked, Utf8Bytes, dec_hook, enc_hook, structify
from headrace.errors import ResponseValidationError, StructifyError, ValidationError

Level = enum.IntEnum("Level", {"LOW": 1, "HIGH": 2})
Unit = enum.Enum("Unit", {"METRE": "m"})


class Row(TypedDict):
    """A dict with known keys."""

    id: Annotated[int, Field(gt=0)]
    tags: NotRequired[list[str]]


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: str = "y"


@dataclasses.dataclass
class Span:
    """A dataclass."""

    start: dt.date
    days: Annotated[int, Field(ge=1)] = 1


READ = [
    (pydantic.HttpUrl, ["http://a.b/c?d=1", "HTTP://Ä.de"], ["a.b", 1, "ftp://a.b"]),
    (pydantic.AnyUrl | None, ["x:y", None], ["", 3]),
    (pydantic.PostgresDsn, ["postgres://u:p@h/d"], ["http://a.b"]),
    (pydantic.SecretStr, ["hush", ""], [1, None]),
    (Annotated[pydantic.SecretStr, Field(min_length=2)], ["ab"], ["a"]),
    (pydantic.SecretBytes, ["hush"], [1]),
    (pydantic.EmailStr, ["ada@example.org"], ["ada", 1]),
    (pydantic.ByteSize, [5], ["x", None]),
    (pydantic.PastDate, ["2000-01-02"], ["9000-01-02", 5]),
    (pydantic.AwareDatetime, ["2000-01-02T03:04:05Z"], ["2000-01-02T03:04:05"]),
    (pydantic.UUID4, ["8b9f7d52-6b9a-4d0e-9d9b-6f1f0f0f0f0f"], ["8b9f7d52-6b9a-1d0e-9d9b-6f1f0f0f0f0f"]),
    (pydantic.JsonValue, [1, [None, {"a": 1.5}], "x"], []),
    (pydantic.Base64Bytes, ["aGk=", "a GVs"], ["a", 1]),
    (pydantic.StrictInt, [1], ["1", 1.5]),
    (ipaddress.IPv4Address, ["10.0.0.1"], ["10.0.0.256", 1.5]),
    (ipaddress.IPv6Network, ["::/8"], ["::1/8"]),
    (pathlib.Path, ["/a/x", "a"], [1]),
    (re.Pattern, ["a+"], ["(", 1]),
    (complex, ["1+2j"], ["x", [1]]),
    (bytes, ["text", "ü", ""], [1, None]),
    (list[bytes], [["a", "b"], []], [[1]]),
    (dict[str, bytes | None], [{"a": "x", "b": None}], [{"a": 1}]),
    (Decimal, ["1.50", 2, 2.5, 10**30], ["NaN", "x", None]),
    (Annotated[Decimal, Field(max_digits=3, decimal_places=1)], ["12.3"], ["1234", "1.23"]),
    (Annotated[float, Field(multiple_of=0.1)], [0.3, 1], [0.35]),
    (Annotated[int, Field(multiple_of=3)], [9, -3], [4]),
    (dt.timedelta, ["P1D", "PT5S", "12:00:00"], ["p1d", "x"]),
    (str | dt.date, ["2000-01-02", "x"], [1]),
    (Unit | str, ["m", "x"], [1]),
    (dict[str, int] | Annotated[str, Field(pattern="^a")], [{"a": 1}, "ab"], ["b", {"a": "x"}]),
    (tuple[int, str] | Annotated[int, Field(ge=1)], [[1, "a"], 1], [0, [1]]),
    (Annotated[str | list[int], Field(min_length=1)], ["a", [1]], ["", []]),
    (Level | float, [1, 2.5, 3], ["x"]),
    (Literal[True, "auto"], [True, "auto"], [False, "x"]),
    (Literal[Unit.METRE], [], ["m", "x"]),
    (Annotated[str, Field(pattern=r"^\w+\s\d$")], ["ab 1"], ["ab 1\n", "-"]),
    (Annotated[str, pydantic.StringConstraints(to_lower=True, strip_whitespace=True)], [" AB "], [1]),
    (Annotated[str, Field(pattern="^[a-c]$")], ["b"], ["b\n", "d"]),
    (set[Any], [[1, 1, "a"]], [[[1]], [{}]]),
    (frozenset[int], [[1, 2, 1]], [["a"]]),
    (collections.abc.Set[int], [[1]], [["a"]]),
    (collections.deque[int], [[1, 2]], [["a"]]),
    (dict[int, str], [{"1": "a", "-2": "b"}], [{"x": "a"}]),
    (dict[Unit, int], [{"m": 1}], [{"x": 1}]),
    (Row, [{"id": 1}, {"id": 1, "tags": ["a"], "more": 2}], [{"id": 0}, {}, []]),
    (list[Row] | None, [[{"id": 1}], None], [[{"id": "1"}]]),
    (Point, [[1], [1, "z"]], [["a"], [1, "z", 2]]),
    (Span, [{"start": "2000-01-02"}], [{"start": "2000-01-02", "days": 0}, {"days": 1}]),
    (Annotated[int, Field(strict=False)], [1], ["1"]),
    (object, [1, None, {"a": []}], []),
    (pydantic.RootModel[list[int]], [[1, 2]], [["1"], {}]),
]


def written(value: Any) -> Any:
    """Read again what headrace sends."""
    return msgspec.json.decode(encode.body(value))


@pytest.mark.parametrize(("kind", "taken", "refused"), READ, ids=lambda value: str(value)[:40])
def test_a_type_is_read_and_written_as_in_the_model(kind: Any, taken: list[Any], refused: list[Any]) -> None:
    """The Struct takes and refuses the same documents in strict mode, with the same values and the same JSON."""
    model = pydantic.create_model("Holder", value=(kind, ...))
    struct = structify(model)
    for value in taken:
        body = msgspec.json.encode({"value": value})
        ours, theirs = struct.model_validate_json(body), model.model_validate_json(body, strict=True)
        their_value = theirs.value.root if isinstance(theirs.value, pydantic.RootModel) else theirs.value
        assert (type(ours.value), ours.value) in [(type(their_value), their_value), (Utf8Bytes, their_value)]
        if kind is not dt.timedelta:  # the same length of time has many texts
            assert msgspec.json.decode(ours.model_dump_json()) == msgspec.json.decode(theirs.model_dump_json())
            assert ours.model_dump(mode="json") == theirs.model_dump(mode="json")
        assert decode.decode(body, decode.decoder_for(struct)) == ours
    for value in refused:
        body = msgspec.json.encode({"value": value})
        with pytest.raises(pydantic.ValidationError):
            model.model_validate_json(body, strict=True)
        with pytest.raises(ResponseValidationError) as caught:
            decode.decode(body, decode.decoder_for(struct))
        assert caught.value.path.startswith("$.value")


class Login(pydantic.BaseModel):
    """A model with secrets."""

    user: str
    token: Annotated[pydantic.SecretStr, Field(max_length=5)]
    mail: pydantic.HttpUrl | None = None


def test_secrets_stay_secret_but_are_sent() -> None:
    """A secret shows in no repr, dump or error; the server gets it."""
    login = structify(Login).model_validate_json(b'{"user":"ada","token":"hush"}')
    assert "hush" not in f"{login!r} {login.model_dump()} {login.model_dump_json()}"
    assert written(login) == {"user": "ada", "token": "hush", "mail": None}
    with pytest.raises(ValidationError) as caught:
        structify(Login).model_validate_json(b'{"user":"ada","token":"hush hush"}')
    assert str(caught.value).endswith("at `$.token`")
    cause: BaseException | None = caught.value
    while cause is not None:
        assert "hush" not in str(cause)
        cause = cause.__cause__ or cause.__context__


def test_a_decoder_of_ones_own_takes_the_hooks() -> None:
    """Without the hooks, msgspec refuses what it cannot read, and takes nothing unchecked."""
    struct, body = structify(Login), b'{"user":"ada","token":"hush","mail":"http://a.b"}'
    login = msgspec.json.decode(body, type=struct, dec_hook=dec_hook)
    assert msgspec.json.decode(msgspec.json.encode(login, enc_hook=enc_hook)) == {
        "user": "ada",
        "token": "*" * 10,
        "mail": "http://a.b/",
    }
    with pytest.raises(msgspec.ValidationError, match="token"):
        msgspec.json.decode(body, type=struct)
    with pytest.raises(TypeError, match="object"):
        enc_hook(object())


def test_checked_is_for_own_structs_too() -> None:
    """A Struct written by hand may have fields that pydantic reads; what pydantic does not know is refused."""

    class Site(models.BaseModel):
        home: Checked[pydantic.HttpUrl]
        others: list[Checked[Annotated[str, Field(pattern=r"^\w+$")]]]

    site = Site.model_validate_json(b'{"home":"http://a.b","others":["x"]}')
    assert (str(site.home), site.others) == ("http://a.b/", ["x"])
    with pytest.raises(ValidationError, match=re.escape("$.others[0]")):
        Site.model_validate_json(b'{"home":"http://a.b","others":["-"]}')
    assert Site.model_json_schema()["$defs"]["Site"]["properties"]["home"]["format"] == "uri"
    with pytest.raises(TypeError, match="Checked: pydantic has no validator"):
        Checked[range]


def test_bytes_are_text_also_by_default() -> None:
    """Bytes are written as the text that they are, unless the model says base64."""

    class Raw(pydantic.BaseModel):
        plain: bytes = b"a"
        many: list[bytes] = [b"b"]
        encoded: pydantic.Base64Bytes = b"c"

    assert (
        structify(Raw)().model_dump_json() == Raw().model_dump_json() == '{"plain":"a","many":["b"],"encoded":"Yw=="}'
    )


@pytest.mark.parametrize("kind", [dict[float, int], range, pydantic.Base64Str, pydantic.Base64UrlBytes, enum.Flag])
def test_what_is_written_otherwise_is_refused(kind: Any) -> None:
    """A type that msgspec would write in another way is a problem, though pydantic could read it."""
    model = pydantic.create_model("Holder", value=(kind, ...), __config__={"arbitrary_types_allowed": True})
    with pytest.raises(StructifyError, match="value: "):
        structify(model)
