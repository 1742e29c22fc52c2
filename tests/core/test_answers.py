"""Whole answers, and values inside documents: `Answer`, `Partial` and `items`, as a user asks for them."""

import asyncio
import copy
import inspect
import pickle
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from unittest import mock

import msgspec
import pydantic
import pytest
from yarl import URL

from headrace import Answer, AsyncClient, Partial, Retry
from headrace import Response as ResponseModel
from headrace._core.http import links
from headrace.errors import HTTPNotFound, ResponseParseError, ResponseValidationError, ValidationError
from headrace.testing import MockTransport, Request, Response
from headrace.types import RowOptions
from tests.conftest import ServeScript
from tests.servers.raw import Do, reply


class User(msgspec.Struct):
    """A row."""

    id: int


class OldUser(pydantic.BaseModel):
    """The same of pydantic's."""

    id: int


class Stamped(ResponseModel):
    """A row that knows who answered."""

    id: int


GOOD = b'{"meta": {"n": 2}, "data": {"users": [{"id": 1}, {"id": 2}], "first": {"id": 1}}}'
MIXED = b'{"data": {"users": [{"id": 1}, {"id": "x"}, {"id": 3}]}}'


def client(body: bytes, status: int = 200, fields: Any = ()) -> AsyncClient:
    """Make a client of which every answer is this one."""
    transport = MockTransport(lambda _: Response(status, fields, body))
    return AsyncClient("http://api.example/v1", transport=transport)


async def test_a_whole_answer(serve_script: ServeScript, transport: str) -> None:
    """It has the value, and what came with it."""
    answer = reply(b'{"id":7}', "Link: </users?page=2>; rel=next", "X-Count: 1", "X-Count: 2")
    server = await serve_script([Do.READ, answer])
    before = datetime.now(UTC)
    async with AsyncClient(server.url, transport=transport) as api:
        found = await api.get("/users", response_format=Answer[User], parameters={"page": 1})
    assert found.value == User(7)
    assert (found.status, found.method, found.attempts) == (200, "GET", 1)
    assert found.url == URL(f"{server.url}/users?page=1")
    assert found.headers.getall("x-count") == ["1", "2"]
    assert found.links == {"next": f"{server.url}/users?page=2"}
    assert before <= found.time <= datetime.now(UTC)
    assert timedelta(seconds=found.elapsed) <= datetime.now(UTC) - before + timedelta(milliseconds=50)
    assert found.elapsed > 0


async def test_a_redirect_and_a_retry_show_in_it() -> None:
    """The URL and method are those of the last request; what failed before it is counted."""
    answers = iter([Response(503), Response(303, {"Location": "/there"}), Response(200, (), b"1")])
    transport = MockTransport(lambda _: next(answers))
    async with AsyncClient("http://a.example", transport=transport, retry=Retry(backoff=1e-6)) as api:
        found = await api.put("/here", data=b"x", response_format=Answer)
    assert (found.value, found.method, str(found.url), found.attempts) == (1, "GET", "http://a.example/there", 3)


@pytest.mark.parametrize(
    ("response_format", "body", "value"),
    [
        (Answer, b'{"a":1}', {"a": 1}),
        (Answer[Any], b'{"a":1}', {"a": 1}),
        (Answer[bytes], b"raw", b"raw"),
        (Answer[str], b"text", "text"),
        (Answer[list[User]], b'[{"id":1}]', [User(1)]),
        (Answer[User], b'[{"id":1}]', [User(1)]),
        (Answer[User | None], b"null", None),
        (Answer[OldUser], b'{"id":1}', OldUser(id=1)),
        (Answer[Annotated[int, msgspec.Meta(ge=0)]], b"5", 5),
        (Answer[User], b"", None),
    ],
)
async def test_what_an_answer_goes_around(response_format: Any, body: bytes, value: object) -> None:
    """Whatever a format may be, the whole answer may be around it; without a body its value is `None`."""
    async with client(body) as api:
        found = await api.get(response_format=response_format)
    assert found.value == value
    assert found.status == 200


async def test_models_in_an_answer_know_who_answered() -> None:
    """A `Response` is stamped inside an answer, too, and inside a document."""
    async with client(b'{"rows":[{"id":1}]}') as api:
        found = await api.get("/x", response_format=Answer[list[Stamped]], items="rows")
    assert [row.base_uri for row in found.value] == ["http://api.example/v1/x"]


