"""Settings, what may be shown of them, and the errors."""

from __future__ import annotations

import builtins
import copy
import http
import inspect
import math
import pickle
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from multidict import CIMultiDict
from yarl import URL

from headrace import config, errors
from headrace._core.messages import HeaderBlock, Origin, Request
from headrace.auth import BasicAuth
from headrace.config import ClientConfig, PoolLimits, Retry, Timeout
from headrace.errors import HTTPError, ValidationError
from headrace.types import UNSET

URI = "https://api.example.com/v1"


def full() -> ClientConfig:
    """Make a configuration in which no setting has its default."""
    return ClientConfig(
        uri="https://me:canary@api.example.com/v1?api_key=canary",
        headers={"Authorization": "canary"},
        cookies={"sid": "canary"},
        parameters={"token": "canary"},
        error_responses={404: dict},
        bearer_token="canary",
        rate_limit=0.5,
        rate_limit_interval=2,
        timeout=3,
        retry=Retry(attempts=2, statuses={500}, methods=["get"]),
        limiter=None,
        pool=PoolLimits(max_connections=5),
        proxy="http://me:canary@proxy.example.com:3128",
        tls=False,
        transport="aiohttp",
        max_response_bytes=5,
        trusted_origins=["https://cdn.example.com:443/x", "http://cdn.example.com:8080"],
        arguments=("canary",),
        keywords={"secret": "canary"},
    )


def test_defaults_are_those_of_the_contract() -> None:
    """What is not given is 300 s in all, 100 connections, 256 MiB, verified TLS and no retries."""
    made = ClientConfig(uri=URI)
    assert (made.timeout.total, made.pool.max_connections, made.max_response_bytes) == (300, 100, 256 * 1024 * 1024)
    assert (made.tls, made.transport, made.retry, made.rate_limit_interval) == (True, "wire", None, 1)
    assert (made.trusted_origins, made.headers, made.error_responses) == (frozenset(), {}, {})


def test_a_configuration_can_be_pickled_and_compared() -> None:
    """A configuration is the same on the other side of a process, secrets included."""
    for made in (ClientConfig(uri=URI), full()):
        back = pickle.loads(pickle.dumps(made))
        assert back == made
        assert attrs.asdict(back, recurse=False) == attrs.asdict(made, recurse=False)
    assert full() != ClientConfig(uri=URI)


def test_a_configuration_is_frozen_and_keeps_to_itself() -> None:
    """Neither an assignment nor a change of what was passed in changes a configuration."""
    headers = {"X": "1"}
    made = ClientConfig(uri=URI, headers=headers)
    headers["X"] = "2"
    assert made.headers == {"X": "1"}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.uri = URL("http://other.example.com")  # type: ignore[misc]


def test_nothing_secret_is_shown() -> None:
    """A `repr` has no header, cookie, parameter, token, userinfo nor argument in it."""
    shown = repr(full())
    assert "canary" not in shown
    assert "api.example.com/v1" in shown
    assert "proxy.example.com" in shown


@pytest.mark.parametrize(
    ("value", "timeout"),
    [
        (None, Timeout(total=None, connect=None)),
        (5, Timeout(total=5)),
        (0.5, Timeout(total=0.5)),
        (Timeout(read=1), Timeout(read=1)),
    ],
)
def test_a_timeout_may_be_seconds(value: Any, timeout: Timeout) -> None:
    """Seconds bound the whole request, and `None` is no bound at all."""
    assert ClientConfig(uri=URI, timeout=value).timeout == timeout


