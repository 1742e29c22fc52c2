"""What a call writes on the wire, byte by byte."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from yarl import URL

from headrace.errors import ValidationError
from tests.kit.sent import send

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
ID = UUID("12345678-1234-5678-1234-567812345678")


class Color(str, enum.Enum):  # noqa: UP042 - both kinds occur
    """An enum that is text."""

    RED = "red"


class Size(enum.Enum):
    """An enum that is not."""

    BIG = 3


class Address(msgspec.Struct, rename="camel"):
    """A Struct with names of its own in JSON."""

    zip_code: str
    city: str | None = None


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: float
    when: dt.date | None = None


@attrs.define
class Spot:
    """An attrs class."""

    x: int


class Link(msgspec.Struct):
    """A Struct with a field that msgspec does not know."""

    to: URL


class Planet(pydantic.BaseModel):
    """A pydantic model."""

    mass: float = pydantic.Field(alias="kg")


def target(path: Any = None, parameters: Any = None, uri: Any = "http://api.example.com/v1", **options: Any) -> str:
    """Return the path and query that a call asks for."""
    return send({"path": path, "parameters": parameters}, uri=uri, **options)[0].target


def refuse(match: str, call: dict[str, Any], **options: Any) -> None:
    """Make a call that has to be refused before anything is sent."""
    with pytest.raises(ValidationError, match=match):
        send(call, **options)


# fmt: off
PATHS: list[tuple[str, Any, str]] = [
    ("", None, "/"), ("", "", "/"), ("/", None, "/"), ("", "users", "/users"), ("/", "/users", "/users"),
    ("/v1", None, "/v1"), ("/v1", "", "/v1"), ("/v1/", None, "/v1/"), ("/v1", "users", "/v1/users"),
    ("/v1", "/users", "/v1/users"), ("/v1/", "users", "/v1/users"), ("/v1/", "/users", "/v1/users"),
    ("/v1/", "//evil.example.com/x", "/v1/evil.example.com/x"), ("/v1", "/users/", "/v1/users/"), ("/v1", "/", "/v1/"),
    ("/v1", URL("users/1?a=b"), "/v1/users/1?a=b"), ("/v1", "users?a=b&c", "/v1/users?a=b&c"),
    ("/v1", "?a=b", "/v1?a=b"), ("/v1?key=k", None, "/v1?key=k"), ("/v1?key=k", "users?a=b", "/v1/users?a=b&key=k"),
    ("/v1", "users#part", "/v1/users"), ("/v1", "a b", "/v1/a%20b"), ("/v1", "grün", "/v1/gr%C3%BCn"),
    ("/v1", "gr%C3%BCn", "/v1/gr%C3%BCn"), ("/grün", "x", "/gr%C3%BCn/x"), ("/v1", "a%2Fb%2fc", "/v1/a%2Fb%2fc"),
    ("/v1", "100%", "/v1/100%25"), ("/v1", "%zz%41", "/v1/%25zz%41"),
    ("/v1", 'a"<>\\^`{|}', "/v1/a%22%3C%3E%5C%5E%60%7B%7C%7D"),
    ("/v1", "a:b@c;d=e,f+g!$&'()*~", "/v1/a:b@c;d=e,f+g!$&'()*~"),
    ("/v1", "x?q=grün und%20rot+blau", "/v1/x?q=gr%C3%BCn%20und%20rot+blau"), ("/v1", "x?a=b?c/d", "/v1/x?a=b?c/d"),
    ("/v1", "a/http://b", "/v1/a/http://b"),
]
# fmt: on


@pytest.mark.parametrize(("base", "path", "expected"), PATHS)
def test_a_path_is_joined_with_one_slash_and_encoded_once(base: str, path: Any, expected: str) -> None:
    """A path goes behind the base with one slash, keeps its query, and is percent-encoded exactly once."""
    assert target(path, uri=f"http://api.example.com{base}") == expected


TAILS = ["/", "/a/b?c=d", "/a%2Fb%2fc", "/a%41%7e", "/?sig=%2B%2C%2F%3D%40%21", "/?a=b+c%20d&e", "/?a=%26", "//x//y"]


@pytest.mark.parametrize("tail", TAILS)
def test_an_absolute_url_is_sent_as_it_is(tail: str) -> None:
    """The path and query of an absolute URL are signed by others at times, so not a byte of what is legal changes."""
    sent = send({"path": f"http://other.example.com:8080{tail}"})[0]
    assert (sent.target, sent.field("host")) == (tail, "other.example.com:8080")


def test_an_absolute_url_is_made_legal() -> None:
    """Only what could not be sent is encoded in an absolute URL."""
    assert target("HTTP://other.example.com") == "/"
    assert target("http://other.example.com?grün=ja nein#x") == "/?gr%C3%BCn=ja%20nein"


HOMES = ["http://api.example.com/x", "http://API.example.com:80/x", "http://cdn.example.com/x"]


@pytest.mark.parametrize(
    "url", [*HOMES, "https://api.example.com/x", "http://api.example.com:8080/x", "http://evil.de/x"]
)
def test_defaults_that_are_secret_stay_at_home(url: str) -> None:
    """Secret defaults and parameters go to the client's own and trusted origins only, what a call gives goes along."""
    defaults = {"headers": {"X-Api-Key": "k", "X-Trace": "t"}, "cookies": {"c": "d"}, "parameters": {"p": "q"}}
    call = {"path": url, "headers": {"X-Auth-Token": "mine"}, "parameters": {"a": "b"}}
    sent = send(call, bearer_token="secret", trusted_origins=["http://cdn.example.com"], **defaults)[0]
    secret = [sent.field("authorization"), sent.field("x-api-key"), sent.field("cookie")]
    assert secret == (["Bearer secret", "k", "c=d"] if url in HOMES else [None] * 3)
    assert (sent.field("x-trace"), sent.field("x-auth-token")) == ("t", "mine")
    assert sent.target == ("/x?p=q&a=b" if url in HOMES else "/x?a=b")


