"""The clients of the older framework: sub-clients, extensions, the tree of endpoints, whole answers."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

import headrace
from headrace.compat.arya import SubClient, errors
from headrace.compat.arya.constants import ClientBranch, HTTPMethod
from headrace.compat.arya.framework import ClientInternal
from headrace.compat.arya.utils import apiclient, endpoint
from tests.kit.older import client_class, done
from tests.kit.told import header
from tests.servers.echo import EchoServer


class Posts(SubClient, name="posts", relative_path="/posts"):
    """Below the users."""


class Users(SubClient, name="users", relative_path="users/"):
    """A group with one below it."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.add_subclient(Posts())

    def on_loaded(self) -> None:
        """Note it."""
        self.loaded.append("on")

    def on_unloaded(self) -> None:
        """Note it."""
        self.loaded.append("off")


@pytest.mark.parametrize(
    ("verb", "takes_body"),
    [("get", False), ("post", True), ("put", True), ("patch", True), ("delete", True)],
)
async def test_verbs_of_a_sub_client_go_below_its_path(
    echo: EchoServer, kind: str, transport: str, verb: str, *, takes_body: bool
) -> None:
    """Each does what the client's does: paths join with one slash, a query stays, an absolute URL goes as it is."""
    client = client_class(kind)(f"{echo.url}/v1", transport=transport)
    client.add_subclient(Users())
    ask = getattr(client.users, verb)
    body = {"body": {"a": 1}} if takes_body else {}
    told = await done(kind, ask, "/7", parameters={"p": 1}, headers={"X-A": "1"}, **body)
    assert (told["method"], told["target"], header(told, "X-A")) == (verb.upper(), "/v1/users/7?p=1", "1")
    assert told["body"] == ('{"a":1}' if takes_body else "")
    targets = {None: "/v1/users/", "": "/v1/users/", "?x=1": "/v1/users/?x=1", "a%2Fb c": "/v1/users/a%2Fb%20c"}
    for path, target in targets.items():
        assert (await done(kind, ask, path))["target"] == target
    assert (await done(kind, ask, URL(f"{echo.url}/else")))["target"] == "/else"
    assert (await done(kind, getattr(client.users.posts, verb), "3"))["target"] == "/v1/users/posts/3"
    assert (await done(kind, client.users.posts.request, verb, "3"))["method"] == verb.upper()
    await done(kind, client.close)


async def test_uploads_of_a_sub_client(echo: EchoServer, kind: str, tmp_path: Path) -> None:
    """A file goes below its path too, as a form or as it is."""
    path = tmp_path / "a.txt"
    path.write_text("0123")
    client = client_class(kind)(echo.url)
    client.add_subclient(Users())
    told = await done(kind, client.users.stream_file, str(path), "/up")
    assert (told["method"], told["target"], told["body"]) == ("POST", "/users/up", "0123")
    told = await done(kind, client.users.upload_file, str(path), "/up")
    assert 'name="file"; filename="a.txt"' in told["body"]
    told = await done(kind, client.request, "PUT", "/up", files={"f": ("b.csv", b"1,2", "text/csv")}, data={"n": 5})
    assert 'name="f"; filename="b.csv"\r\nContent-Type: text/csv\r\n\r\n1,2' in told["body"]
    assert 'name="n"\r\n\r\n5' in told["body"]
    assert told["method"] == "PUT"
    await done(kind, client.close)


async def test_names_and_paths_of_sub_clients(kind: str) -> None:
    """Each knows where it is, and no more than that once it was removed."""
    client = client_class(kind)("https://a.example/v1")
    users = Users()
    assert (users.qualified_name, users.qualified_path, users.parent, users.root) == ("users", None, None, users)
    client.add_subclient(users)
    posts = client.users.posts
    assert (posts.name, posts.qualified_name) == ("posts", "users.posts")
    assert (str(posts.relative_path), str(posts.full_relative_path)) == ("/posts", "users/posts")
    assert str(posts.qualified_path) == "https://a.example/v1/users/posts"
    assert (posts.parent, posts.root, users.root) == (users, client, client)
    assert dict(client.subclients) == {"users": users}
    assert client.remove_subclient("users") is users
    assert client.remove_subclient("users") is None
    assert users.loaded == ["on", "off"]
    assert (users.parent, posts.parent, dict(users.subclients)) == (None, None, {})
    with pytest.raises(AttributeError, match="users"):
        client.users  # noqa: B018 - it is looked up
    with pytest.raises(errors.SubClientNoParent, match="add_subclient"):
        users.get("/1")
    await done(kind, client.close)


