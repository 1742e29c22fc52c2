"""Runs what a beginner writes against answers that are always the same, and catches what it raises."""

import ast
from datetime import timedelta
from typing import Any

import pydantic

import headrace
from headrace import AsyncClient, BaseModel, Call, Incremental, Retry, Timeout
from headrace.compat.pydantic import Fast
from headrace.compat.structify import structify
from headrace.pages import Cursor, Link
from headrace.testing import MockTransport, Request, Response, json_response, text_response


class User(BaseModel):
    """A user."""

    id: int
    name: str


class Order(BaseModel):
    """An order."""

    total: int


class Extra(pydantic.BaseModel, extra="allow"):
    """A model that keeps fields which it does not name."""

    id: int


_ADA = {"id": 1, "name": "Ada"}
_ANSWERS = {
    "/v1/users/1": lambda: json_response(_ADA),
    "/v1/users": lambda: json_response([_ADA]),
    "/v1/file": lambda: text_response("some text"),
    "/v1/page": lambda: Response(200, {"Content-Type": "text/html"}, b"<h1>Maintenance</h1>"),
}
_NAMES = {
    "Call": Call,
    "Cursor": Cursor,
    "Incremental": Incremental,
    "Link": Link,
    "AsyncClient": AsyncClient,
    "Extra": Extra,
    "Fast": Fast,
    "Order": Order,
    "Retry": Retry,
    "Timeout": Timeout,
    "User": User,
    "headrace": headrace,
    "structify": structify,
    "timedelta": timedelta,
}


def _answer(request: Request) -> Response:
    made = _ANSWERS.get(request.url.path)
    return json_response({"detail": "no such thing"}, status=404) if made is None else made()


async def raised(code: str) -> Exception:
    """Run lines of Python that may await, and give the error that they end with.

    Args:
        code: The lines.
    """
    async with AsyncClient("https://api.example.com/v1", transport=MockTransport(_answer)) as client:
        names: dict[str, Any] = {**_NAMES, "client": client}
        compiled = compile(code, "<row>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            found = eval(compiled, names)  # noqa: S307 - our own table
            if found is not None:
                await found
        except Exception as error:  # noqa: BLE001 - whichever it is
            return error
    message = f"nothing was raised by {code}"
    raise AssertionError(message)