def test_userinfo_becomes_a_field() -> None:
    """Name and password of a URL go into `Authorization` and nowhere else."""
    for sent in (send({}, uri="http://me:p%40ss@h")[0], send({"path": "http://me:p%40ss@h/"})[0]):
        assert (sent.field("authorization"), sent.field("host")) == ("Basic bWU6cEBzcw==", "h")


PARAMETERS: list[tuple[Any, str]] = [
    ({"a": 1, "b": 1.5, "c": True, "d": False, "e": None, "f": ""}, "a=1&b=1.5&c=true&d=false&f="),
    ({"a": [1, True, None, "x"], "b": (), "c": {3}}, "a=1&a=true&a=x&c=3"),
    ({"a": {"b": {"c": 1}, "d": [2, {"e": 3}]}}, "a.b.c=1&a.d=2&a.d.e=3"),
    ({"a": Address("89073"), "b": [Address("1", "x")]}, "a.zipCode=89073&b.zipCode=1&b.city=x"),
    (Address("89073", "Ulm"), "zipCode=89073&city=Ulm"),
    ({"p": Point(1.5, NOON.date()), "s": Spot(2), "m": Planet(kg=1.5)}, "p.x=1.5&p.when=2024-05-01&s.x=2&m.kg=1.5"),
    (Planet(kg=2.0), "kg=2.0"), (Spot(3), "x=3"), ({"l": Link(URL("http://a/"))}, "l.to=http://a/"), ({}, ""),
    ({"c": Color.RED, "s": Size.BIG, Color.RED: 1}, "c=red&s=3&red=1"),
    ({"t": NOON, "d": NOON.date()}, "t=2024-05-01T12:00:00%2B00:00&d=2024-05-01"),
    ({"i": ID, "d": Decimal("1.10"), "u": URL("http://a/?b=c")}, f"i={ID}&d=1.10&u=http://a/%3Fb%3Dc"),
    ({"a b&c=d": "e f&g=h+i#j%20"}, "a%20b%26c%3Dd=e%20f%26g%3Dh%2Bi%23j%2520"),
    ({"grün": "日本"}, "gr%C3%BCn=%E6%97%A5%E6%9C%AC"), ({"a": "\r\n\0"}, "a=%0D%0A%00"),
    ({"a": b"xy", "b": [b"z"]}, "a=xy&b=z"),
    (MappingProxyType({"a": 1}), "a=1"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "query"), PARAMETERS, ids=[row[1] for row in PARAMETERS])
def test_parameters_become_a_query(parameters: Any, query: str) -> None:
    """Nested values get dotted keys, lists repeat theirs, and every scalar has one text, in a call and by default."""
    expected = f"/v1/x?{query}" if query else "/v1/x"
    assert target("x", parameters) == send({"path": "x"}, parameters=parameters)[0].target == expected
    assert target("x?z=1", parameters) == "/v1/x?z=1" + (f"&{query}" if query else "")


