"""The types of `SyncClient` are written by a script, say what `AsyncClient` says, and hold at run time."""

import ast
import asyncio
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

import headrace
from headrace._client.blocking import in_words, shown, sync_name, view_of
from headrace._client.iterating import Family, SyncIterator
from headrace._client.loop_thread import LoopThread
from headrace._client.settings import Settings
from tests.kit import ROOT

STUB = ROOT / "src" / "headrace" / "sync.pyi"


def run(*command: str) -> None:
    """Run a command, which has to succeed."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_is_current() -> None:
    """It is what `make stubs` would write of the source of today."""
    run("scripts/sync_stubs.py", "--check")


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_type_checkers_see_what_a_caller_gets(checker: list[str]) -> None:
    """Both checkers read the sample without a complaint."""
    run("-m", *checker, "tests/typing/sync.py")


def test_the_stub_names_what_there_is() -> None:
    """Every class, method and argument of it is there at run time, and every public one of these is in it."""
    classes = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)}
    assert set(classes) == {"SyncBulk", "SyncClient", "SyncPages", "SyncStreamedResponse"}
    for name, node in classes.items():
        kind = getattr(headrace, name)
        functions = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        public = {each.name for each in functions if not each.name.startswith("_")}
        shared = vars(Settings).keys() if issubclass(kind, Settings) else set()
        assert public == {each for each in vars(kind) if not each.startswith("_")} - shared
        for each in functions:
            method = inspect.getattr_static(kind, each.name)
            if isinstance(method, property) or each.name.startswith("_"):
                continue
            known = inspect.signature(method).parameters
            takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
            places = [argument.arg for argument in each.args.args]
            keywords = {argument.arg for argument in each.args.kwonlyargs}
            # `**options: Unpack[…]` of a stub may stand for keywords of their own.
            assert takes_any or places == list(known)[: len(places)], each.name
            assert takes_any or keywords <= known.keys() - {*places}, each.name
            assert takes_any or each.args.kwarg or keywords == known.keys() - {*places}, each.name


def test_the_words() -> None:
    """What is said of the async client is said of this one."""
    assert in_words("``async with client.stream()`` of `AsyncClient`: see `aiter_bytes`, `x.aread`") == (
        "``with client.stream()`` of `SyncClient`: see `iter_bytes`, `x.read`"
    )
    assert [sync_name(name) for name in ("aiter_lines", "aread", "aclose", "answer", "stop")] == [
        "iter_lines", "read", "close", "answer", "stop",
    ]  # fmt: skip


class Pages:
    """An async object as later ones will be: iterated over, entered, with methods and a state.

    `async for` gives its items.
    """

    def __init__(self, count: int) -> None:
        self.state = 0
        self.entered = False
        self.tasks: list[Any] = []
        self._left = count

    @property
    def total(self) -> int:
        """How many there are."""
        return self.state + self._left

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        self.state += 1
        return self.state

    async def __aenter__(self) -> Self:
        self.entered = True
        self.tasks.append(asyncio.current_task())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.entered = False
        self.tasks.append(asyncio.current_task())

    async def collect(self) -> list[int]:
        """Return the rest."""
        return [item async for item in self]

    def stop(self) -> bool:
        """Tell whether it is called where it may touch what the loop has."""
        return asyncio.current_task() is not None

    async def pages(self) -> AsyncIterator[list[int]]:
        """Yield pairs."""
        async for item in self:
            yield [item, await anext(self)]

    async def aclose(self) -> None:
        """End."""
        self._left = 0


def test_any_async_object_can_be_shown() -> None:
    """Iteration, blocks, methods, attributes; nothing is read ahead of an object that has a state."""
    thread = LoopThread("test")
    try:
        source = Pages(5)
        pages = shown(source, Family(thread))
        assert type(pages).__name__ == "SyncPages"
        assert type(pages) is view_of(Pages)
        assert pages.total == 5
        with pages as entered:
            assert entered is pages
            assert source.entered
            assert next(pages) == 1
            assert (pages.state, pages.total) == (1, 5)
            assert [item for item in pages if item < 3] == [2]
        assert not source.entered
        assert source.tasks[0] is source.tasks[1]  # as what is entered and left in one task may need
        other = shown(Pages(4), Family(thread))
        pairs = other.pages()
        assert isinstance(pairs, SyncIterator)
        assert next(pairs) == [1, 2]
        assert other.state == 2
        assert list(pairs) == [[3, 4]]
        third = shown(Pages(3), Family(thread))
        assert third.stop()
        assert third.collect() == [1, 2, 3]
        third.close()
        with pytest.raises(AttributeError, match="close"):
            third.aclose()
    finally:
        thread.stop()


def test_the_client_is_loaded_late() -> None:
    """Who never asks for it never loads it."""
    code = """
