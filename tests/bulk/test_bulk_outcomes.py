"""What a bulk gives when it is iterated: an outcome for every call, and nothing lost in silence."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from yarl import URL

from headrace import AsyncClient, Call, Partial, errors
from headrace.bulk import Err, Ok
from headrace.testing import MockTransport, json_response, text_response
from headrace.transports import Request, Response
from headrace.types import UNSET
from tests.kit.bulk import Api, User, paths
from tests.kit.told import header
from tests.servers.echo import EchoServer


async def collect(bulk: Any) -> list[Any]:
    """Take all outcomes of a bulk."""
    return [outcome async for outcome in bulk]


async def test_every_call_has_an_outcome() -> None:
    """A success is an `Ok` with its value, a failure an `Err` with what a verb would have raised."""
    api = Api({3: 404})
    values, failures = [], []
    async with api.client() as client, client.bulk(paths(5), response_format=User) as outcomes:
        async for outcome in outcomes:
            match outcome:
                case Ok(user):
                    values.append(user.id)
                    assert (outcome.meta.status, outcome.meta.attempts, outcome.meta.bytes > 0) == (200, 1, True)
                case Err(error):
                    failures.append((error, outcome))
    assert sorted(values) == [0, 1, 2, 4]
    ((error, failure),) = failures
    assert isinstance(error, errors.HTTPNotFound)
    assert error.response == {"refused": 3}
    assert failure.call == Call("/users/3")
    assert (failure.meta.status, failure.meta.key, failure.meta.page, failure.meta.last) == (404, None, 0, True)


async def test_calls_may_be_many_things(echo: EchoServer, transport: str) -> None:
    """Paths, URLs, mappings and `Call`s, of any iterable or async iterable; one alone is one call."""
    calls: list[Any] = [
        "/a",
        URL("/b"),
        {"path": "/c", "method": "POST", "body": {"x": 1}},
        Call("/d", "PUT", data=b"y", headers={"X-Trace": "7"}, key="d"),
    ]

    async def slowly() -> AsyncIterator[Any]:
        for call in calls:
            await asyncio.sleep(0)
            yield call

    async with AsyncClient(echo.url, transport=transport) as client:
        for given in (calls, iter(calls), slowly()):
            told = [outcome.value for outcome in await collect(client.bulk(given, ordered=True))]
            assert [(each["method"], each["target"], each["body"]) for each in told] == [
                ("GET", "/a", ""),
                ("GET", "/b", ""),
                ("POST", "/c", '{"x":1}'),
                ("PUT", "/d", "y"),
            ]
            assert header(told[3], "X-Trace") == "7"
        for alone in (*calls, calls[2:3]):
            assert len(await collect(client.bulk(alone))) == 1


async def test_items_give_lists_of_rows() -> None:
    """With `items`, an answer is the list of its rows, and those that do not fit stand beside it."""
    document = {"data": [{"id": 1}, {"id": "two"}, {"id": 3}]}
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        (outcome,) = await collect(client.bulk("/x", response_format=User, items="data"))
        assert outcome.value == [User(1), User(3)]
        (reject,) = outcome.rejects
        assert (reject.index, reject.path, reject.raw) == (1, "$.data[1].id", b'{"id":"two"}')
        (outcome,) = await collect(client.bulk("/x", response_format=User, items="data", on_invalid="skip"))
        assert (outcome.value, outcome.rejects) == ([User(1), User(3)], ())
        (outcome,) = await collect(client.bulk("/x", response_format=User, items="data", on_invalid="raise"))
        assert isinstance(outcome.error, errors.ResponseValidationError)
        assert outcome.error.path == "$.data[1].id"
        (outcome,) = await collect(client.bulk(Call("/x", items="data"), items=""))
        assert outcome.value == document["data"]
        (outcome,) = await collect(client.bulk("/x", response_format=Partial[User]))
        assert isinstance(outcome.error, errors.ResponseValidationError)


async def test_a_misfit_is_a_failure() -> None:
    """A body that does not fit, and one that is no JSON, are `Err`s; so is an empty one unless `None` fits."""
    answers = {"/a": json_response({"id": "x"}), "/b": text_response("<html>"), "/c": Response(204)}
    transport = MockTransport(lambda request: answers[request.target])
    async with AsyncClient("http://a.example", transport=transport) as client:
        found = await collect(client.bulk(list(answers), response_format=User, ordered=True))
        assert [type(each.error) for each in found] == [
            errors.ResponseValidationError,
            errors.ResponseParseError,
            errors.ResponseParseError,
        ]
        assert [each.meta.status for each in found] == [200, 200, 204]
        assert "GET /c" in str(found[2].error)
        assert "without a body" in str(found[2].error)
        for fits in (None, User | None):
            (outcome,) = await collect(client.bulk("/c", response_format=fits))
            assert outcome.value is None


async def test_expected_statuses_are_no_failures() -> None:
    """They are `Err`s when iterated, but the report does not count them as failures."""
    api = Api({1: 404, 2: 410, 3: 403})
    async with api.client() as client:
        bulk = client.bulk(paths(5), expected={404, 410})
        outcomes = await collect(bulk)
    assert [type(each) for each in outcomes].count(Err) == 3
    assert (bulk.report.done, bulk.report.expected, bulk.report.failed) == (2, 2, 1)
    assert bulk.report.errors == {"403 HTTPForbidden": 1}


@pytest.mark.parametrize("in_flight", [1, 7, 64])
async def test_order_holds_whatever_comes_first(in_flight: int) -> None:
    """With `ordered`, outcomes come in the order of their calls though answers come in another."""

    async def answer(request: Request) -> Response:
        number = int(request.target.rpartition("/")[2])
        for _ in range((number * 7) % 5):
            await asyncio.sleep(0)
        return json_response({"id": number})

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        outcomes = await collect(client.bulk(paths(200), response_format=User, in_flight=in_flight, ordered=True))
        assert [each.value.id for each in outcomes] == list(range(200))


async def test_a_subclass_that_has_its_own_request_is_asked(echo: EchoServer, transport: str) -> None:
    """Every call of a bulk goes through a `request` of the subclass's own, with the retries of the bulk."""

    class Traced(AsyncClient):
        async def request(self, method: str, path: Any = None, **options: Any) -> Any:  # type: ignore[override]
            options["headers"] = {"X-Trace": "7"}
            return await super().request(method, path, **options)

    async with Traced(echo.url, transport=transport) as client:
        outcomes = await collect(client.bulk(["/a", "/b"]))
        assert [header(each.value, "X-Trace") for each in outcomes] == ["7", "7"]

    class Eager(AsyncClient):
        async def request(self, *_: Any, **__: Any) -> Any:
            return {}

    async with Eager(echo.url) as eager:
        with pytest.raises(errors.AsyncClientError, match=r"request\(\) returned dict for a bulk"):
            await collect(eager.bulk("/a"))


