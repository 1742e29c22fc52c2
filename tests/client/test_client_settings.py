"""How clients are configured: subclass parameters, the constructor, live mappings, configurations that travel."""

import asyncio
import copy
import enum
import pickle
import ssl
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pytest
from yarl import URL

from headrace import AsyncClient, ClientConfig, PoolLimits, RateLimiter, Retry, SyncClient, Timeout, errors
from headrace.testing import MockTransport, json_response
from tests.kit.told import header
from tests.servers.echo import EchoServer


class Keyed(AsyncClient, uri="https://api.example.com/v1", parameters={"lang": "en"}):
    """A client as the README shows it."""

    def __post_init__(self, *args: Any, api_key: str | None = None, **kwargs: Any) -> None:
        """Take the key."""
        super().__post_init__(*args, **kwargs)
        self.positional = args
        self.api_key = api_key
        self.parameters["apiKey"] = api_key


def token() -> str:
    """Return a token; a function of a module can be pickled."""
    return "made"


def test_a_client_needs_a_uri() -> None:
    """Without a `uri` in class and call the error says where to give one."""
    with pytest.raises(errors.AsyncClientError, match="needs a uri"):
        AsyncClient()


def test_unknown_subclass_parameter_is_named() -> None:
    """A typo in a subclass parameter is a `TypeError` that names it and lists what there is."""
    with pytest.raises(TypeError, match=r"'header'; here it is headers"):

        class Typo(AsyncClient, header={}):  # type: ignore[call-arg]
            pass


def test_unknown_keyword_that_nobody_takes_is_named() -> None:
    """A leftover keyword that reaches the default `__post_init__` is a `TypeError` that names it."""
    with pytest.raises(TypeError, match="'tiemout'"):
        AsyncClient("http://localhost", tiemout=3)
    with pytest.raises(TypeError, match="'api_kye'"):
        Keyed(api_kye="k")


def test_positional_arguments_that_nobody_takes_are_named() -> None:
    """Behind the `uri` there is none without a `__post_init__` of its own; texts may be secrets."""

    class Other(AsyncClient, uri="https://api.example.com"):
        pass

    for make, name in ((AsyncClient, "AsyncClient"), (SyncClient, "SyncClient"), (Other, "Other")):
        told = rf"{name}\(\) takes one .*, the uri, and got more: str, int \(5\);"
        with pytest.raises(TypeError, match=told) as caught:
            make("https://api.example.com", "t0ken", 5)
        assert "t0ken" not in str(caught.value)


def test_leftover_arguments_go_to_post_init() -> None:
    """Positional and keyword arguments behind the settings arrive in `__post_init__`."""
    client = Keyed(None, 1, 2, api_key="k")
    assert client.positional == (1, 2)
    assert client.api_key == "k"
    assert dict(client.parameters) == {"lang": "en", "apiKey": "k"}


def test_no_instance_changes_its_class_or_another_instance() -> None:
    """What one client changes stays with it."""
    one, two = Keyed(api_key="1"), Keyed(api_key="2")
    one.parameters["lang"] = "de"
    one.headers["X-A"] = "1"
    assert dict(two.parameters) == {"lang": "en", "apiKey": "2"}
    assert dict(Keyed(api_key="3").parameters) == {"lang": "en", "apiKey": "3"}
    assert "X-A" not in two.headers
    assert 5 not in two.headers


def test_the_constructor_is_merged_over_the_class() -> None:
    """Mappings merge key by key, `None` removes a key, scalars replace."""

    class Api(AsyncClient, uri="http://a.example", headers={"X-A": "1", "X-B": "1"}, rate_limit=5, timeout=7):
        pass

    client = Api("http://b.example", headers={"x-a": "2", "X-B": None}, rate_limit=9)
    assert client.uri == URL("http://b.example")
    assert dict(client.headers) == {"x-a": "2"}
    assert client.rate_limit == 9
    assert client.config.timeout.total == 7


def test_several_parents_merge_in_the_order_of_inheritance() -> None:
    """A mixin's parameters take part, the nearer class wins."""

    class Base(AsyncClient, uri="http://a.example", headers={"X-A": "base", "X-B": "base"}):
        pass

    class Mixin(AsyncClient, headers={"X-A": "mixin"}):
        pass

    class Both(Mixin, Base):
        pass

    assert dict(Both().headers) == {"X-A": "mixin", "X-B": "base"}