NUMBERS: list[Any] = [0, -1, math.nan, math.inf, -math.inf, True, "1", [1], object()]
SECONDS: list[Any] = [*NUMBERS, 10**400]
WRONG: list[tuple[str, list[Any]]] = [
    ("uri", [None, 5, "", "/v1", "api.example.com", "ftp://a.example.com", "http://", "http://a b", "http://[::1"]),
    ("uri", ["http://a.example.com\r\nX: y", "http://a.example.com:99999", "http://a.example.com:x", b"http://a"]),
    ("headers", [None, 5, "X: y", ["X"]]),
    ("cookies", [None, 5, "a=b"]),
    ("parameters", [None, 5, "a=b"]),
    ("error_responses", [None, 5, {"404": dict}, {99: dict}, {1000: dict}, {True: dict}]),
    ("bearer_token", [5, b"x", ["x"]]),
    ("auth", [5, "x", object(), BasicAuth]),
    ("rate_limit", NUMBERS),
    ("rate_limit_interval", [None, *SECONDS]),
    ("timeout", SECONDS),
    ("retry", [3, True, "3", {}]),
    ("limiter", [5, object(), "x"]),
    ("pool", [None, 100, {}]),
    ("proxy", [5, "proxy:3128", "socks5://proxy:1", ""]),
    ("tls", [None, "no", 0, 1]),
    ("transport", [None, "httpx", 5, object()]),
    ("max_response_bytes", [*NUMBERS, 0.5, 5.0]),
    ("trusted_origins", [None, 5, ["cdn.example.com"], [5], "ftp://a.example.com"]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG for value in values], ids=lambda value: repr(value)[:20]
)
def test_a_wrong_setting_says_what_it_takes(name: str, value: Any) -> None:
    """The error names the setting and what it takes."""
    with pytest.raises(ValidationError, match=rf"^{name}: .*takes|^{name}: .*is not an? .*URL"):
        ClientConfig(**{"uri": URI, name: value})


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        *((Timeout, name, SECONDS) for name in ("total", "connect", "pool", "read")),
        (PoolLimits, "max_connections", [None, 1.5, *NUMBERS]),
        (PoolLimits, "max_per_origin", [1.5, *NUMBERS]),
        (PoolLimits, "keepalive", [None, *SECONDS]),
        (Retry, "attempts", [None, 1.5, *NUMBERS]),
        (Retry, "backoff", [None, *SECONDS]),
        (Retry, "max_backoff", [None, *SECONDS]),
        (Retry, "statuses", [None, 500, ["500"], "500"]),
        (Retry, "methods", [None, 5, "GET", [5]]),
    ],
)
def test_a_wrong_part_of_a_setting_says_what_it_takes(kind: Any, name: str, values: list[Any]) -> None:
    """`Timeout`, `PoolLimits` and `Retry` name the argument, what it got and what it takes."""
    for value in values:
        with pytest.raises(ValidationError, match=rf"^{name}: got .+, takes "):
            kind(**{name: value})


def test_a_wrong_value_is_not_shown() -> None:
    """An error shows only the type of what may be a secret."""
    made: list[tuple[str, Any]] = [
        ("bearer_token", [b"canary"]),
        ("headers", "canary"),
        ("cookies", "canary"),
        ("parameters", "canary"),
        ("uri", "ftp://me:canary@api.example.com"),
        ("uri", "me:canary@api.example.com/v1"),
        ("uri", "http://me:canary@api.example.com:x"),
        ("proxy", "me:canary@proxy.example.com:3128"),
    ]
    for name, value in made:
        with pytest.raises(ValidationError, match=f"^{name}: ") as caught:
            ClientConfig(**{"uri": URI, name: value})
        assert "canary" not in str(caught.value)


def test_settings_merge_over_inherited_ones() -> None:
    """Mappings merge key by key, `None` removes a key, everything else replaces, and neither side is changed."""
    base = {"headers": {"A": "1", "B": "2"}, "parameters": {"x": 1}, "error_responses": {404: int}, "timeout": 5}
    over = {
        "headers": {"b": "3", "C": "4"},
        "parameters": {"x": None, "y": 2},
        "error_responses": {500: str},
        "timeout": None,
    }
    before = copy.deepcopy((base, over))
    merged = config.merge(base, over)
    assert merged == {
        "headers": {"A": "1", "b": "3", "C": "4"},
        "parameters": {"y": 2},
        "error_responses": {404: int, 500: str},
        "timeout": None,
    }
    merged["headers"]["A"] = "changed"
    assert (base, over) == before


