"""Stands for the frameworks of the cookbook where they are not installed: as much of each as its recipe uses.

With FastAPI, Django or Celery in the environment the recipes run on the real ones.
"""

import importlib.util
import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any


class HTTPException(Exception):
    """FastAPI's error with a status."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code = status_code


class FastAPI:
    """An application: its lifespan and its routes."""

    def __init__(self, lifespan: Callable[[Any], Any]) -> None:
        self.lifespan = lifespan
        self.routes: dict[str, Callable[..., Any]] = {}

    def get(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Note the function of a path."""

        def note(function: Callable[..., Any]) -> Callable[..., Any]:
            self.routes[path] = function
            return function

        return note


class JsonResponse:
    """Django's answer in JSON."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.content = json.dumps(data).encode()


class Celery:
    """An application whose tasks are called where they stand."""

    def __init__(self, main: str) -> None:
        self.main = main

    def task(self, **_: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Leave the function as it is."""
        return lambda function: function


class _Signal:
    def connect(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


_NAMES: dict[str, dict[str, Any]] = {
    "fastapi": {"FastAPI": FastAPI, "HTTPException": HTTPException, "Request": SimpleNamespace},
    "django": {},
    "django.http": {"Http404": type("Http404", (Exception,), {}), "JsonResponse": JsonResponse},
    "celery": {"Celery": Celery},
    "celery.signals": {"worker_process_shutdown": _Signal()},
}


def stand_ins() -> dict[str, ModuleType]:
    """Make the modules of those frameworks that are not installed."""
    made: dict[str, ModuleType] = {}
    for name, content in _NAMES.items():
        package = name.partition(".")[0]
        if package in made or importlib.util.find_spec(package) is None:
            made[name] = ModuleType(name)
            vars(made[name]).update(content)
    return made