def test_attributes_tell_the_settings() -> None:
    """Every attribute of the contract is there and says what was given."""
    client = AsyncClient("https://user:pw@api.example.com/v1/x", rate_limit=0.5, rate_limit_interval=2)
    assert client.uri == URL("https://api.example.com/v1/x")
    assert client.uri_root == URL("https://api.example.com")
    assert client.uri_path == URL("/v1/x")
    assert (client.rate_limit, client.rate_limit_interval, client.is_rate_limited) == (0.5, 2, True)
    assert client.bearer_token is None
    assert client.closed is False
    for name in ("rate_limit", "is_rate_limited", "closed", "uri", "stats", "config"):
        with pytest.raises(AttributeError):
            setattr(client, name, 1)


def test_models_are_taken_where_mappings_are() -> None:
    """Structs and attrs classes serve as headers, cookies and parameters of a client."""

    class Head(msgspec.Struct, rename={"key": "X-Key"}):
        key: str

    @attrs.define
    class Query:
        page: int

    client = AsyncClient("http://a.example", headers=Head("k"), parameters=Query(2))
    assert dict(client.headers) == {"X-Key": "k"}
    assert dict(client.parameters) == {"page": 2}


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (lambda c: c.headers.update({"X-A": "new"}), "X-A", "new"),
        (lambda c: setattr(c, "headers", {"x-a": "new"}), "X-A", "new"),
        (lambda c: c.headers.pop("x-A"), "X-A", None),
        (lambda c: c.headers.clear(), "X-A", None),
        (lambda c: c.cookies.update(c="new"), "Cookie", "c=new"),
        (lambda c: c.cookies.pop("c"), "Cookie", None),
        (lambda c: setattr(c, "bearer_token", "new"), "Authorization", "Bearer new"),
        (lambda c: setattr(c, "bearer_token", None), "Authorization", None),
    ],
)
@pytest.mark.hazard(4)
async def test_a_change_holds_for_the_next_request(
    echo: EchoServer, transport: str, change: Callable[[AsyncClient], Any], name: str, value: str | None
) -> None:
    """Assigning or changing in place is seen by the next request, not by the one before."""
    async with AsyncClient(
        echo.url, transport=transport, headers={"X-A": "old"}, cookies={"c": "old"}, bearer_token="old"
    ) as client:
        before = await client.get("/x")
        change(client)
        after = await client.get("/x")
    assert "old" in str(header(before, name))
    assert header(after, name) == value


async def test_a_change_inside_a_nested_value_is_seen(echo: EchoServer) -> None:
    """A list or mapping inside the parameters may change without the client being told."""
    async with AsyncClient(echo.url, parameters={"tags": ["a"], "in": {"x": 1}}) as client:
        first = await client.get("/x")
        client.parameters["tags"].append("b")
        client.parameters["in"]["x"] = 2
        second = await client.get("/x")
    assert first["target"] == "/x?tags=a&in.x=1"
    assert second["target"] == "/x?tags=a&tags=b&in.x=2"


async def test_a_call_is_merged_over_the_defaults_for_that_request_only(echo: EchoServer, transport: str) -> None:
    """Headers, cookies and parameters of a call add, replace and (with `None`) remove, once."""
    async with AsyncClient(
        echo.url, transport=transport, headers={"X-A": "1"}, cookies={"c": "1"}, parameters={"p": "1", "q": "1"}
    ) as client:
        told = await client.get(
            "/x", headers={"x-a": None, "X-B": "2"}, cookies={"c": "2", "d": "3"}, parameters={"p": None, "r": 3}
        )
        after = await client.get("/x")
    assert (header(told, "X-A"), header(told, "X-B"), header(told, "Cookie")) == (None, "2", "c=2; d=3")
    assert told["target"] == "/x?q=1&r=3"
    assert (header(after, "X-A"), header(after, "X-B"), header(after, "Cookie")) == ("1", None, "c=1")
    assert after["target"] == "/x?p=1&q=1"


async def test_each_call_has_headers_of_its_own(echo: EchoServer, transport: str) -> None:
    """What one call adds is not kept for the next one that adds something."""
    async with AsyncClient(echo.url, transport=transport) as client:
        for value in ("1", "2"):
            assert header(await client.get("/x", headers={"X-B": value}), "X-B") == value


def test_settings_are_found_by_their_names() -> None:
    """Names of fields in any case, of parameters just as they are."""
    client = AsyncClient("http://a.example", headers={"X-A": "1"}, parameters={"p": "1"})
    assert "x-a" in client.headers
    assert "X-B" not in client.headers
    assert ("p" in client.parameters, "P" in client.parameters, 5 in client.headers) == (True, False, False)


