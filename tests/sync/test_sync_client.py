"""`SyncClient` has the settings, verbs, answers and errors of `AsyncClient`."""

import inspect
import io
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace import AsyncClient, FilePart, Partial, SyncClient, SyncStreamedResponse, errors
from headrace.testing import MockTransport, json_response
from tests.kit.beside import Beside
from tests.servers.echo import USER, EchoServer
from tests.servers.raw import Do, reply, scripted_server
from tests.sync.conftest import MakeClient


class User(msgspec.Struct):
    """A part of what the server says."""

    id: int
    name: str


class Broken(msgspec.Struct):
    """What the server never says."""

    id: str


PUBLIC = [name for name in dir(AsyncClient) if not name.startswith("_")]


@pytest.mark.parametrize("verb", ["get", "options", "delete", "post", "put", "patch"])
def test_every_verb(make: MakeClient, verb: str) -> None:
    """Each sends its method, and returns what was answered."""
    told = getattr(make(), verb)("/x", parameters={"a": 1}, headers={"X-B": "2"})
    assert (told["method"], told["target"]) == (verb.upper(), "/x?a=1")
    assert ["X-B", "2"] in told["headers"]


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_bodies(make: MakeClient, verb: str) -> None:
    """JSON, forms and text are sent as by `AsyncClient`."""
    send = getattr(make(), verb)
    assert send("/x", body=User(1, "a"))["body"] == '{"id":1,"name":"a"}'
    assert send("/x", data={"a": "1"})["body"] == "a=1"
    assert send("/x", data="text")["body"] == "text"


def test_answers_become_models(make: MakeClient) -> None:
    """A format is what it is for `AsyncClient`, and so is an answer without a body."""
    client = make()
    assert client.get("/user", response_format=User) == User(1, "Leanne Graham")
    assert client.request("GET", "/users", response_format=list[User]) == [User(1, "Leanne Graham")] * 3
    assert client.get("/empty") is None
    assert client.head("/user") is None
    rows = client.get("/users", response_format=list[Broken], on_invalid="collect")
    assert isinstance(rows, Partial)
    assert len(rows.rejects) == 3


def test_errors_are_the_same(make: MakeClient) -> None:
    """A status is its own error, a misfit says where, a wrong keyword is a `TypeError` of the verb."""
    client = make()
    with pytest.raises(errors.HTTPNotFound, match="404 Not Found: GET"):
        client.get("/status/404")
    with pytest.raises(errors.ResponseValidationError, match=r"\$\.id"):
        client.get("/user", response_format=Broken)
    with pytest.raises(errors.ValidationError, match="timeout"):
        client.get("/user", timeout=-1)
    with pytest.raises(TypeError, match=r"get\(\).*'nope'"):
        client.get("/user", nope=1)
    assert client.stats.errors["HTTPNotFound"] == 1


def test_files_go_up(make: MakeClient, small: Path) -> None:
    """A path, an open file, an iterable, a part, and lists and mappings of them."""
    client = make()
    assert client.stream_file(small, "/x", method="PUT")["body"] == "0123456789"
    with small.open("rb") as file:
        assert client.stream_file(file, "/x")["body"] == "0123456789"
    assert client.stream_file(io.BytesIO(b"abc"), "/x", expect=True)["body"] == "abc"
    assert client.stream_file(iter([b"a", b"b"]), "/x")["body"] == "ab"
    told = client.upload_file({"a": [small, FilePart(iter([b"p"]), "p.txt")], "b": small}, "/x")
    assert told["body"].count("0123456789") == 2
    assert 'filename="p.txt"' in told["body"]


def test_a_stream_is_read_in_every_way(make: MakeClient) -> None:
    """Bytes, lines and items are plain iterators; the block gives back a response of its own kind."""
    client = make()
    with client.stream("GET", "/users") as response:
        assert isinstance(response, SyncStreamedResponse)
        assert (response.status, response.closed) == (200, False)
        assert response.headers["content-type"].startswith("application/json")
        assert [user.id for user in response.iter_items(User)] == [1, 1, 1]
        assert repr(response).startswith("<SyncStreamedResponse 200 ")
    assert response.closed
    with client.stream("POST", "/x", body={"a": 1}) as response:
        assert next(iter(response.iter_lines())).startswith('{"method": "POST"')
    with client.stream("GET", "/users") as response:
        sizes = [len(piece) for piece in response.iter_bytes(7)]
        assert set(sizes[:-1]) == {7}
    with client.stream("GET", "/user") as response:
        assert msgspec.json.decode(response.read()) == USER
    with client.stream("GET", "/user") as response, response.iter_raw() as pieces:
        assert msgspec.json.decode(b"".join(pieces)) == USER