async def test_an_answer_without_a_body() -> None:
    """HEAD has no value, and the fields are what it is asked for."""
    async with client(b"", fields={"X-Total": "9"}) as api:
        found = await api.head(response_format=Answer)
    assert (found.value, found.headers["X-Total"]) == (None, "9")


async def test_an_error_is_raised_as_ever() -> None:
    """No answer stands for an error."""
    async with client(b"{}", 404) as api:
        with pytest.raises(HTTPNotFound):
            await api.get(response_format=Answer[User])


async def test_an_answer_hides_what_is_secret() -> None:
    """Its repr shows no secret of the URL, and a pickle none of the fields."""
    async with client(b"1", fields=[("Set-Cookie", "session=s3cret"), ("X-A", "1")]) as api:
        found = await api.get("/x", response_format=Answer[int], parameters={"api_key": "s3cret"})
    assert repr(found) == "<Answer 200 GET http://api.example/v1/x?api_key=***>"
    again = pickle.loads(pickle.dumps(found))
    assert dict(again.headers) == {"Set-Cookie": "***", "X-A": "1"}
    assert (again.value, again.url, again.elapsed, again.time) == (1, found.url, found.elapsed, found.time)
    assert copy.copy(found).status == 200


@pytest.mark.parametrize("model", [User, OldUser])
@pytest.mark.parametrize("items", ["data.users", ["data", "users"], ("data", "users")])
async def test_rows_inside_an_envelope(model: Any, items: Any) -> None:
    """`items` is the place of the value; a single model and an array give a list, as ever."""
    async with client(GOOD) as api:
        rows = [model(id=1), model(id=2)]
        assert await api.get(response_format=list[model], items=items) == rows
        assert await api.post(body={}, response_format=model, items=items) == rows
        assert await api.get(response_format=Partial[model], items=items) == Partial(rows, [])
        assert (await api.get(response_format=Answer[list[model]], items=items)).value == rows
        assert await api.get(response_format=model, items="data.first") == model(id=1)
        assert await api.get(response_format=list[model], items=["data", "users"], on_invalid="skip") == rows


async def test_places_of_other_kinds() -> None:
    """Plain JSON, indexes, names with dots, and the document itself."""
    async with client(b'[{"a.b": [10, {"c": "d"}]}, 2]') as api:
        assert await api.get(items=[0, "a.b", 1]) == {"c": "d"}
        assert await api.get(items=[0, "a.b", 0], response_format=int) == 10
        assert await api.get(items="") == await api.get(items=[]) == await api.get()


@pytest.mark.parametrize("model", [User, OldUser])
async def test_rows_that_do_not_fit_inside_an_envelope(model: Any) -> None:
    """The paths of rejects and errors begin at the document."""
    async with client(MIXED) as api:
        found = await api.get(response_format=Answer[Partial[model]], items="data.users")
        assert [row.id for row in found.value.items] == [1, 3]
        (reject,) = found.value.rejects
        assert (reject.index, reject.path, reject.raw) == (1, "$.data.users[1].id", b'{"id": "x"}')
        collected = await api.get(response_format=list[model], items="data.users", on_invalid="collect")
        assert collected == found.value
        for response_format in (list[model], model):
            with pytest.raises(ResponseValidationError) as caught:
                await api.get(response_format=response_format, items="data.users")
            assert caught.value.path == "$.data.users[1].id"
            assert caught.value.raw_response == MIXED