def test_the_configuration_is_frozen_and_travels() -> None:
    """A pickled configuration makes an equal client elsewhere, `__post_init__` included."""
    client = Keyed(
        api_key="k",
        bearer_token=token,
        headers={"X-A": "1"},
        timeout=Timeout(total=3),
        retry=Retry(),
        pool=PoolLimits(7),
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        client.config.uri = URL("http://other.example")  # type: ignore[misc]
    config = pickle.loads(pickle.dumps(client.config))
    assert config == client.config
    twin = Keyed.from_config(config)
    assert twin.config == client.config
    assert twin.api_key == "k"
    assert dict(twin.parameters) == dict(client.parameters)


def test_from_config_merges_nothing_of_the_class() -> None:
    """What the first client had removed stays removed."""
    config = Keyed(parameters={"lang": None}).config
    assert dict(Keyed.from_config(config).parameters) == {"apiKey": None}


@pytest.mark.parametrize(
    "secret",
    ["tok3n-secret", "c00kie-secret", "hdr-secret", "pass-secret", "kw-secret", "query-secret", "proxy-secret"],
)
async def test_no_repr_shows_a_secret(secret: str) -> None:
    """Neither client, configuration, live mappings, transport nor a mock's requests show one."""
    transport = MockTransport(lambda _: json_response({}))
    async with Keyed(
        "http://user:pass-secret@a.example/?key=query-secret",
        api_key="kw-secret",
        transport=transport,
        bearer_token="tok3n-secret",
        cookies={"session": "c00kie-secret"},
        headers={"X-Api-Key": "hdr-secret", "Authorization": "Basic hdr-secret"},
        proxy="http://p:proxy-secret@proxy.example:3128",
    ) as client:
        await client.get("/x")
        shown = [client, client.config, client.headers, client.parameters, client.stats, transport.requests]
        shown += [transport.requests[0].headers, client._auth, client._auth.current]
        assert secret not in repr(shown)


def test_a_context_or_a_limiter_are_settings() -> None:
    """Objects are taken as they are."""
    context, limiter = ssl.create_default_context(), RateLimiter(5)
    client = AsyncClient("https://a.example", tls=context, limiter=limiter)
    assert client.config.tls is context
    assert client.config.limiter is limiter
    assert client.is_rate_limited


def test_tls_off_is_loud() -> None:
    """Turning verification off warns at the line that does it."""
    with pytest.warns(UserWarning, match="not verified") as caught:
        AsyncClient("https://a.example", tls=False)
    assert caught[0].filename == __file__


async def test_a_limiter_can_be_shared() -> None:
    """Two clients with one limiter are held to one limit."""
    limiter = RateLimiter(2, 3600)
    transport = MockTransport(lambda _: json_response(1))
    async with (
        AsyncClient("http://a.example", limiter=limiter, transport=transport) as one,
        AsyncClient("http://b.example", limiter=limiter, transport=transport) as two,
    ):
        assert [await one.get("/"), await two.get("/")] == [1, 1]
        third = asyncio.ensure_future(one.get("/"))
        await asyncio.sleep(0)
        assert limiter.waiting == 1
        third.cancel()


def test_config_class_takes_a_uri_and_defaults() -> None:
    """A configuration made by hand has the documented defaults."""
    config = ClientConfig(uri="http://a.example")
    assert config.timeout == Timeout(total=300.0)
    assert config.pool == PoolLimits(max_connections=100)
    assert config.max_response_bytes == 256 * 1024 * 1024
    assert config.retry is None
    assert config.transport == "wire"


class Method(str, enum.Enum):  # noqa: UP042 - `StrEnum` is its own text, this is not
    """Methods as some code bases write them; their own text is `Method.GET`."""

    GET = "GET"


async def test_a_method_may_be_a_text_of_another_class(echo: EchoServer, transport: str) -> None:
    """A method that is an enumeration's member goes out as its value."""
    async with AsyncClient(echo.url, transport=transport) as client:
        assert (await client.request(Method.GET, "/x"))["method"] == "GET"


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda mapping: pickle.loads(pickle.dumps(mapping))])
def test_a_copied_mapping_is_on_its_own(clone: Callable[[Any], Any]) -> None:
    """A copy of a client's mapping, a pickled one too, has its contents and its ways, and no hold on the client."""
    client = AsyncClient("http://a.example", headers={"X-A": "1"}, cookies={"c": "1"})
    headers, cookies = clone(client.headers), clone(client.cookies)
    headers["x-b"] = "2"
    assert dict(headers) == {"X-A": "1", "x-b": "2"}
    assert headers["X-B"] == "2"
    assert "C" not in cookies
    assert dict(client.headers) == {"X-A": "1"}