def test_a_stream_is_misused(make: MakeClient) -> None:
    """A second reading, a reading behind the block and an async name are errors that say what to do."""
    client = make()
    with client.stream("GET", "/users") as response:
        list(response.iter_bytes())
        with pytest.raises(errors.SyncClientError, match="read once"):
            list(response.iter_bytes())
        with pytest.raises(AttributeError, match="iter_bytes"):
            _ = response.aiter_bytes
    with pytest.raises(AttributeError, match="enter the block first"):
        _ = client.stream("GET", "/users").status  # type: ignore[attr-defined]
    with pytest.raises(errors.SyncClientError, match="inside its `with` block"):
        list(response.iter_raw())
    with pytest.raises(errors.HTTPNotFound), client.stream("GET", "/status/404"):
        raise AssertionError


def test_many_items_come_in_order(servers_beside: Beside, transport: str) -> None:
    """However many items a piece holds, none is lost or doubled, and an early end closes the connection."""
    rows = [{"id": number, "name": "x"} for number in range(10_000)]
    body = b"\n".join(map(msgspec.json.encode, rows))
    server = servers_beside.start(
        scripted_server([Do.READ, reply(body, "Content-Type: application/x-ndjson"), Do.HOLD])
    )
    with SyncClient(server.url, transport=transport) as client, client.stream("GET", "/x") as response:
        assert [user.id for user in response.iter_items(User)] == list(range(10_000))
    server = servers_beside.start(
        scripted_server([Do.READ, reply(body * 20, "Content-Type: application/x-ndjson"), Do.HOLD])
    )
    with SyncClient(server.url, transport=transport) as client:
        with client.stream("GET", "/x") as response:
            for user in response.iter_items(User):
                if user.id == 5:
                    break
        servers_beside.ended(server)


def test_an_item_that_fails_comes_behind_those_before(servers_beside: Beside, transport: str) -> None:
    """What arrived before a fault is handed out before the fault is raised."""
    answer = reply(b'{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n{', "Content-Type: application/x-ndjson")
    server = servers_beside.start(scripted_server([Do.READ, answer, Do.HOLD]))
    with SyncClient(server.url, transport=transport) as client, client.stream("GET", "/x") as response:
        items = response.iter_items(User)
        assert [next(items).id, next(items).id] == [1, 2]
        with pytest.raises(errors.ResponseParseError):
            next(items)
        with pytest.raises(StopIteration):
            next(items)


def test_files_come_down(make: MakeClient, tmp_path: Path) -> None:
    """A download is there whole, and tells of it in the caller's thread."""
    threads = set()
    place = make().download("/users", tmp_path / "users.json", progress=lambda *_: threads.add(threading.get_ident()))
    assert msgspec.json.decode(place.read_bytes()) == [USER] * 3
    assert threads == {threading.get_ident()}


def test_settings_are_those_of_the_async_client(echoing: EchoServer) -> None:
    """Subclass parameters merge, `__post_init__` gets the rest, live mappings hold for the next request."""

    class Api(SyncClient, uri=echoing.url, headers={"X-A": "1", "X-B": "2"}, parameters={"lang": "en"}):
        key: str

        def __post_init__(self, *args: Any, key: str = "", **kwargs: Any) -> None:
            super().__post_init__(*args, **kwargs)
            self.key = key
            self.parameters["key"] = key

    class Other(Api, headers={"X-B": None}, rate_limit=1000):
        pass

    with Other(key="k", headers={"X-C": "3"}) as client:
        told = client.get("/x")
        assert told["target"] == "/x?lang=en&key=k"
        sent = dict(told["headers"])
        assert (sent["X-A"], sent["X-C"], "X-B" in sent) == ("1", "3", False)
        client.headers["X-A"] = "4"
        client.parameters = {}
        client.bearer_token = "t"
        told = client.get("/x")
        assert told["target"] == "/x"
        assert (dict(told["headers"])["X-A"], dict(told["headers"])["Authorization"]) == ("4", "Bearer t")
        assert client.is_rate_limited
        assert (client.bearer_token, client.rate_limit) == ("t", 1000)
        assert repr(client) == f"<Other {echoing.url}>"
    assert client.closed
    with pytest.raises(errors.SyncClientError, match="needs a uri"):
        SyncClient()
    with pytest.raises(TypeError, match="nope"):
        Api(nope=1)