async def test_what_cannot_be_a_sub_client_is_refused(kind: str) -> None:
    """No stranger, no second of a name, no child of another, and nothing below itself."""
    client, users = client_class(kind)("https://a.example"), Users()
    client.add_subclient(users)
    with pytest.raises(ValueError, match="got the class Posts, takes an instance"):
        client.add_subclient(Posts)
    with pytest.raises(errors.SubClientAlreadyLoaded):
        client.add_subclient(Users())
    with pytest.raises(errors.SubClientParentSet):
        client.add_subclient(client.users.posts)
    orphan = Users()
    with pytest.raises(errors.SubClientError, match="below itself"):
        orphan.posts.add_subclient(orphan)
    with pytest.raises(ValueError, match=r"relative_path: got 'https://a\.example/x'"):
        type("Far", (SubClient,), {}, relative_path="https://a.example/x")
    await done(kind, client.close)


async def test_two_clients_share_no_sub_client(kind: str) -> None:
    """In the older framework all clients of a process had one registry."""
    one, two = client_class(kind)("https://a.example"), client_class(kind)("https://a.example")
    one.add_subclient(Users())
    assert not two.subclients
    await done(kind, one.close)
    assert not one.subclients
    await done(kind, two.close)


async def test_what_a_client_has_beside(kind: str) -> None:
    """Its branch, its logger, whether it is limited; and it is a client of headrace."""
    client = client_class(kind)("https://a.example", rate_limit=5)
    assert client.branch is {"async": ClientBranch.async_, "sync": ClientBranch.sync}[kind]
    assert client.logger is logging.getLogger("headrace.AsyncClient")
    assert client.rate_limited is client.is_rate_limited is True
    assert isinstance(client, ClientInternal)
    assert isinstance(client, headrace.AsyncClient if kind == "async" else headrace.SyncClient)  # type: ignore[attr-defined] # where there is one
    with pytest.raises(TypeError, match="extension"):
        type("Typo", (client_class(kind),), {}, uri="https://a.example", extension=["x"])
    await done(kind, client.close)


async def test_the_tree_has_every_endpoint(kind: str) -> None:
    """Those of the client and of all below it, as a dict or as text; a subclass has its parent's too."""

    @apiclient
    class Below(SubClient, name="below", relative_path="b"):
        @endpoint("/x", methods=["get", HTTPMethod.POST], href="https://docs.example", description="Both")
        def both(self) -> None: ...

    @apiclient
    class Base(client_class(kind), uri="https://a.example/v1"):  # type: ignore[misc] # whichever it is
        @endpoint(path="/", name="First", method="GET")
        def first(self) -> None: ...

        def unmarked(self) -> None: ...

    @apiclient
    class Client(Base):
        @endpoint("/any")
        def second(self) -> None: ...

    client = Client()
    client.add_subclient(Below())
    tree = client.tree()
    assert tree["root"]["__info__"] == {"uri": client.uri, "uri_root": client.uri_root}
    assert list(tree["root"]["__endpoints__"]) == ["first", "second"]
    assert list(Base().tree()["root"]["__endpoints__"]) == ["first"]
    text = client.tree(serialized=True, indent=2)
    assert text.startswith('{\n  "root": {\n    "__info__": {\n      "uri": "https://a.example/v1"')
    plain = json.loads(client.tree(True))
    assert plain == json.loads(text)
    assert plain["root"]["__endpoints__"]["first"] == {
        "path": "/", "name": "First", "description": None, "href": None, "methods": ["GET"],
    }  # fmt: skip
    below = plain["root"]["__subclients__"]["below"]
    assert below["__info__"]["qualified_path"] == "https://a.example/v1/b"
    assert below["__endpoints__"]["both"]["methods"] == ["GET", "POST"]
    assert client.below.tree() == tree["root"]["__subclients__"]["below"]
    with pytest.raises(ValueError, match="FETCH"):
        endpoint("/", method="FETCH")
    await done(kind, client.close)