@pytest.mark.parametrize(
    ("base", "over", "fold_case", "merged"),
    [
        ({"a": 1}, {}, False, {"a": 1}),
        ({"a": 1}, {"a": None}, False, {}),
        ({"a": 1}, {"A": None}, False, {"a": 1}),
        ({"a": 1}, {"A": None}, True, {}),
        ({"Accept": "x"}, {"ACCEPT": "y"}, True, {"ACCEPT": "y"}),
        ({"a": None, "b": 0}, {"c": ""}, False, {"b": 0, "c": ""}),
        (MappingProxyType({"a": 1}), CIMultiDict(b="2"), True, {"a": 1, "b": "2"}),
    ],
)
def test_mappings_merge(base: Any, over: Any, fold_case: bool, merged: dict[str, Any]) -> None:
    """Later wins, `None` removes, and names of header fields differ by more than case."""
    assert config.merge_mapping(base, over, fold_case=fold_case) == merged


def test_unset_is_one_value() -> None:
    """What stands for "not given" stays itself when it is copied or pickled, and is false."""
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert copy.deepcopy(UNSET) is UNSET
    assert not UNSET


def test_requests_show_no_secret() -> None:
    """The `repr` of a request and of its fields masks what is secret."""
    block = HeaderBlock([("Authorization", "canary"), ("Accept", "text/plain")])
    request = Request("GET", Origin(URL(URI)), "/v1?token=canary", block)
    assert "canary" not in repr(request) + repr(block)
    assert "text/plain" in repr(block)


CLASSES = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FrameworkException)
]
#: Their names in Python 3.11, which the contract keeps where later ones have others.
OLD_NAMES = {413: "REQUEST_ENTITY_TOO_LARGE", 414: "REQUEST_URI_TOO_LONG", 422: "UNPROCESSABLE_ENTITY"}
OLD_NAMES |= {416: "REQUESTED_RANGE_NOT_SATISFIABLE"}
REGISTERED = [status for status in http.HTTPStatus if status >= 300]