import sys, headrace
assert "headrace.sync" not in sys.modules
headrace.SyncClient
assert "headrace.sync" in sys.modules
try:
    headrace.nothing
except AttributeError as error:
    assert "nothing" in str(error)
"""
    run("-c", code)


_MADE_UP = {
    "client": '''
from headrace._client.settings import Settings
from headrace._client.verbs import Verbs

class AsyncClient(Settings, Verbs):
    """A client."""
    async def close(self) -> None:
        """Close it."""
    async def __aenter__(self) -> Self: ...
''',
    "_sync": 'class SyncClient:\n    """A client that waits; an `AsyncClient` inside."""\n',
    "_client/settings": "class Settings: ...\n",
    "_client/pages": '''
from __future__ import annotations
from typing import Generic, TypeVar
from collections.abc import AsyncIterator
from pathlib import Path
T = TypeVar("T")

class Pages(AsyncIterator[T]):
    """Pages, for `async for`."""
    def __init__(self, count: int) -> None:
        self.state: dict[str, int] = {}
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> T: ...
    async def collect(self) -> list[T]: ...
    def pages(self) -> AsyncIterator[list[T]]: ...
    async def aclose(self) -> None: ...
''',
    "_client/verbs": '''
from __future__ import annotations
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, Unpack, overload, Self
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from headrace._client.pages import Pages
    from headrace.types import Options as O
T = TypeVar("T")

class Verbs:
    """Verbs."""
    _secret: int
    @overload
    async def get(self, path: str | None = None, *, response_format: type[T], **options: Unpack[O]) -> T: ...
    @overload
    async def get(self, path: str | None = None, *, items: str, **options: Unpack[O]) -> list[T] | None: ...
    async def get(self, path=None, *, response_format=None, **options):
        """Get it, with `await client.get()`."""
    def put(self, data: Callable[[], Awaitable[str]]) -> Coroutine[Any, Any, "list[T]"]: ...
    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Pages[T]]: ...
    def paginate(self, kind: type[T]) -> Pages[T]: ...
    async def _hidden(self) -> None: ...
''',
}


def test_the_script_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever verbs and async objects the client gets, they are there without `async`."""
    spec = importlib.util.spec_from_file_location("sync_stubs", ROOT / "scripts" / "sync_stubs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in _MADE_UP.items():
        path = tmp_path / "headrace" / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("from typing import Any, Self\n" + text.replace("from __future__ import annotations\n", ""))
    monkeypatch.setattr(script, "SOURCE", tmp_path)
    stub = script.Stub()
    stub.client()
    text = stub.text()
    for line in (
        "def get(self, path: str | None = None, *, response_format: type[T], **options: Unpack[O]) -> T:",
        '"""Get it, with `client.get()`."""',
        "def get(self, path: str | None = None, *, items: str, **options: Unpack[O]) -> list[T] | None: ...",
        "def put(self, data: Callable[[], Awaitable[str]]) -> list[T]: ...",
        "def lent(self) -> AbstractContextManager[SyncPages[T]]: ...",
        "def paginate(self, kind: type[T]) -> SyncPages[T]: ...",
        "class SyncPages(Generic[T]):",
        '"""Pages, for `for`."""',
        "state: dict[str, int]",
        "def __iter__(self) -> Self: ...",
        "def __next__(self) -> T: ...",
        "def collect(self) -> list[T]: ...",
        "def pages(self) -> SyncIterator[list[T]]: ...",
        "def close(self) -> None:",
        '"""A client that waits; an `AsyncClient` inside."""',
        "from headrace.types import Options as O",
        '__all__ = ["SyncClient", "SyncIterator", "SyncPages"]',
    ):
        assert line in text, text
    assert "_hidden" not in text
    assert "async" not in text