@pytest.mark.parametrize("own", [False, True], ids=["plain", "own request"])
async def test_retries_are_the_clients_or_else_the_usual(*, own: bool) -> None:
    """Unset they are the client's, else `Retry()`; `None` is none, and a `Retry` takes the place of the client's."""
    from headrace import Retry

    quick = {"backoff": 0.001, "max_backoff": 0.002, "budget": None}
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.target)
        return json_response({}, status=503) if asked.count(request.target) % 4 else json_response({})

    class Own(AsyncClient):
        async def request(self, *arguments: Any, **options: Any) -> Any:
            return await super().request(*arguments, **options)

    kind = Own if own else AsyncClient
    async with kind("http://a.example", transport=MockTransport(answer), retry=Retry(attempts=2, **quick)) as client:
        (outcome,) = await collect(client.bulk("/a"))
        assert (outcome.meta.status, outcome.meta.attempts, len(asked)) == (503, 2, 2)
        (outcome,) = await collect(client.bulk("/b", retry=Retry(attempts=4, **quick)))
        assert (outcome.meta.status, outcome.meta.attempts) == (200, 4)
        (outcome,) = await collect(client.bulk("/c", retry=None))
        assert (outcome.meta.status, asked.count("/c")) == (503, 1)
        with pytest.raises(errors.HTTPServiceUnavailable):
            await client.get("/d")
        assert asked.count("/d") == 2  # the client's own, as before


class OwnRequest(AsyncClient):
    """A client that is asked for everything by a `request` of its own."""

    async def request(self, *args: Any, **options: Any) -> Any:  # type: ignore[override] # it takes whatever comes
        """Send it as ever."""
        return await super().request(*args, **options)


