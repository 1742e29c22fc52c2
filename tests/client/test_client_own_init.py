"""A client with an `__init__` of its own: it works whether or not that calls the one of `AsyncClient`."""

import asyncio
import gc
from typing import Any

import pytest

from headrace import AsyncClient, RateLimiter
from headrace.errors import AsyncClientError
from tests.kit.told import header
from tests.servers.echo import EchoServer


def make(url: str, transport: str) -> type[AsyncClient]:
    """Make a class as the older framework's users wrote them."""

    class Own(AsyncClient, uri=url, transport=transport, parameters={"lang": "en"}):
        def __init__(self, lang: str, token: str | None = None) -> None:
            self.lang = lang
            self.headers = {"X-Lang": lang}
            self.parameters["lang"] = lang
            if token is not None:
                self.bearer_token = token

    return Own


async def test_an_init_that_never_calls_super_is_enough(echo: EchoServer, transport: str) -> None:
    """The client is set up at the first setting that it touches, and every change holds."""
    own: Any = make(echo.url, transport)
    async with own("de", token="t0ken") as client:
        told = await client.get("/x")
    assert (header(told, "X-Lang"), header(told, "Authorization"), told["target"]) == (
        "de",
        "Bearer t0ken",
        "/x?lang=de",
    )
    assert client.closed


async def test_an_init_that_touches_nothing(echo: EchoServer, transport: str) -> None:
    """Then the first request, or the first look at a setting, sets it up; two clients share nothing."""

    class Quiet(AsyncClient, uri=echo.url, transport=transport, rate_limit=1000):
        def __init__(self, number: int) -> None:
            self.number = number

    async with Quiet(1) as one, Quiet(2) as two:
        two.headers["X-Two"] = "2"
        assert header(await one.get("/x"), "X-Two") is None
        assert header(await two.get("/x"), "X-Two") == "2"
    assert (one.number, two.number) == (1, 2)
    assert one.stats.requests == two.stats.requests == 1
    assert isinstance(one._limiter, RateLimiter)


async def test_super_may_be_called_at_any_time_without_settings(echo: EchoServer, transport: str) -> None:
    """Late, it runs `__post_init__`; what was changed before stays."""
    seen: list[Any] = []

    class Late(AsyncClient, uri=echo.url, transport=transport):
        def __init__(self) -> None:
            self.headers["X-A"] = "1"
            super().__init__()

        def __post_init__(self, *args: Any, **kwargs: Any) -> None:
            seen.append(dict(self.headers))

    async with Late() as client:
        assert header(await client.get("/x"), "X-A") == "1"
    assert seen == [{"X-A": "1"}]


async def test_settings_that_come_too_late_are_refused(echo: EchoServer) -> None:
    """What would overwrite settings that were in use says what to do; early, everything is as without an own init."""

    class TooLate(AsyncClient, uri=echo.url):
        def __init__(self) -> None:
            self.headers["X-A"] = "1"
            super().__init__(timeout=3)

    class Early(AsyncClient):
        def __init__(self, url: str) -> None:
            self.url = url
            super().__init__(url, headers={"X-A": "1"})

    with pytest.raises(AsyncClientError, match=r"TooLate\.__init__\(\) has used .* super\(\)\.__init__\(timeout=…\)"):
        TooLate()
    async with Early(echo.url) as client:
        assert header(await client.get("/x"), "X-A") == "1"


def test_without_a_uri_the_error_says_what_to_do() -> None:
    """Neither class nor `__init__` has one: there are two ways out."""

    class Nowhere(AsyncClient):
        def __init__(self) -> None:
            """Call nothing."""

    client = Nowhere()
    assert repr(client) == "<Nowhere not set up>"
    with pytest.raises(AsyncClientError, match=r"super\(\)\.__init__\(uri\).*class Nowhere\(…, uri=…\)"):
        client.headers  # noqa: B018 - it is looked up
    with pytest.raises(AsyncClientError, match="Nowhere"):
        asyncio.run(client.get("/x"))
    del client
    gc.collect()  # which makes nothing of it, and warns of nothing


def test_a_grandchild_and_a_configuration() -> None:
    """A subclass of such a class is one as well; `from_config` needs no `__init__`, as ever."""

    class Parent(AsyncClient, uri="https://a.example/v1"):
        def __init__(self, name: str) -> None:
            self.name = name

    class Child(Parent, headers={"X-A": "1"}):
        """Inherits the `__init__`."""

    child = Child("x")
    assert (child.name, str(child.uri), dict(child.headers)) == ("x", "https://a.example/v1", {"X-A": "1"})
    twin = Child.from_config(child.config)
    assert twin.config == child.config
    with pytest.raises(AttributeError, match="nothing"):
        child.nothing  # type: ignore[attr-defined] # noqa: B018 - it is looked up


def test_verification_off_is_loud_at_the_line_that_sets_the_client_up() -> None:
    """As it is for a client without an `__init__` of its own."""

    class Off(AsyncClient, uri="https://a.example", tls=False):
        def __init__(self) -> None:
            """Call nothing."""

    with pytest.warns(UserWarning, match="not verified") as caught:
        Off().headers["X-A"] = "1"
    assert caught[0].filename == __file__