async def test_raw_gives_the_whole_answer(echo: EchoServer, kind: str, transport: str, tmp_path: Path) -> None:
    """Status, fields and content of a success, by the names of the library below; errors are raised as ever."""
    client = client_class(kind)(echo.url, transport=transport)
    raw = await done(kind, client.get, "/user", raw=True)
    assert (raw.status, raw.status_code, raw.ok, raw.reason, raw.method) == (200, 200, True, "OK", "GET")
    assert (str(raw.url), raw.content_type) == (f"{echo.url}/user", "application/json")
    assert raw.headers["content-type"].startswith("application/json")
    raw.raise_for_status()
    if kind == "async":
        async with raw:
            found = (await raw.json(), await raw.text(), await raw.read(), await raw.text("ascii"))
        await raw.release()
    else:
        with raw:
            found = (raw.json(), raw.text, raw.content, raw.content.decode("ascii"))
        assert b"".join(raw.iter_content(7)) == b"".join(raw.iter_lines()) == raw.content
    assert found[0]["name"] == "Leanne Graham"
    assert json.loads(found[1]) == found[0]
    assert (found[2], found[3]) == (found[1].encode(), found[1])
    path = tmp_path / "a.txt"
    path.write_text("0123")
    for call in (client.upload_file, client.stream_file):
        assert (await done(kind, call, str(path), "/x", raw=True)).status == 200
    assert (await done(kind, client.request, "POST", "/x", files={"f": b"1"}, raw=True)).method == "POST"
    with pytest.raises(errors.HTTPNotFound):
        await done(kind, client.get, "/status/404", raw=True)
    await done(kind, client.close)
    assert await done(kind, client.get, "/user", raw=True) is None


async def test_raw_that_is_no_json(echo: EchoServer, kind: str) -> None:
    """Asked for JSON it says so; without a body it is `None`."""
    client = client_class(kind)(echo.url)
    text = await done(kind, client.get, "/text", raw=True)
    with pytest.raises(errors.ResponseParseError):
        await done(kind, text.json)
    empty = await done(kind, client.get, "/empty", raw=True)
    assert await done(kind, empty.json) is None
    await done(kind, client.close)


async def test_a_request_of_the_subclass_is_asked_for_everything_once(echo: EchoServer, kind: str) -> None:
    """Verbs, uploads, sub-clients and whole answers all go through it, as they did."""
    seen = []

    class Own(client_class(kind), uri=echo.url):  # type: ignore[misc] # whichever it is
        def request(self, method: str, path: Any = None, **options: Any) -> Any:
            seen.append((method, path))
            return super().request(method, path, **options)

    client = Own()
    client.add_subclient(Users())
    await done(kind, client.get, "/a")
    await done(kind, client.delete, "/b", raw=True)
    await done(kind, client.users.post, "/c", body=1)
    await done(kind, client.stream_file, [b"1"], "/d", raw=True)
    await done(kind, client.request, "PUT", "/e", raw=True)
    assert seen == [("GET", "/a"), ("DELETE", "/b"), ("POST", "users/c"), ("POST", "/d"), ("PUT", "/e")]
    await done(kind, client.close)


@pytest.mark.parametrize("failure", ["answer", "argument", "option"])
async def test_an_error_leaves_no_secret_in_the_frames(echo: EchoServer, kind: str, failure: str) -> None:
    """Of the client, its sub-clients, and what is between them and headrace."""
    client = client_class(kind)(echo.url)
    client.add_subclient(Users())
    options: dict[str, Any] = {"headers": {"Authorization": "s3cret"}, "raw": True}
    options |= {"argument": {"timeout": "long"}, "option": {"wrong": 1}}.get(failure, {})
    with pytest.raises((errors.HTTPNotFound, errors.ValidationError, TypeError)) as caught:
        await done(kind, client.users.get, f"{echo.url}/status/404", **options)
    trace = caught.value.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals["__name__"].startswith("headrace"):
            assert "s3cret" not in repr(trace.tb_frame.f_locals), trace.tb_frame
        trace = trace.tb_next
    await done(kind, client.close)
