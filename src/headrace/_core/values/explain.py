"""Why something could not be decoded, and what would help: sentences for errors, made only where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace._checks import cut, wrong
from headrace.errors import ResponseValidationError

if TYPE_CHECKING:
    from headrace.errors import ResponseParseError, ValidationError

_FORMATS = "a model, a type that msgspec knows, bytes, str or None for plain JSON"


def no_format(response_format: Any) -> ValidationError:
    """Make the error for a response format that is no type, and name the type that was meant where that can be seen.

    Args:
        response_format: What was given.
    """
    meant = None
    if isinstance(response_format, (list, set, tuple)) and response_format:
        names = [part.__name__ for part in response_format if isinstance(part, type)]
        if len(names) == len(response_format) == 1:
            meant = f"list[{names[0]}]"
        elif len(names) == len(response_format):
            meant = f"{' | '.join(names)}, or list[{' | '.join(names)}]"
    elif isinstance(response_format, dict):
        meant = "a class, such as a BaseModel or a TypedDict; dict for any JSON object"
    elif isinstance(response_format, str):
        meant = "the class itself, without quotes; None gives plain JSON"
    elif type(response_format).__module__ != "builtins":
        meant = f"the class {type(response_format).__name__}, not an object of it"
    return wrong("response_format", response_format, _FORMATS, "" if meant is None else f"give {meant}")


def refused(error: Exception) -> str:
    """Say why msgspec decodes no such type, and how unions are told apart.

    Args:
        error: What it has raised.
    """
    text = str(error)
    if "union" not in text:
        return text
    if "Struct" in text:
        return f"{text}; give each class a tag, as in `class User(BaseModel, tag=True)`"
    return f"{text}; make the classes BaseModels with a tag, as in `class User(BaseModel, tag=True)`"


def undecoded(error: ResponseParseError, content_type: str) -> None:
    """Tell in an error what kind of body it was that is not JSON, and how it is had as it is.

    Args:
        error: The error; one of a body that is JSON stays as it is.
        content_type: The `Content-Type` of the answer.
    """
    if isinstance(error, ResponseValidationError):
        return
    kind = f"its Content-Type is {cut(content_type)!r}" if content_type else "it has no Content-Type"
    error.message = f"{error.message} ({kind}); response_format=str or bytes gives it as it is"
    error.args = (error.message, error.raw_response)
