"""The older framework's faults, each of which must not come back, over a real server and both transports."""

import datetime as dt
from typing import Any

import msgspec
import pytest

import headrace
from headrace import AsyncClient, errors
from tests.conftest import ServeScript
from tests.kit.told import header
from tests.servers.echo import EchoServer
from tests.servers.raw import Do


class City(msgspec.Struct):
    """A nested query model."""

    name: str
    country: str | None = None


class Search(msgspec.Struct):
    """A query model."""

    city: City
    page: int | None = None
    tags: list[str] = []


class User(headrace.Response):
    """A part of the user."""

    id: int
    name: str


class Problem(headrace.BaseModel):
    """An error body."""

    code: int
    reason: str


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        ({"a": 1}, '{"a":1}'),
        ({"a": {"b": [1, 2.5, None, True]}}, '{"a":{"b":[1,2.5,null,true]}}'),
        ({"when": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)}, '{"when":"2026-01-02T03:04:05Z"}'),
        ([{"a": None}, 2], '[{"a":null},2]'),
        (Search(City("Zürich")), '{"city":{"name":"Zürich","country":null},"page":null,"tags":[]}'),
        ({}, "{}"),
        ([], "[]"),
    ],
)
async def test_json_body_arrives_byte_exact(echo: EchoServer, transport: str, body: Any, wire: str) -> None:
    """A JSON body arrives as its JSON text and nothing else."""
    async with AsyncClient(echo.url, transport=transport) as client:
        told = await client.post("/x", body=body)
    assert told["body"].encode("latin-1").decode() == wire
    assert header(told, "Content-Type") == "application/json"
    assert header(told, "Content-Length") == str(len(wire.encode()))


async def test_nested_models_in_parameters_become_dotted_keys(echo: EchoServer, transport: str) -> None:
    """A nested model is flattened, lists repeat the key, and one `None` does not drop the rest."""
    async with AsyncClient(echo.url, transport=transport, parameters={"lang": "en", "gone": None}) as client:
        told = await client.get("/x", parameters=Search(City("Bern"), tags=["a", "b"]))
        mapped = await client.get("/x", parameters={"a": {"b": {"c": 1}}, "none": None, "yes": True})
    assert told["target"] == "/x?lang=en&city.name=Bern&tags=a&tags=b"
    assert mapped["target"] == "/x?lang=en&a.b.c=1&yes=true"


async def test_get_without_a_path_is_the_uri_itself(echo: EchoServer, transport: str) -> None:
    """`get()` and `get("")` request the `uri`."""
    async with AsyncClient(echo.url + "/base", transport=transport) as client:
        assert (await client.get())["target"] == "/base"
        assert (await client.get(""))["target"] == "/base"
    async with AsyncClient(echo.url, transport=transport) as client:
        assert (await client.get())["target"] == "/"


async def test_subclasses_keep_what_they_inherit(echo: EchoServer, transport: str) -> None:
    """A subclass keeps its parents' parameters, with keywords of its own or without."""

    class Base(AsyncClient, uri=echo.url, headers={"X-A": "1", "X-B": "1"}, parameters={"p": "1"}):
        pass

    class Silent(Base):
        pass

    class Named(Base, headers={"x-b": "2", "X-C": "3"}, parameters={"q": 2}):
        pass

    class Last(Named, headers={"X-A": None}):
        pass

    async with Silent(transport=transport) as silent, Last(transport=transport, cookies={"c": "1"}) as last:
        plain, told = await silent.get("/x"), await last.get("/x")
    assert (header(plain, "X-A"), header(plain, "X-B"), plain["target"]) == ("1", "1", "/x?p=1")
    assert (header(told, "X-A"), header(told, "X-B"), header(told, "X-C")) == (None, "2", "3")
    assert told["target"] == "/x?p=1&q=2"
    assert header(told, "Cookie") == "c=1"


async def test_header_set_in_post_init_is_sent(echo: EchoServer, transport: str) -> None:
    """`self.headers[...] = x` and `self.parameters[...] = x` in `__post_init__` hold for every request."""

    class Keyed(AsyncClient, uri=echo.url):
        def __post_init__(self, *args: Any, api_key: str = "", **kwargs: Any) -> None:
            super().__post_init__(*args, **kwargs)
            self.headers["X-Key"] = api_key
            self.parameters["apiKey"] = api_key

    async with Keyed(api_key="k", transport=transport) as client:
        told = await client.get("/x")
    assert header(told, "X-Key") == "k"
    assert told["target"] == "/x?apiKey=k"


async def test_the_callers_mappings_are_not_changed(echo: EchoServer, transport: str) -> None:
    """Neither the constructor's nor a call's mappings change, whatever the client does with its own."""
    headers, cookies, parameters, body = {"X-A": "1"}, {"c": "1"}, {"p": {"q": None}}, {"b": [1]}
    call_headers, call_parameters = {"X-B": None}, {"z": None}
    async with AsyncClient(
        echo.url, headers=headers, cookies=cookies, parameters=parameters, transport=transport
    ) as client:
        client.headers["X-New"] = "1"
        client.cookies["new"] = "1"
        client.parameters["new"] = "1"
        await client.post("/x", body=body, headers=call_headers, parameters=call_parameters)
    assert (headers, cookies, parameters, body) == ({"X-A": "1"}, {"c": "1"}, {"p": {"q": None}}, {"b": [1]})
    assert (call_headers, call_parameters) == ({"X-B": None}, {"z": None})


