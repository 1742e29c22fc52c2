"""The verbs of a client, as callers and type checkers see them: each makes one `Call`."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack, cast, overload

from headrace._core.call import OPTIONS, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from yarl import URL

    from headrace.types import Body, BodyOptions, BodyRowOptions, RequestOptions, RowOptions

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TypeAdapterLike(Protocol[T_co]):
    """What a type checker sees of a `pydantic.TypeAdapter`."""

    def validate_json(self, data: str | bytes | bytearray, /) -> T_co:
        """Decode JSON text."""
        ...


class Verbs:
    """The request methods.

    All of them take, behind the path, keyword arguments only:

    Args:
        path: Joined to the client's `uri` with exactly one slash; `None` is the `uri` itself. An absolute URL is sent
            as it is.
        body: What is sent as JSON: a mapping, list or any model.
        data: What is sent as it is: bytes, text, a number, a mapping or list of pairs (a form), an `aiohttp.FormData`
            or payload, an open file, an (async) iterable of bytes.
        headers: Header fields over the client's, for this request.
        cookies: Cookies over the client's, for this request.
        parameters: Query parameters over the client's, for this request. Nested ones get dotted keys, lists repeat the
            key.
        response_format: `None` for plain JSON, `bytes` or `str` for the body as it is, or a model. A single model class
            and a JSON array give a list of that model.
        timeout: Seconds for the whole request, a `Timeout`, or `None` for no limit.
        error_responses: Status to model or function, over the client's, for this request.
        on_invalid: With `response_format=list[...]`, what becomes of rows that do not fit: ``"raise"`` the error,
            ``"skip"`` leaves them out, ``"collect"`` gives a `headrace.Partial`.

    Returns:
        The decoded body; `None` where a success has none, and where the client is closed (nothing is sent then).

    Raises:
        headrace.errors.ValidationError: An argument is wrong; nothing was sent.
        headrace.errors.HTTPError: The status is no success: its own class, with the decoded error body as `response`.
        headrace.errors.ResponseParseError: The body of a success is not JSON, or (`ResponseValidationError`) does not
            fit.
        headrace.errors.TransportError: No whole answer arrived: `ConnectError`, `ConnectionLost`, `ProtocolError`,
            `RequestTimeout`, `PoolTimeout`, `ResponseTooLarge`, `UploadError`.
    """

    #: Sends a call: the pipeline, or else what asks the subclass's own `request`.
    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]
    _run: Callable[[Call], Coroutine[Any, Any, Any]]

    def _dispatching(
        self, run: Callable[[Call], Coroutine[Any, Any, Any]]
    ) -> Callable[[Call], Coroutine[Any, Any, Any]]:
        """Choose what sends the calls: a subclass that has a `request` of its own is asked for everything.

        Args:
            run: The pipeline.
        """
        if type(self).request is Verbs.request:
            return run
        client = weakref.ref(self)  # or it would hold itself, and live until the collector comes

        def ask(call: Call) -> Coroutine[Any, Any, Any]:
            return cast("Verbs", client()).request(call.method, call.path, **call.options())

        return ask

    @overload
    def request(
        self,
        method: str,
        path: str | URL | None = None,
        *,
        response_format: TypeAdapterLike[T],
        **options: Unpack[BodyOptions],
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def request(
        self, method: str, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def request(
        self,
        method: str,
        path: str | URL | None = None,
        *,
        response_format: Any = None,
        **options: Unpack[BodyRowOptions],
    ) -> Coroutine[Any, Any, Any]: ...

    def request(
        self, method: str, path: str | URL | None = None, *, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a request with any method, a token (RFC 9110, section 9.1)."""
        return self._run(as_call("request", path, method, response_format, options))

    @overload
    def get(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def get(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def get(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[RowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def get(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a GET request (RFC 9110, section 9.3.1)."""
        if not options:
            return self._dispatch(Call(path, "GET", response_format))
        return self._dispatch(as_call("get", path, "GET", response_format, options))

    @overload
    def head(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def head(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def head(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[RowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def head(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a HEAD request (RFC 9110, section 9.3.2); a success gives `None`."""
        return self._dispatch(as_call("head", path, "HEAD", response_format, options))

    @overload
    def options(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def options(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def options(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[RowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def options(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send an OPTIONS request (RFC 9110, section 9.3.7)."""
        return self._dispatch(as_call("options", path, "OPTIONS", response_format, options))

    @overload
    def delete(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def delete(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[RequestOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def delete(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[RowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def delete(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a DELETE request (RFC 9110, section 9.3.5)."""
        return self._dispatch(as_call("delete", path, "DELETE", response_format, options))

    @overload
    def post(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def post(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def post(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def post(
        self, path: str | URL | None = None, *, body: Body = None, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a POST request (RFC 9110, section 9.3.3)."""
        if not options:
            return self._dispatch(Call(path, "POST", response_format, body))
        return self._dispatch(as_call("post", path, "POST", response_format, options, body))

    @overload
    def put(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def put(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def put(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def put(
        self, path: str | URL | None = None, *, body: Body = None, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a PUT request (RFC 9110, section 9.3.4)."""
        if not options:
            return self._dispatch(Call(path, "PUT", response_format, body))
        return self._dispatch(as_call("put", path, "PUT", response_format, options, body))

    @overload
    def patch(
        self, path: str | URL | None = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def patch(
        self, path: str | URL | None = None, *, response_format: type[T], **options: Unpack[BodyOptions]
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def patch(
        self, path: str | URL | None = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Coroutine[Any, Any, Any]: ...

    def patch(
        self, path: str | URL | None = None, *, body: Body = None, response_format: Any = None, **options: Any
    ) -> Coroutine[Any, Any, Any]:
        """Send a PATCH request (RFC 5789)."""
        if not options:
            return self._dispatch(Call(path, "PATCH", response_format, body))
        return self._dispatch(as_call("patch", path, "PATCH", response_format, options, body))


def check_options(verb: str, options: dict[str, Any], known: frozenset[str]) -> None:
    """Refuse an option that a verb does not know; all of them are forgotten then.

    Raises:
        TypeError: There is one.
    """
    unknown = options.keys() - known
    if unknown:
        options.clear()  # logs may show the variables of a frame, and these are the verb's own too
        message = f"{verb}() got an unexpected keyword argument {min(unknown)!r}"
        raise TypeError(message)


def as_call(verb: str, path: Any, method: str, response_format: Any, options: dict[str, Any], body: Any = None) -> Call:
    """Make the call of a verb.

    Raises:
        TypeError: One of its options is unknown.
    """
    if not options:
        return Call(path, method, response_format, body)
    try:
        check_options(verb, options, OPTIONS)
    except TypeError:
        path = body = None  # logs may show the variables of a frame
        raise
    if body is None:
        return Call(path, method, response_format, **options)
    return Call(path, method, response_format, body, **options)