def test_parameters_lie_over_the_defaults() -> None:
    """A call's parameters replace the defaults of the same name for that call only, and `None` removes one."""
    calls = [{"parameters": {"a": 2, "b": None}}, {}, {"path": "?a=3", "parameters": {"c": 4}}]
    targets = [sent.target for sent in send(*calls, parameters={"a": 1, "b": 1})]
    assert targets == ["/v1?a=2", "/v1?a=1&b=1", "/v1?a=3&a=1&b=1&c=4"]


def test_headers_lie_over_the_defaults() -> None:
    """Names of fields have no case: a call replaces or removes a default, also one of our own, for that call only."""
    calls = [{"headers": {"x-a": "2", "USER-AGENT": None, "X-N": 5, "x-list": ["a", 1]}}, {}]
    first, second = send(*calls, headers={"X-A": "1", "X-B": "b", "accept": "text/plain"})
    seen = [first.field(name) for name in ("x-a", "x-b", "x-n", "x-list", "user-agent", "accept")]
    assert seen == ["2", "b", "5", "a, 1", None, "text/plain"]
    assert (second.field("x-a"), second.field("x-list")) == ("1", None)
    assert re.match(r"headrace/\d", second.field("user-agent") or "")


def test_a_field_is_sent_once_however_it_is_spelled() -> None:
    """Names that differ only in case are one field, of which the last counts."""
    for sent in (send({"headers": {"Host": "a", "host": "b"}})[0], send({}, headers={"Host": "a", "host": "b"})[0]):
        assert sent.field("host") == "b"


def test_cookies_are_one_field() -> None:
    """Cookies of the call lie over the defaults, `None` removes one, and a `Cookie` header stands for itself."""
    calls = [{"cookies": {"b": 3, "c": True, "a": None}}, {}, {"headers": {"Cookie": "x=y"}}]
    sent = [each.field("cookie") for each in send(*calls, cookies={"a": "1", "b": '"q", [x]'})]
    assert sent == ["b=3; c=true", 'a=1; b="q", [x]', "x=y"]


# fmt: off
BODIES: list[tuple[Any, bytes]] = [
    ({}, b"{}"), ([], b"[]"), ({"null": "null", "n": {"m": None}}, b'{"null":"null","n":{"m":null}}'),
    ([1, 1.5, True, None, "grün \n\u2028"], '[1,1.5,true,null,"grün \\n\u2028"]'.encode()),
    (Address("89073"), b'{"zipCode":"89073","city":null}'), (Planet(kg=1.5), b'{"kg":1.5}'),
    ([Address("1"), Spot(2), Planet(kg=3.0)], b'[{"zipCode":"1","city":null},{"x":2},{"kg":3.0}]'),
    (Point(2.5, NOON.date()), b'{"x":2.5,"when":"2024-05-01"}'), (Link(URL("http://a/")), b'{"to":"http://a/"}'),
    ({"t": NOON, "d": Decimal("1.10")}, b'{"t":"2024-05-01T12:00:00Z","d":"1.10"}'), ([ID], f'["{ID}"]'.encode()),
    ({"c": Color.RED, "s": Size.BIG, "n": 2**70, 5: {6}}, b'{"c":"red","s":3,"n":1180591620717411303424,"5":[6]}'),
    (MappingProxyType({"a": MappingProxyType({"b": ("c",)})}), b'{"a":{"b":["c"]}}'),
]
# fmt: on


@pytest.mark.parametrize(("body", "text"), BODIES, ids=range(len(BODIES)))
def test_a_body_is_json(body: Any, text: bytes) -> None:
    """Mappings, lists and models of every kind become this very JSON, with its type and length."""
    sent = send({"method": "POST", "body": body})[0]
    assert sent.body == text
    assert (sent.field("content-type"), sent.field("content-length")) == ("application/json", str(len(text)))


