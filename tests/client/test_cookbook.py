"""The recipes of docs/cookbook.md for web frameworks do what they say, on the real ones where they are installed."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from headrace import errors
from tests.kit import frameworks
from tests.kit.docs_examples import ROOT, example_server, run_page

_PAGE = ROOT / "docs/cookbook.md"


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """What the page defines, while the server that it asks is there."""
    module = ModuleType("headrace_recipes")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name, stand_in in frameworks.stand_ins().items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    if "django" in sys.modules or importlib.util.find_spec("django"):
        _configure_django()
    monkeypatch.chdir(tmp_path)
    with example_server() as hosts:
        run_page(_PAGE, hosts, module)
        yield module


def _configure_django() -> None:
    try:
        from django.conf import settings
    except ImportError:  # the stand-in has none
        return
    if not settings.configured:
        settings.configure()


async def test_fastapi_shares_one_client_for_its_life(recipes: ModuleType) -> None:
    """The client is made when the service starts, answers its routes, and is closed when it stops."""
    async with recipes.lifespan(recipes.app) as state:
        client = state["users"]
        request = SimpleNamespace(state=SimpleNamespace(**state))
        person = await recipes.person(1, request)
        assert person.name == "Leanne Graham"
        with pytest.raises(recipes.HTTPException) as caught:
            await recipes.person(99, request)
        assert caught.value.status_code == 404
        assert not client.closed
    assert client.closed


def test_django_answers_with_the_client_of_the_module(recipes: ModuleType) -> None:
    """A plain view asks through a `SyncClient`; what is not there is Django's own 404."""
    request: Any = None
    with recipes.UsersInViews() as recipes.users:
        assert json.loads(recipes.person_view(request, 1).content) == {"id": 1, "name": "Leanne Graham"}
        with pytest.raises(recipes.Http404):
            recipes.person_view(request, 99)


async def test_django_answers_in_an_async_view(recipes: ModuleType) -> None:
    """An async view asks through the `AsyncClient` of the module."""
    async with recipes.async_users:
        answer = await recipes.person_async_view(None, 1)
    assert json.loads(answer.content) == {"id": 1, "name": "Leanne Graham"}


def test_a_celery_task_asks_and_its_process_closes(recipes: ModuleType) -> None:
    """A task gives its result, raises what the worker retries, and the client ends with the process."""
    assert recipes.fetch_name(1) == "Leanne Graham"
    with pytest.raises(errors.HTTPNotFound):
        recipes.fetch_name(99)
    recipes.close_client()
    assert recipes.users.closed