@pytest.mark.parametrize("response_format", [list[User], User, None, list[OldUser], Partial[User]])
async def test_a_place_that_is_not_there(response_format: Any) -> None:
    """The error names what is missing, and where."""
    async with client(GOOD) as api:
        with pytest.raises(ResponseValidationError, match=r"required field `rows` - at `\$\.data`"):
            await api.get(response_format=response_format, items="data.rows")
        with pytest.raises(ResponseValidationError, match=r"Expected `array`, got `object`"):
            await api.get(response_format=response_format, items=["data", 0])
    async with client(b"<html>") as api:
        with pytest.raises(ResponseParseError, match="not JSON"):
            await api.get(response_format=response_format, items="data.rows")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": 5}, r"items: got int, takes names with dots between"),
        ({"items": "a..b"}, r"items: got 'a\.\.b', takes names"),
        ({"items": ["a", -1]}, r"items: got \('a', -1\), takes names"),
        ({"items": ["a", True]}, r"items: got \('a', True\), takes names"),
        ({"items": "a", "response_format": bytes}, r"items: there is no place in bytes, only in JSON"),
        ({"response_format": list[Answer[User]]}, r"Answer goes around the rest: Answer\[list\[User\]\]"),
        ({"response_format": Answer[Answer[User]]}, r"Answer goes around the rest"),
        ({"response_format": Partial[User] | None}, r"Partial goes around the rest: Partial\[User\]"),
        ({"response_format": Partial[User], "on_invalid": "skip"}, r'on_invalid: a Partial holds .* "skip" goes with'),
        ({"response_format": Answer[User], "on_invalid": "skip"}, r"takes a list of rows"),
    ],
)
async def test_wrong_formats_and_places(options: dict[str, Any], message: str) -> None:
    """They are refused before anything is sent."""
    sent: list[Request] = []
    async with AsyncClient("http://a.example", transport=MockTransport(lambda r: sent.append(r) or Response())) as api:  # type: ignore[func-returns-value] # both are wanted
        with pytest.raises(ValidationError, match=message):
            await api.get(**options)
    assert sent == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (['<https://a.example/>; rel="next", </last>; rel=last'], {"next": "https://a.example/", "last": "/last"}),
        (["<?page=2>; rel=next", "<?page=9>; REL=LAST"], {"next": "/x/y?page=2", "last": "/x/y?page=9"}),
        (['<?1,2;3>; title="a, <b>; rel=\\"no\\""; rel="next prev"'], {"next": "/x/y?1,2;3", "prev": "/x/y?1,2;3"}),
        (["<1>; rel=next; rel=last, <2>; rel=next"], {"next": "/x/1"}),
        (["<1>; rel=next; anchor='#a', <2>; rel=prev"], {"prev": "/x/2"}),
        (["<1> ; rel = next ; , ,<2>;rel=prev;x"], {"next": "/x/1", "prev": "/x/2"}),
        (["<1>; rel=https://r.example/Own"], {"https://r.example/Own": "/x/1"}),
        (["<>; rel=self"], {"self": "/x/y?q=1"}),
        (["<mailto:a@b.example>; rel=author, <1>, nonsense; rel=next", '<2>; rel="open', "<3", "", ","], {}),
        (["<https://user:pw@b.example/>; rel=next"], {"next": "https://b.example/"}),
    ],
)  # fmt: skip
def test_links(values: list[str], found: dict[str, str]) -> None:
    """RFC 8288, section 3: targets, parameters, quotes, several relations, and what is no link."""
    base = URL("http://h.example/x/y?q=1")
    expected = {name: "http://h.example" + url if url[0] == "/" else url for name, url in found.items()}
    assert links.by_relation(values, base) == expected


@pytest.mark.hazard(60)
@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 50_000, "<a>;" * 50_000, ";x=" * 50_000, '<a>;b="' * 20_000, "<" * 100_000, "," * 1_000_000,
        ", " * 500_000, "<," * 500_000, "<a>," * 50_000,
    ],
)  # fmt: skip
def test_links_that_are_made_to_be_slow(text: str) -> None:
    """Each is read in one pass: what is quadratic would not end."""
    assert links.by_relation([text], URL("http://h.example/")) == {}


VERBS = ["request", "get", "head", "options", "delete", "post", "put", "patch", "upload_file", "stream_file"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_what_tools_expect(verb: str) -> None:
    """It is a coroutine function, its keywords stand in its signature, and a mock made of it holds callers to them."""
    function = getattr(AsyncClient, verb)
    assert inspect.iscoroutinefunction(function)
    assert asyncio.iscoroutinefunction(function)
    keywords = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    common = set(RowOptions.__annotations__) | {"response_format"}
    assert common <= keywords
    assert ({"body", "data"} <= keywords) is (verb in {"request", "delete", "post", "put", "patch"})
    fake = getattr(mock.create_autospec(AsyncClient, instance=True), verb)
    assert isinstance(fake, mock.AsyncMock)
    with pytest.raises(TypeError, match="unexpected keyword argument 'params'"):
        fake("/x", params={})


async def test_a_path_by_its_name_and_in_its_place() -> None:
    """Both are the path."""
    async with client(b"1") as api:
        found = [await api.get(path="/a", response_format=Answer), await api.get("/a", response_format=Answer)]
        found.append(await api.request("GET", path="/a", response_format=Answer))
    assert {str(answer.url) for answer in found} == {"http://api.example/v1/a"}
