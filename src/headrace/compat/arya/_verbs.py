"""The verbs with the keywords that they had, for clients and sub-clients alike: what is given goes on, and no more."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from headrace._io.bodies.multipart import FilePart
from headrace._io.frames import clear_frames
from headrace.types import UNSET

if TYPE_CHECKING:
    from headrace.types import TimeoutLike

F = TypeVar("F", bound=Callable[..., Any])

#: What stands for "not given", where it is not `None`.
_ABSENT: Final[Mapping[str, Any]] = {"timeout": UNSET, "raw": False}


def _given(arguments: dict[str, Any], *positional: str) -> dict[str, Any]:
    """Find the options among the variables of a verb."""
    for name in ("self", "path", *positional):
        del arguments[name]
    more: dict[str, Any] = arguments.pop("more")
    return {name: value for name, value in arguments.items() if value is not _ABSENT.get(name)} | more


def as_parts(files: Any) -> Any:
    """Read `files` as the library below took them: by field, a file, or a tuple of a name, a file and its type."""
    if not isinstance(files, Mapping):
        return files
    return {name: _as_part(name, part) for name, part in files.items()}


def _as_part(name: str, part: Any) -> Any:
    if isinstance(part, tuple):
        return FilePart(part[1], filename=part[0], content_type=next(iter(part[2:]), None))
    return FilePart(part, filename=name) if isinstance(part, (bytes, bytearray)) else part


def _cleared(verb: F) -> F:
    """Let no secret stay in the frames of a verb that fails at once: those of the methods behind it are ours, too."""

    @functools.wraps(verb)
    def asked(self: Verbs, *args: Any, **options: Any) -> Any:
        try:
            return verb(self, *args, **options)
        except BaseException as error:
            args = ()
            options.clear()
            clear_frames(error)
            raise

    return cast("F", asked)


class Verbs(abc.ABC):
    """The request methods of the older framework; `raw` is the last keyword of each, and any of headrace's may follow.

    Each returns what the client returns: a coroutine, or the answer itself.
    """

    @abc.abstractmethod
    def _ask(self, verb: str, arguments: tuple[Any, ...], path: Any, options: dict[str, Any]) -> Any:
        """Send a request.

        Args:
            verb: The name of the method that was called.
            arguments: What stands before the path.
            path: The path.
            options: The keywords that were given.
        """

    @_cleared
    def request(
        self,
        method: str,
        path: Any = None,
        *,
        body: Any = None,
        data: Any = None,
        files: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a request with any method; `files` are a form, and `data` its other fields."""
        options = _given(locals(), "method")
        return self._ask("request", (method,), path, options)

    @_cleared
    def upload_file(
        self,
        file: Any,
        path: Any = None,
        *,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a file as a form, in the field `file`."""
        options = _given(locals(), "file")
        return self._ask("upload_file", (file,), path, options)

    @_cleared
    def stream_file(
        self,
        file: Any,
        path: Any = None,
        *,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send the bytes of a file as the body."""
        options = _given(locals(), "file")
        return self._ask("stream_file", (file,), path, options)

    @_cleared
    def get(
        self,
        path: Any = None,
        *,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a GET request."""
        options = _given(locals())
        return self._ask("get", (), path, options)

    @_cleared
    def post(
        self,
        path: Any = None,
        *,
        body: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a POST request."""
        options = _given(locals())
        return self._ask("post", (), path, options)

    @_cleared
    def patch(
        self,
        path: Any = None,
        *,
        body: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a PATCH request."""
        options = _given(locals())
        return self._ask("patch", (), path, options)

    @_cleared
    def put(
        self,
        path: Any = None,
        *,
        body: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a PUT request."""
        options = _given(locals())
        return self._ask("put", (), path, options)

    @_cleared
    def delete(
        self,
        path: Any = None,
        *,
        body: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        response_format: Any = None,
        timeout: TimeoutLike = UNSET,
        error_responses: Any = None,
        raw: bool = False,
        **more: Any,
    ) -> Any:
        """Send a DELETE request, with a body where there is one."""
        options = _given(locals())
        return self._ask("delete", (), path, options)