@pytest.mark.parametrize("status", REGISTERED)
def test_every_status_has_its_class(status: http.HTTPStatus) -> None:
    """Every registered status from 300 on has a class of its family, named as in Python 3.11."""
    name = OLD_NAMES.get(status, status.name)
    expected = getattr(errors, "HTTP" + "".join(part.capitalize() for part in name.split("_")))
    family = {3: errors.HTTPRedirect, 4: errors.HTTPClientError, 5: errors.HTTPServerError}[status // 100]
    assert errors.ERROR_RESPONSE_MAPPING[status] is expected is errors.error_class(status)
    assert issubclass(expected, family)
    assert expected().status_code == status
    assert str(expected(method="GET", url="u")).startswith(f"{status.value} ")


def test_no_status_has_a_class_too_many() -> None:
    """The mapping has the registered statuses, 306 that is reserved, and no others."""
    assert set(errors.ERROR_RESPONSE_MAPPING) == {status.value for status in REGISTERED} | {306}
    assert errors.ERROR_RESPONSE_MAPPING[306] is errors.HTTPReserved
    assert str(errors.HTTPReserved(method="GET", url="u")) == "306 Reserved: GET u"
    of_statuses = {kind for kind in CLASSES if issubclass(kind, HTTPError) and "status_code" in vars(kind)}
    assert of_statuses - {HTTPError} == set(errors.ERROR_RESPONSE_MAPPING.values())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (309, errors.HTTPRedirect),
        (399, errors.HTTPRedirect),
        (419, errors.HTTPClientError),
        (499, errors.HTTPClientError),
        (509, errors.HTTPServerError),
        (599, errors.HTTPServerError),
        (600, HTTPError),
        (999, HTTPError),
    ],
)
def test_an_unregistered_status_raises_its_family(status: int, kind: type[HTTPError]) -> None:
    """A status without a class keeps its number in the error of its family."""
    assert errors.error_class(status) is kind
    error = kind("text", status_code=status, method="GET", url="https://a.example.com/")
    assert (error.status_code, str(error)) == (status, f"{status}: GET https://a.example.com/ - text")


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("ValidationError", "FrameworkException ValueError"),
        ("StructifyError", "FrameworkException"),
        ("AsyncClientError", "ClientError"),
        ("SyncClientError", "ClientError"),
        ("AuthError", "ClientError"),
        ("ResponseParseError", "ClientError"),
        ("ResponseValidationError", "ResponseParseError ValidationError ValueError"),
        ("TransportError", "ClientError"),
        ("ConnectError", "TransportError ConnectionError OSError"),
        ("ConnectionLost", "TransportError ConnectionError OSError"),
        ("ProtocolError", "TransportError"),
        ("RequestTimeout", "TransportError TimeoutError"),
        ("PoolTimeout", "TransportError TimeoutError"),
        ("ResponseTooLarge", "TransportError"),
        ("UploadError", "TransportError"),
        ("HTTPNotFound", "HTTPClientError HTTPError FrameworkException"),
    ],
)
def test_the_tree_of_errors(name: str, bases: str) -> None:
    """Each error is what its place in the tree says, and what Python calls such an error."""
    for base in [*bases.split(), "FrameworkException"]:
        assert issubclass(getattr(errors, name), getattr(errors, base, None) or getattr(builtins, base))


def example(kind: Any) -> Any:
    """Make an error with a value in every attribute."""
    if issubclass(kind, HTTPError):
        cause = ValidationError("why")
        headers = CIMultiDict([("Retry-After", "3"), ("X", "1"), ("x", "2")])
        return kind(
            {"a": 1}, status_code=418, headers=headers, url="u", method="GET", retry_after=3.0, model_error=cause
        )
    if issubclass(kind, errors.TransportError):
        return kind("what", maybe_sent=False)
    if issubclass(kind, errors.ResponseValidationError):
        return kind("what", b"{}", "$.a")
    if issubclass(kind, errors.ResponseParseError):
        return kind("what", b"{}")
    return kind("Model", {"field": "reason"}) if kind is errors.StructifyError else kind("what")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickle", "copy"])
def test_errors_survive_pickling(kind: Any, way: Any) -> None:
    """An error has the same class, text and attributes on the other side of a process."""
    error = example(kind)
    back = way(error)
    assert type(back) is kind
    assert (str(back), repr(back)) == (str(error), repr(error))
    ours, theirs = dict(vars(error)), dict(vars(back))
    for state in (ours, theirs):
        state["model_error"] = repr(state.get("model_error"))
        state["headers"] = [*state.get("headers", {}).items()]
    assert theirs == ours
    if isinstance(error, HTTPError):
        assert back.headers["retry-after"] == "3"


def test_an_http_error_reads_well() -> None:
    """The text of an error has the status, its phrase, the request, and no more than the beginning of the body."""
    error = errors.HTTPNotFound({"why": "gone"}, method="GET", url="https://a.example.com/x")
    assert str(error) == "404 Not Found: GET https://a.example.com/x - {'why': 'gone'}"
    assert str(errors.HTTPNotFound()) == "404 Not Found"
    assert len(str(errors.HTTPNotFound("x" * 10_000))) < 300


def test_an_excerpt_of_the_body_is_short() -> None:
    """A parse error shows the beginning of the body and its size, and keeps the whole."""
    error = errors.ResponseParseError("what", b"x" * 10_000)
    assert len(str(error)) < 400
    assert "10000 in all" in str(error)
    assert error.raw_response == b"x" * 10_000