async def test_html_404_is_not_found_with_the_text(echo: EchoServer, transport: str) -> None:
    """An error body that is no JSON is the error's `response`, as text."""
    async with AsyncClient(echo.url, transport=transport) as client:
        with pytest.raises(errors.HTTPNotFound) as caught:
            await client.get("/status/404", parameters={"body": "<h1>nothing</h1>"}, response_format=User)
    assert caught.value.response == "<h1>nothing</h1>"
    assert caught.value.status_code == 404
    assert caught.value.method == "GET"
    assert caught.value.url.startswith(echo.url + "/status/404")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (423, errors.HTTPLocked),
        (599, errors.HTTPServerError),
        (499, errors.HTTPClientError),
        (418, errors.HTTPImATeapot),
    ],
)
async def test_every_status_carries_its_number(
    echo: EchoServer, transport: str, status: int, kind: type[errors.HTTPError]
) -> None:
    """A registered status raises its own class, any other one its family's, both with the number."""
    async with AsyncClient(echo.url, transport=transport) as client:
        with pytest.raises(errors.HTTPError) as caught:
            await client.get(f"/status/{status}")
    assert type(caught.value) is kind
    assert caught.value.status_code == status


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
async def test_redirect_without_location_raises(echo: EchoServer, transport: str, status: int) -> None:
    """A 3xx with no place to go raises its class."""
    async with AsyncClient(echo.url, transport=transport) as client:
        with pytest.raises(errors.HTTPRedirect) as caught:
            await client.get(f"/status/{status}")
    assert caught.value.status_code == status


@pytest.mark.parametrize("response_format", [None, User, list[User], bytes, str])
@pytest.mark.parametrize("path", ["/status/204", "/empty"])
async def test_success_without_a_body_is_none(
    echo: EchoServer, transport: str, path: str, response_format: Any
) -> None:
    """204 and a length of 0 give `None`, whatever the format."""
    async with AsyncClient(echo.url, transport=transport) as client:
        assert await client.get(path, response_format=response_format) is None


async def test_error_body_that_does_not_fit_its_model_keeps_the_class(echo: EchoServer, transport: str) -> None:
    """The status's error is raised with the JSON, and says why the model did not fit."""
    async with AsyncClient(echo.url, transport=transport, error_responses={409: Problem}) as client:
        with pytest.raises(errors.HTTPConflict) as unfit:
            await client.get("/status/409", parameters={"body": '{"code": "x"}'})
        with pytest.raises(errors.HTTPConflict) as fit:
            await client.get("/status/409", parameters={"body": '{"code": 1, "reason": "r"}'})
    assert isinstance(unfit.value.model_error, errors.ResponseValidationError)
    assert unfit.value.model_error.path == "$.code"
    assert fit.value.response == Problem(1, "r")
    assert fit.value.model_error is None


async def test_half_a_second_is_half_a_second(serve_script: ServeScript, transport: str) -> None:
    """`timeout=0.5` is neither 0 nor 1: the request fails between the two on a silent server."""
    server = await serve_script([Do.READ, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.RequestTimeout, match=r"0\.5 s"):
            await client.get("/x", timeout=0.5)


async def test_assigning_cookies_replaces_them(echo: EchoServer, transport: str) -> None:
    """After an assignment nothing of the old cookies is sent, those that servers set included."""
    async with AsyncClient("http://localhost:" + echo.url.rpartition(":")[2], transport=transport) as client:
        client.cookies = {"a": "1", "b": "2"}
        assert header(await client.get("/x"), "Cookie") == "a=1; b=2"
        await client.get("/set-cookie", parameters={"server": "s"})
        assert header(await client.get("/x"), "Cookie") == "a=1; b=2; server=s"
        client.cookies = {"c": "3"}
        assert header(await client.get("/x"), "Cookie") == "c=3"


def test_client_can_be_made_outside_a_loop() -> None:
    """Making a client needs no running loop."""
    client = AsyncClient("http://127.0.0.1:1", rate_limit=5, cookies={"a": "1"})
    assert not client.closed
    assert client.is_rate_limited


async def test_absolute_url_to_another_origin_gets_no_credentials(
    echo: EchoServer, other_origin: EchoServer, transport: str
) -> None:
    """Token, cookies and secret headers stay home; other defaults go along; the URL is sent as it is."""
    async with AsyncClient(
        echo.url + "/base",
        transport=transport,
        bearer_token="t",
        cookies={"c": "1"},
        headers={"X-Api-Key": "k", "X-Plain": "p"},
        parameters={"apiKey": "k"},
    ) as client:
        away = await client.get(other_origin.url + "/a%2Fb?x=1")
        home = await client.get(echo.url + "/a?x=1")
    assert away["target"] == "/a%2Fb?x=1"
    assert [header(away, name) for name in ("Authorization", "Cookie", "X-Api-Key")] == [None, None, None]
    assert header(away, "X-Plain") == "p"
    assert header(home, "Authorization") == "Bearer t"
    assert header(home, "Cookie") == "c=1"