@pytest.mark.parametrize("kind", [AsyncClient, OwnRequest])
@pytest.mark.parametrize("own", [False, True], ids=["the client's", "the call's"])
async def test_time_begins_when_the_limiter_lets_a_request_start(kind: type[AsyncClient], own: bool) -> None:
    """Calls that wait longer for the limiter than their timeout allows are answered; one that hangs is not."""
    never = asyncio.Event()

    async def answer(request: Request) -> Response:
        if request.target == "/hangs":
            await never.wait()
        return json_response({})

    transport = MockTransport(answer)
    calls = [Call(path, timeout=0.2 if own else UNSET) for path in [*paths(25), "/hangs"]]
    async with kind("http://a.example", transport=transport, rate_limit=10, timeout=9 if own else 0.2) as client:
        outcomes = await collect(client.bulk(calls, in_flight=26, retry=None))
    failures = [each for each in outcomes if type(each) is Err]
    assert [type(each.error) for each in failures] == [errors.RequestTimeout]
    assert failures[0].call.path == "/hangs"


async def test_a_closed_client_is_told(echo: EchoServer) -> None:
    """A bulk of a closed client raises, and one whose client is closed under way does, too."""
    client = AsyncClient(echo.url)
    await client.close()
    with pytest.raises(errors.AsyncClientError, match="closed"):
        await collect(client.bulk("/x"))
    api = Api()
    client = api.client()
    bulk = client.bulk(paths(1000), in_flight=2)
    await anext(bulk)
    await client.close()
    with pytest.raises(errors.AsyncClientError, match="closed while its bulk"):
        await collect(bulk)


async def test_a_bulk_is_used_once() -> None:
    """A second use says so, whichever the first one was."""
    async with Api().client() as client:
        bulk = client.bulk(paths(2))
        assert len(await collect(bulk)) == 2
        assert await collect(bulk) == []
        with pytest.raises(errors.ValidationError, match=r"sink: run\(\) needs one"):
            await bulk.run()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"in_flight": 0}, "in_flight: got int"),
        (
            {"in_flight": "wide"},
            r"in_flight: got str \('wide'\), takes a whole number above 0, \"auto\", or \(least, most",
        ),
        ({"in_flight": (4, 2)}, r"in_flight: got tuple"),
        ({"in_flight": (0, 2)}, r"in_flight: got tuple"),
        ({"in_flight": (1, 2, 3)}, r"in_flight: got tuple"),
        ({"expected": 404}, "expected: got int"),
        ({"expected": {"404"}}, "expected: got str"),
        ({"on_invalid": "drop"}, "on_invalid: got 'drop'"),
        ({"retry": 3}, "retry: got int"),
        ({"transform": 3}, "transform: got int"),
        ({"sink": "file"}, "sink: got str"),
        ({"journal": 3}, "journal: got int"),
        ({"journal": True}, "journal: True lies beside a sink"),
        ({"commit_every": 0}, "commit_every: got int"),
        ({"max_failures": 1.5}, "max_failures: got float"),
        ({"max_failures": -1}, "max_failures: got int"),
        ({"progress": "bar"}, "progress: got str"),
        ({"items": 3.5}, "items: "),
        ({"response_format": 3}, "response_format: "),
    ],
)
async def test_a_wrong_argument_is_named(options: dict[str, Any], told: str) -> None:
    """Nothing is pulled then, and the error says what the argument takes."""
    async with Api().client() as client:
        with pytest.raises(errors.ValidationError, match=told):
            client.bulk(paths(1), **options)


@pytest.mark.parametrize("calls", [3, None, b"/x", msgspec.Raw(b"{}")])
async def test_calls_that_are_none_are_refused(calls: Any) -> None:
    """What is no iterable of calls is refused at once."""
    async with Api().client() as client:
        with pytest.raises(errors.ValidationError, match="calls: got "):
            client.bulk(calls)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (7, r"calls\[3\]: got int \(7\), takes a path"),
        (None, r"calls\[3\]: got NoneType"),
        (
            {"path": "/x", "json": {}},
            r"calls\[3\]: Call\(\) got an unexpected keyword argument 'json'; here it is body",
        ),
        (Call("/x", items="data"), r"calls\[3\]: has items"),
    ],
)
async def test_a_call_that_is_none_is_named_by_its_index(bad: Any, told: str) -> None:
    """What came before it is handed out, then the error is raised."""
    async with Api().client() as client:
        bulk = client.bulk([*paths(3), bad, *paths(3)], response_format=User)
        found = [(await anext(bulk)).value.id for _ in range(3)]
        with pytest.raises(errors.ValidationError, match=told):
            await anext(bulk)
    assert sorted(found) == [0, 1, 2]