def test_a_mapping_as_data_is_a_form() -> None:
    """A mapping goes as a form, with its type and length."""
    fields = {"a": "b c", "d": ["e&f", 1, None], "g": {"h": True}, "i": None, "grün": "\r\n+~*"}
    sent = send({"method": "POST", "data": fields})[0]
    assert sent.body == b"a=b+c&d=e%26f&d=1&g.h=true&gr%C3%BCn=%0D%0A%2B~%2A"
    assert sent.field("content-type") == "application/x-www-form-urlencoded"
    assert sent.field("content-length") == str(len(sent.body))


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
def test_the_framing_is_ours(name: str) -> None:
    """A caller may name the true length, which is sent once, but no other, and no transfer coding."""
    for value in ("3", 3):
        sent = send({"method": "POST", "data": b"abc", "headers": {name: value}})[0]
        assert (sent.field("content-length"), sent.body) == ("3", b"abc")
    assert send({"method": "POST", "headers": {name: "0"}})[0].field("content-length") == "0"
    for wrong in ("2", "4", "+3", "3, 3", " 3", ""):
        refuse(r"^headers\['Content-Length'\]: ", {"method": "POST", "data": b"abc", "headers": {name: wrong}})
    for coding in ("chunked", "gzip", ""):
        refuse(r"^headers\['Transfer-Encoding'\]: ", {"method": "POST", "headers": {"transfer-encoding": coding}})


NAN = float("nan")
CYCLE: list[Any] = []
CYCLE.append(CYCLE)
CONTROLS = ["\r", "\n", "\0", "\x01", "\x1f", "\x7f", "\r\nX-Injected: 1"]
# fmt: off
REFUSED: dict[str, list[Any]] = {
    "method": ["", "GE T", "GET/", "GÉT", "CONNECT", "connect", *CONTROLS, "GET\n", 5, None, b"GET", ["GET"]],
    "path": [
        *(form.format(c) for form in ("/a{}b", "/a?b={}", "/a#{}", "http://h/{}", "http://h{}.de/") for c in CONTROLS),
        5, b"/x", ["/x"], "ftp://a.example.com/", "http://", "http://a:99999/", "\ud800", "http://h/\ud800",
    ],
    "parameters": [{"a": value} for value in (object(), NAN, int, 1j, CYCLE, "\ud800")],
    "headers": [
        *({"a": value} for value in (object(), NAN, int, 1j, CYCLE, "\ud800", "\u20ac", b"\n", ["a", "\n"], *CONTROLS)),
        *({name: "x"} for name in ("", "a b", "a:", " a", "grün", "(a)", "@", '"a"', "\ud800", *CONTROLS)),
    ],
    "cookies": [
        *({"a": value} for value in (object(), NAN, int, 1j, CYCLE, "\ud800", "\u20ac", "a;b", "ä", *CONTROLS)),
        *({name: "x"} for name in ("", "a b", "a=", "a;", "grün", "\ud800", *CONTROLS)),
    ],
    "data": [{"a": value} for value in (object(), NAN, int, CYCLE, "\ud800")] + [{5: "a"}, NAN, object(), [("a",), 1]],
    "body": [
        "text", b"bytes", bytearray(b"x"), NAN, [NAN], {"a": {"b": (1, -float("inf"))}}, Point(NAN), Planet(kg=NAN),
        [Planet(kg=NAN)], {"a": object()}, {(1, 2): 3}, CYCLE, ["\ud800"], Address, (x for x in "ab"),
    ],
}
# fmt: on
NO_MAPPING = [5, "a=b", [("a", "b")], dict, b"a", Address, {5: "a"}, {None: "a"}, {b"a": "b"}]


@pytest.mark.parametrize("path", ["ftp://a.example/x", "WS://api.example.com/", "file:///etc/passwd"])
def test_another_scheme_is_refused_by_its_name(path: str) -> None:
    """An absolute URL is one of http or https, and the error says which it was."""
    with pytest.raises(ValidationError, match=rf"^path: {path.partition('://')[0]}:// is not a scheme"):
        target(path)


@pytest.mark.parametrize(("argument", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_cannot_be_sent_is_refused(argument: str, value: Any) -> None:
    """What has no place on the wire is refused before anything is sent; nothing is dropped or becomes `null`."""
    refuse(rf"^{argument}\b|^an argument has text that cannot be encoded", {"method": "POST", argument: value})


@pytest.mark.parametrize("argument", ["parameters", "headers", "cookies"])
@pytest.mark.parametrize("value", NO_MAPPING, ids=repr)
def test_what_is_no_mapping_is_refused(argument: str, value: Any) -> None:
    """A wrong type is an error that names the argument, in a call, beside a cookie and by default."""
    refuse(f"^{argument}", {argument: value})
    refuse(f"^{argument}", {"cookies": {"a": "b"}, argument: value})
    refuse(f"^{argument}", {}, **{argument: value})
