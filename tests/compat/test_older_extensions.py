"""The extensions of the older framework: modules that bring sub-clients, loaded and unloaded by their names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.compat.arya import errors
from tests.kit.older import client_class, done
from tests.kit.told import header
from tests.servers.echo import EchoServer

_EXTENSION = """
from headrace.compat.arya import SubClient
seen = []
class Users(SubClient, name="users", relative_path="/{path}"):
    pass
def setup(client):
    client.add_subclient(Users())
    seen.append("setup")
def teardown(client):
    seen.append("teardown")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of extensions that can be imported, and is forgotten afterwards."""
    folder = tmp_path / "older_extensions"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "users.py").write_text(_EXTENSION.replace("{path}", "users"))
    (folder / "hollow.py").write_text("")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "failing.py").write_text(_EXTENSION.replace('seen.append("setup")', "raise RuntimeError('no')"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


async def test_an_extension_brings_sub_clients_and_takes_them_along(echo: EchoServer, kind: str, package: Path) -> None:
    """By its whole name or a relative one; `teardown` is called, also when the client is closed."""
    client = client_class(kind)(echo.url)
    client.load_extension(".users", package="older_extensions")
    module = client.extensions["older_extensions.users"]
    assert (await done(kind, client.users.get, "/1"))["target"] == "/users/1"
    with pytest.raises(errors.ExtensionAlreadyLoaded):
        client.load_extension("older_extensions.users")
    client.unload_extension("older_extensions.users")
    assert not client.extensions
    assert not client.subclients
    assert module.seen == ["setup", "teardown"]
    client.load_extension("older_extensions.users")
    again = client.extensions["older_extensions.users"]
    await done(kind, client.close)
    assert again is not module
    assert again.seen == ["setup", "teardown"]
    assert not client.extensions


async def test_an_extension_is_reloaded_or_stays_as_it_was(echo: EchoServer, kind: str, package: Path) -> None:
    """From its source as it is by now; where that is broken, the sub-clients of before are there."""
    client = client_class(kind)(echo.url)
    with pytest.raises(errors.ExtensionNotLoaded):
        client.reload_extension("older_extensions.users")
    client.load_extension("older_extensions.users")
    (package / "users.py").write_text(_EXTENSION.replace("{path}", "people"))
    client.reload_extension("older_extensions.users")
    assert (await done(kind, client.users.get, "/1"))["target"] == "/people/1"
    (package / "users.py").write_text("this is no Python")
    with pytest.raises(errors.ExtensionFailed, match="SyntaxError"):
        client.reload_extension("older_extensions.users")
    assert (await done(kind, client.users.get, "/1"))["target"] == "/people/1"
    assert list(client.extensions) == ["older_extensions.users"]
    await done(kind, client.close)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("older_extensions.missing", errors.ExtensionNotFound),
        ("nowhere_at_all.missing", errors.ExtensionNotFound),
        (".relative", errors.ExtensionNotFound),
        ("older_extensions.hollow", errors.ExtensionEntryPointError),
        ("older_extensions.broken", errors.ExtensionFailed),
        ("older_extensions.failing", errors.ExtensionFailed),
    ],
)
async def test_an_extension_that_cannot_be_loaded_leaves_nothing(
    kind: str, package: Path, name: str, error: type[errors.ExtensionError]
) -> None:
    """The error names it, and no sub-client of it stays."""
    client = client_class(kind)("https://a.example")
    with pytest.raises(error, match="extension") as caught:
        client.load_extension(name)
    assert caught.value.name == name
    assert not client.extensions
    assert not client.subclients
    with pytest.raises(errors.ExtensionNotLoaded):
        client.unload_extension("older_extensions.users")
    await done(kind, client.close)


async def test_extensions_of_the_class(echo: EchoServer, kind: str, package: Path) -> None:
    """Each instance loads them when it is set up, one with an `__init__` of its own when it is first used."""

    class Plain(client_class(kind), uri=echo.url, extensions=[(".users", "older_extensions")]):  # type: ignore[misc] # whichever it is
        """Loads one."""

    class Own(Plain):
        def __init__(self, lang: str) -> None:
            self.headers = {"X-Lang": lang}

    class Untouched(Plain):
        def __init__(self) -> None:
            """Touch nothing."""

    for client, lang in (
        (Plain(), None),
        (Own("de"), "de"),
        (Untouched(), None),
        (Own.from_config(Own("x").config), None),
    ):
        told = await done(kind, client.users.get, "/1")
        assert (told["target"], header(told, "X-Lang")) == ("/users/1", lang)
        assert list(client.extensions) == ["older_extensions.users"]
        await done(kind, client.close)
    with pytest.raises(ValueError, match="takes a list of names"):
        type("Text", (client_class(kind),), {}, uri=echo.url, extensions="older_extensions.users")


async def test_a_teardown_that_fails_is_logged(kind: str, package: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client is closed all the same."""
    (package / "users.py").write_text(_EXTENSION.replace("{path}", "u") + "    raise RuntimeError('torn')\n")
    client = client_class(kind)("https://a.example")
    client.load_extension("older_extensions.users")
    await done(kind, client.close)
    assert not client.extensions
    assert "older_extensions.users has failed" in caplog.text