def test_a_config_makes_an_equal_client(echoing: EchoServer) -> None:
    """The configuration pickles, and is that of an `AsyncClient` too."""
    client = SyncClient(echoing.url, headers={"X-A": "1"}, rate_limit=5)
    config = pickle.loads(pickle.dumps(client.config))
    assert config == client.config == AsyncClient(echoing.url, headers={"X-A": "1"}, rate_limit=5).config
    with SyncClient.from_config(config) as other:
        assert ["X-A", "1"] in other.get("/x")["headers"]


def test_servers_are_not_verified_only_with_a_warning_at_the_caller() -> None:
    """The warning names the line that made the client."""
    with pytest.warns(UserWarning, match="tls=False") as warned:
        SyncClient("https://a.example", tls=False)
    assert warned[0].filename == __file__


def test_a_closed_client_sends_nothing(echoing: EchoServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A verb logs a warning and returns `None`; a stream and a download are errors."""
    client = SyncClient(echoing.url)
    client.get("/x")
    client.close()
    client.close()
    assert client.get("/x") is None
    assert "SyncClient is closed" in caplog.text
    with pytest.raises(errors.SyncClientError, match="closed"), client.stream("GET", "/x"):
        raise AssertionError
    with pytest.raises(errors.SyncClientError, match="closed"):
        client.download("/x", tmp_path / "x")
    assert len(echoing.seen) == 1
    unused = SyncClient(echoing.url)
    unused.close()
    assert unused.closed


def test_a_client_has_no_thread_before_it_needs_one() -> None:
    """A client at module level costs no thread."""
    before = threading.active_count()
    client = SyncClient("http://a.example")
    client.headers["X"] = "1"
    assert threading.active_count() == before


def test_a_transport_for_tests() -> None:
    """`MockTransport` answers this client, too."""
    transport = MockTransport(lambda _: json_response({"id": 1}))
    with SyncClient("http://a.example", transport=transport) as client:
        assert client.get("/x") == {"id": 1}
    assert transport.closed


class Asking(SyncClient):
    """A client with a `request` of its own."""

    def __post_init__(self, *args: Any, **kwargs: Any) -> None:
        """Remember what is asked."""
        super().__post_init__(*args, **kwargs)
        self.asked: list[tuple[str, Any, int]] = []

    def request(self, method: str, path: Any = None, **options: Any) -> Any:
        """Note a request, and send it."""
        self.asked.append((method, path, threading.get_ident()))
        options["headers"] = {**(options.get("headers") or {}), "X-Own": "1"}
        return super().request(method, path, **options)


def test_an_own_request_is_asked_for_everything(make: MakeClient, tmp_path: Path) -> None:
    """Verbs, uploads, streams and downloads go through it, in the thread that called them."""
    client = make(Asking)
    assert isinstance(client, Asking)
    assert ["X-Own", "1"] in client.get("/get")["headers"]
    assert ["X-Own", "1"] in client.stream_file(iter([b"a"]), "/upload")["headers"]
    with client.stream("GET", "/stream") as response:
        assert b"X-Own" in response.read()
    assert b"X-Own" in client.download("/download", tmp_path / "x").read_bytes()
    paths = ["/get", "/upload", "/stream", "/download"]
    assert [(path, thread) for _, path, thread in client.asked] == [(path, threading.get_ident()) for path in paths]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    """What the async client has, this one has, documented, and nothing of it is async."""
    ours, theirs = getattr(SyncClient, name), getattr(AsyncClient, name)
    assert inspect.getdoc(ours)
    assert "async with" not in (inspect.getdoc(ours) or "")
    assert not inspect.iscoroutinefunction(ours)
    if inspect.isfunction(theirs):
        assert ours.__name__ == name
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_a_form_of_pieces(make: MakeClient) -> None:
    """Bytes with no length are sent in chunks, by every verb with a body."""

    def pieces() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    client = make()
    told = client.post("/x", data=pieces())
    assert told["body"] == "ab"
    assert ["Transfer-Encoding", "chunked"] in told["headers"]
