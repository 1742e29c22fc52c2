"""Any text at all as an argument of a call: what a server reads is what was meant, or nothing is sent."""

from __future__ import annotations

import enum
import re
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import AsyncClient
from headrace.errors import ValidationError
from headrace.testing import MockTransport, Response
from tests.kit.sent import Sent, send

TEXT = st.text(max_size=12) | st.text("\r\n\t\0 :;,=&?#/%\\\"'aZ9.é\u20ac\ud800", max_size=12)
NAMES = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}", fullmatch=True)
#: Text in which escapes, good and bad, and the marks of a URL are no rarity.
MARKED = st.lists(st.sampled_from(["%2F", "%2f", "%41", "%25", "%zz", *"%?#/&=+; aé"]), max_size=8).map("".join)
ANY_PATHS = st.builds("{}{}".format, st.sampled_from(["", "http://other.example.com/"]), TEXT | MARKED) | st.builds(
    "http://other.example.com?{}".format, TEXT | MARKED
)


def located(path: str) -> tuple[str, str]:
    """Say of a path, which may be an absolute URL, to which host and what it leads, with nothing encoded."""
    path = path.partition("#")[0]
    if "://other.example.com" in path:
        host, base, path = "other.example.com", "", path.partition("other.example.com")[2]
    else:
        host, base = "api.example.com", "/v1"
        path = path if path[:1] in ("", "?") else "/" + path.lstrip("/")
    path, _, query = path.partition("?")
    return host, (base + path or "/") + (f"?{query}" if query else "")


def as_read(target: str) -> list[bytes]:
    """Take a target apart as a server does: at its marks, and decoded only then, so that `%2F` is no `/`."""
    return [unquote_to_bytes(piece) for piece in re.split(r"([!$&'()*+,;=:@/?])", target)]


def found_again(argument: str, value: Any, sent: Sent) -> bool:
    """Tell whether a server reads what a caller wrote."""
    if argument == "method":
        return sent.method == (value.upper() if value.isalpha() else value)
    if argument == "path":
        host, target = located(value)
        is_encoded = not re.search("%(?![0-9A-Fa-f]{2})", sent.target)
        return is_encoded and (sent.field("host"), as_read(sent.target)) == (host, as_read(target))
    (name, text), *_ = value.items()
    if argument == "parameters":
        query = sent.target.partition("?")[2]
        return parse_qsl(query, keep_blank_values=True, errors="strict") == [(name, text)]
    if argument == "cookies":
        return sent.field("cookie") == f"{name}={text}".strip(" ")
    return sent.field(name.lower()) == text.strip(" \t")


@settings(max_examples=400)
@given(
    st.tuples(st.just("method"), TEXT | NAMES)
    | st.tuples(st.just("path"), ANY_PATHS)
    | st.tuples(st.just("parameters"), st.dictionaries(TEXT, TEXT, min_size=1, max_size=1))
    | st.tuples(st.just("headers"), st.dictionaries(TEXT | NAMES.map("X-{}".format), TEXT, min_size=1, max_size=1))
    | st.tuples(st.just("cookies"), st.dictionaries(TEXT | NAMES, TEXT, min_size=1, max_size=1))
)
def test_any_text_is_refused_or_found_again(given_text: tuple[str, Any]) -> None:
    """Whatever text an argument has, it is refused, or a strict server reads one request that has it."""
    argument, value = given_text
    try:
        (sent,) = send({argument: value})
    except ValidationError:
        return
    assert found_again(argument, value, sent)


class Name(str, enum.Enum):  # noqa: UP042 - its text is not its value, unlike that of a `StrEnum`
    """Names that a member of an enum stands for."""

    FIELD = "X-Own"
    PATH = "/users"
    QUERY = "page"


async def test_members_of_enums_are_their_values() -> None:
    """Whatever takes a text takes a member of an enum of texts, and writes its value."""
    transport = MockTransport(lambda _: Response(200))
    async with AsyncClient("http://a.example", transport=transport) as client:
        names: Any = {Name.FIELD: "1"}
        await client.get(Name.PATH, headers=names, cookies=names, parameters={Name.QUERY: "2"})
    request = transport.requests[0]
    assert request.target == "/users?page=2"
    assert {"X-Own": "1", "Cookie": "X-Own=1"}.items() <= dict(request.headers.pairs).items()
